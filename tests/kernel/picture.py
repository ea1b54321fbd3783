#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Says what picture.c must have painted, without sharing a line with it.

The scene is the same; the drawing is not: rows of integers, slices and closed
formulas here, clipped pixels and running errors there. Only the font's table
is common. Also reads PPM screendumps, compares, and writes PNG files.
"""
from __future__ import annotations

import math
import re
import struct
import zlib
from pathlib import Path

Rows = list[list[int]]  # one integer 0xRRGGBB a pixel

FONT_HEADER = Path(__file__).with_name("font8x16.h")
STOPS = ((0, 0x090B26), (420, 0x361C62), (760, 0xC44270), (1024, 0xFFA85C))
DITHER = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))
BARS = (0xFFFFFF, 0xFFFF00, 0x00FFFF, 0x00FF00,
        0xFF00FF, 0xFF0000, 0x0000FF, 0x000000)
LIT = (0xFFD678, 0x78DCFF, 0xFF8CB4, 0xFFE9B0)
WALLS = (0x6B2F63, 0x3A1D55, 0x150F2E)
COUNTER = 14 * 8  # the counter's width, in font pixels


def load_font() -> list[list[int]]:
    """95 glyphs of 16 rows, from the C header."""
    data = [int(m, 16) for m in
            re.findall(r"\b0x([0-9a-f]{2})\b", FONT_HEADER.read_text())]
    return [data[i:i + 16] for i in range(0, len(data), 16)]


def random_numbers(seed: int):
    """xorshift32, without its eight lowest bits."""
    x = (seed ^ 0x7F4A7C15) * 0x9E3779B1 % 2**32 or 1
    while True:
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        yield x >> 8


def over(back: int, front: int, alpha: int) -> int:
    """`front` over `back`; alpha 256 hides the back."""
    out = 0
    for at in (16, 8, 0):
        b, f = back >> at & 255, front >> at & 255
        out |= (b * (256 - alpha) + f * alpha) // 256 << at
    return out


class Painter:
    """Rows of pixels and the few things that can be painted on them."""

    def __init__(self, width: int, height: int, seed: int):
        self.w, self.h = width, height
        self.rows: Rows = [self.sky_row(y) for y in range(height)]
        self.stream = random_numbers(seed)
        self.font = load_font()

    def below(self, n: int) -> int:
        return next(self.stream) % n

    def sky_row(self, y: int) -> list[int]:
        t = y * 1024 // self.h
        (t0, a), (t1, b) = next(pair for pair in zip(STOPS, STOPS[1:])
                                if t < pair[1][0])
        four = [0] * 4
        for at in (16, 8, 0):
            mixed = ((a >> at & 255) * (t1 - t) +
                     (b >> at & 255) * (t - t0)) * 16 // (t1 - t0)
            for i in range(4):
                four[i] |= (mixed + DITHER[y % 4][i]) // 16 << at
        return (four * (self.w // 4 + 1))[:self.w]

    def fill(self, x: int, y: int, w: int, h: int, rgb: int,
             alpha: int = 256) -> None:
        left, right = max(x, 0), min(x + w, self.w)
        if left >= right:
            return
        for row in self.rows[max(y, 0):max(y + h, 0)]:
            if alpha == 256:
                row[left:right] = [rgb] * (right - left)
                continue
            part = row[left:right]
            new = {old: over(old, rgb, alpha) for old in set(part)}
            row[left:right] = [new[old] for old in part]

    def line(self, x0: int, y0: int, x1: int, y1: int, rgb: int,
             alpha: int) -> None:
        n = max(abs(x1 - x0), abs(y1 - y0))
        for i in range(n + 1):
            def step(d: int) -> int:
                far = (2 * i * abs(d) + n) // (2 * n) if n else 0
                return far if d >= 0 else -far
            self.fill(x0 + step(x1 - x0), y0 + step(y1 - y0), 1, 1, rgb, alpha)

    def text(self, x: int, y: int, s: int, words: str, rgb: int) -> None:
        for place, char in enumerate(words):
            code = ord(char) if 32 <= ord(char) <= 126 else ord("?")
            for j, bits in enumerate(self.font[code - 32]):
                for i, dot in enumerate(f"{bits:08b}"):
                    if dot == "1":
                        self.fill(x + (8 * place + i) * s, y + j * s, s, s, rgb)

    def frame(self, x: int, y: int, w: int, h: int, t: int, rgb: int) -> None:
        for i in range(t):
            self.fill(x, y + i, w, 1, rgb)
            self.fill(x, y + h - 1 - i, w, 1, rgb)
            self.fill(x + i, y, 1, h, rgb)
            self.fill(x + w - 1 - i, y, 1, h, rgb)

    def disc(self, cx: int, y: int, dy: int, r: int, rgb: int,
             alpha: int) -> None:
        """One row of a disc: all x with x*x + dy*dy <= r*r."""
        half = math.isqrt(r * r - dy * dy)
        self.fill(cx - half, y, 2 * half + 1, 1, rgb, alpha)


def stars(p: Painter) -> None:
    for _ in range(min(p.w * p.h // 2048, 600)):
        x, y = p.below(p.w), p.below(p.h * 6 // 10 + 1)
        size = 2 if p.below(8) == 0 else 1
        p.fill(x, y, size, size, 0xF4F0FF, 60 + p.below(190))
    for _ in range(4):
        a = (p.w // 2 + p.below(p.w // 2 + 1), p.below(p.h // 3 + 1))
        for _ in range(5):
            b = (a[0] + p.below(p.w // 8 + 1) - p.w // 16,
                 a[1] + p.below(p.h // 8 + 1) - p.h // 16)
            p.line(*a, *b, 0x9FC8FF, 96)
            p.fill(b[0] - 1, b[1] - 1, 3, 3, 0xFFFFFF, 224)
            a = b


def sun(p: Painter) -> None:
    r = min(p.w, p.h) // 5
    cx, cy, halo = p.w * 13 // 16, p.h * 10 // 16, r + r // 6
    for dy in range(-halo, halo + 1):
        p.disc(cx, cy + dy, dy, halo, 0xFFC890, 28)
    for dy in range(-r, r + 1) if r else ():
        if dy > 0 and dy * 8 % r < dy * 8 // r * r // 10:
            continue
        rgb = (0xFF0000 | 236 - (dy + r) * 70 // r << 8
               | 150 - (dy + r) * 30 // r)
        p.disc(cx, cy + dy, dy, r, rgb, 256)


def town(p: Painter) -> None:
    u = max(min(p.w, p.h) // 360, 1)
    for row, wall in enumerate(WALLS):
        x = 0
        while x < p.w:
            w = (15 + 5 * p.below(6) + 4) * u
            h = p.h // (5 + 2 * row) * (50 + p.below(50)) // 100
            top = p.h - h
            p.fill(x, top, w, h, wall)
            if row > 0 and p.below(4) == 0:
                p.fill(x + w // 2, top - 8 * u, u, 8 * u, wall)
            if row == 2:
                for k in range(top + 3 * u, p.h, 6 * u):
                    for i in range(x + 2 * u, x + w - 4 * u + 1, 5 * u):
                        if p.below(3) == 0:
                            p.fill(i, k, 2 * u, 3 * u, LIT[p.below(4)])
            x += w


class Panel:
    """Where the panel and its parts are."""

    def __init__(self, w: int, h: int, text: str):
        self.lines = text.split("\n")
        self.s = s = max(min(w // 600, h // 380), 1)
        wide = max(16 * len(self.lines[0]),
                   *(8 * len(t) for t in self.lines[1:]), COUNTER + 120, 0)
        self.inner = wide * s
        self.w = (wide + 24) * s
        # Two pads, the title's 40, a line of 18 for each of the text's
        # others and the facts, 6, bars of 18, 8, the live strip of 18.
        self.h = (24 + 40 + 18 * len(self.lines) + 6 + 18 + 8 + 18) * s
        self.x = w // 20 if w > self.w + w // 16 else max((w - self.w) // 2, 0)
        self.y = max(min(h // 10, (h - self.h) // 2), 0)
        self.left = self.x + 12 * s
        self.top = self.y + 12 * s
        self.live_y = self.y + self.h - 30 * s
        self.track_x = self.left + (COUNTER + 8) * s
        self.track_w = self.inner - (COUNTER + 8) * s

    def paint(self, p: Painter, seed: int, tick: int) -> None:
        s, left, y = self.s, self.left, self.top
        p.fill(self.x + 5 * s, self.y + 5 * s, self.w, self.h, 0, 110)
        p.fill(self.x, self.y, self.w, self.h, 0x0C1026, 226)
        p.frame(self.x, self.y, self.w, self.h, s, 0x78DCFF)
        p.frame(self.x + 2 * s, self.y + 2 * s, self.w - 4 * s,
                self.h - 4 * s, s, 0x2C5A86)
        p.text(left + s, y + s, 2 * s, self.lines[0], 0x8C2F66)
        p.text(left, y, 2 * s, self.lines[0], 0xFFFFFF)
        p.fill(left, y + 35 * s, self.inner, s, 0x78DCFF)
        y += 40 * s
        for line in self.lines[1:]:
            p.text(left, y, s, line, 0xD8E4FF)
            y += 18 * s
        p.text(left, y, s, f"{p.w} x {p.h}, seed {seed:08x}", 0x7F8FC0)
        self.bars(p, y + 24 * s)
        self.live(p, tick)

    def bars(self, p: Painter, y: int) -> None:
        for i in range(self.inner):
            shown = next(n for n in range(8)
                         if i < self.inner * (n + 1) // 8)
            grey = i * 255 // (self.inner - 1) * 0x10101
            p.fill(self.left + i, y, 1, 12 * self.s, BARS[shown])
            p.fill(self.left + i, y + 12 * self.s, 1, 6 * self.s, grey)

    def live(self, p: Painter, tick: int) -> None:
        s, y = self.s, self.live_y
        p.text(self.left, y + s, s, f"frame {tick % 10**8:08d}", 0x8FF0C8)
        p.fill(self.track_x, y, self.track_w, 18 * s, 0x070814)
        p.frame(self.track_x, y, self.track_w, 18 * s, s, 0x3C4A78)
        run = self.track_w // s - 18
        at = run - abs(run - tick % (2 * run))
        p.fill(self.track_x + (2 + at) * s, y + 2 * s, 14 * s, 14 * s, 0xFFB454)


def picture(width: int, height: int, seed: int, tick: int, text: str) -> Rows:
    """The whole picture, as rows of 0xRRGGBB."""
    p = Painter(width, height, seed)
    stars(p)
    sun(p)
    town(p)
    Panel(width, height, text).paint(p, seed, tick)
    return p.rows


def live(width: int, height: int, text: str) -> list[tuple[int, ...]]:
    """The rectangles (x, y, width, height) of counter and track."""
    a = Panel(width, height, text)
    out = []
    for x, w in ((a.left, COUNTER * a.s), (a.track_x, a.track_w)):
        w, h = min(w, width - x), min(18 * a.s, height - a.live_y)
        out.append((x, a.live_y, w, h) if w > 0 and h > 0 else (0, 0, 0, 0))
    return out


def to_bytes(rows: Rows) -> bytes:
    """R, G, B, R, G, B ... from the top left."""
    return b"".join(v.to_bytes(3, "big") for row in rows for v in row)


def read_ppm(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes of a binary PPM with 8 bits a channel."""
    head = re.match(rb"P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+(\d+)\s", data)
    if head is None:
        raise ValueError("not a binary PPM file")
    w, h, depth = (int(g) for g in head.groups())
    body = data[head.end():]
    if depth != 255 or len(body) != 3 * w * h:
        raise ValueError(f"PPM {w}x{h} depth {depth}: {len(body)} bytes of "
                         f"pixels, expected depth 255 and {3 * w * h}")
    return w, h, body


def compare(ppm: bytes, expected: Rows) -> tuple[int, str]:
    """How many pixels differ, and a text about the first that does."""
    w, h, body = read_ppm(ppm)
    if (w, h) != (len(expected[0]), len(expected)):
        return (max(w * h, 1), f"size {w}x{h}, expected "
                f"{len(expected[0])}x{len(expected)}")
    count, first = 0, ""
    for y, row in enumerate(expected):
        seen = body[3 * w * y:3 * w * (y + 1)]
        if seen == to_bytes([row]):
            continue
        for x, want in enumerate(row):
            got = int.from_bytes(seen[3 * x:3 * x + 3], "big")
            if got != want:
                first = first or (f"pixel ({x}, {y}) is #{got:06x}, "
                                  f"expected #{want:06x}")
                count += 1
    return count, first


def png(width: int, height: int, rgb: bytes) -> bytes:
    """A PNG file of the given RGB bytes."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (struct.pack(">I", len(body)) + kind + body +
                struct.pack(">I", zlib.crc32(kind + body)))
    lines = b"".join(b"\0" + rgb[3 * width * y:3 * width * (y + 1)]
                     for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
            chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


def ppm_to_png(ppm: bytes) -> bytes:
    """A screendump as a PNG file."""
    return png(*read_ppm(ppm))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""picture.c against picture.py: sizes, seeds, layouts, rectangles, PNG.

Argument: the program built from picture_dump.c and picture.c.
"""
from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "kernel"))
import font8x16  # noqa: E402
import picture  # noqa: E402

TEXT = "libvirtio_drv\nhello, bare metal\n{~} @ 100% & #1 \x01\x7f!"
XRGB, XBGR = (16, 8, 0), (0, 8, 16)  # B8G8R8X8 and R8G8B8X8 in memory
SHIFTED = (24, 16, 8)

# width, height, extra pitch, shifts, opaque, seed, tick, text
CASES = [
    (640, 480, 0, XRGB, 0, 1, 0, TEXT),
    (800, 600, 64, XBGR, 0xFF000000, 42, 77, TEXT),
    (1280, 800, 0, XRGB, 0xFF000000, 0xDEADBEEF, 99999999, TEXT),
    (1024, 768, 4, SHIFTED, 0xFF, 7, 4294967295, "one line"),
    (333, 251, 12, XRGB, 0, 0, 500, TEXT),
    (64, 48, 0, XBGR, 0, 3, 3, TEXT),
    (1, 1, 0, XRGB, 0, 5, 5, ""),
    (3, 700, 0, XRGB, 0, 6, 6, "\n\n"),
    (700, 90, 0, XRGB, 0, 0x7F4A7C15, 6, "a title that is wider than all else"),
    (700, 2, 0, XRGB, 0, 12, 6, TEXT),
    (1200, 760, 0, XRGB, 0, 9, 1, "exactly two font pixels"),
]


def dump(program: str, case: tuple, box: tuple = ()) -> tuple[bytes, str]:
    w, h, extra, shifts, opaque, seed, tick, text = case
    args = [w, h, 4 * w + extra, *shifts, opaque, seed, tick, text, *box]
    done = subprocess.run([program, *map(str, args)], capture_output=True,
                          timeout=30, check=True)
    return done.stdout, done.stderr.decode()


def pack(case: tuple, rows: picture.Rows) -> bytes:
    """The framebuffer that the C program should have left."""
    w, _, extra, (r, g, b), opaque = case[:5]
    out = []
    for row in rows:
        words = [(v >> 16) << r | (v >> 8 & 255) << g | (v & 255) << b | opaque
                 for v in row]
        out.append(struct.pack(f"={w}I", *words) + b"\xa5" * extra)
    return b"".join(out)


def expected(case: tuple) -> picture.Rows:
    return picture.picture(case[0], case[1], *case[5:])


def test_font(_: str) -> str:
    if picture.FONT_HEADER.read_text() != font8x16.header():
        return "font8x16.h is not what font8x16.py prints"
    glyphs = picture.load_font()
    if len(glyphs) != 95 or len({bytes(g) for g in glyphs}) != 95:
        return "not 95 different glyphs"
    wide = [chr(32 + i) for i, g in enumerate(glyphs) if any(b & 1 for b in g)]
    return f"no space on the right of {wide}" if wide else ""


def test_whole(program: str) -> str:
    for case in CASES:
        got, _ = dump(program, case)
        if got != pack(case, expected(case)):
            return f"{case[0]}x{case[1]} differs"
    return ""


def test_rectangles(program: str) -> str:
    case = CASES[4]
    w, h = case[:2]
    stride = 4 * w + case[2]
    whole, _ = dump(program, case)
    boxes = [(0, 0, 1, 1), (10, 20, 100, 50), (w - 1, h - 1, 9, 9),
             (100, 0, 7, h), (0, 100, w, 2**32 - 1), (w, 0, 5, 5),
             (5, h, 5, 5), (20, 20, 0, 9), (2**32 - 1, 0, 9, 9),
             (150, 120, 90, 131)]
    for x, y, bw, bh in boxes:
        got, _ = dump(program, case, (x, y, bw, bh))
        want = bytearray(b"\xa5" * len(whole))
        for row in range(y, min(y + bh, h)):
            a, b = row * stride + 4 * x, row * stride + 4 * min(x + bw, w)
            if a < b:
                want[a:b] = whole[a:b]
        if got != want:
            return f"box {(x, y, bw, bh)} differs"
    return ""


def test_live(program: str) -> str:
    """Two ticks differ inside the live rectangles, and nowhere else."""
    for case in CASES:
        w, h, text = case[0], case[1], case[7]
        boxes = picture.live(w, h, text)
        _, said = dump(program, case)
        if said.split() != [str(v) for box in boxes for v in box]:
            return f"{w}x{h}: C says {said.split()}, Python {boxes}"
        a, b = (expected((*case[:6], t, text)) for t in (10, 12345671))
        for y in range(h):
            for x in range(w):
                inside = any(bx <= x < bx + bw and by <= y < by + bh
                             for bx, by, bw, bh in boxes)
                if a[y][x] != b[y][x] and not inside:
                    return f"{w}x{h}: ({x}, {y}) depends on the tick"
        if boxes[0][2] > 100 and a == b:
            return f"{w}x{h}: the tick changes nothing"
    return ""


def test_compare(_: str) -> str:
    rows = expected(CASES[5])
    body = bytearray(picture.to_bytes(rows))
    head = b"P6\n# made by a test\n64 48\n255\n"
    if picture.compare(head + body, rows) != (0, ""):
        return "equal pictures differ"
    body[3 * (64 * 7 + 5) + 1] ^= 1
    body[-1] ^= 0x80
    count, first = picture.compare(head + bytes(body), rows)
    if count != 2 or not first.startswith("pixel (5, 7) is #"):
        return f"two wrong pixels: {count}, {first}"
    if picture.compare(b"P6 48 64 255\n" + body, rows)[0] == 0:
        return "another size is equal"
    for bad in (b"P5 1 1 255\n0", head + body[1:], b"", b"P6 1 1 15\n000"):
        try:
            picture.compare(bad, rows)
            return f"accepted {bad[:12]!r}"
        except ValueError:
            pass
    return ""


def test_png(_: str) -> str:
    """Unpacks the PNG again by the format's rules."""
    rows = expected(CASES[5])
    data = picture.ppm_to_png(b"P6 64 48 255\n" + picture.to_bytes(rows))
    at, chunks = 8, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        crc, = struct.unpack_from(">I", data, at + 8 + size)
        if crc != zlib.crc32(kind + body):
            return f"{kind}: wrong CRC"
        chunks.append((kind, body))
        at += 12 + size
    if [k for k, _ in chunks] != [b"IHDR", b"IDAT", b"IEND"]:
        return "wrong chunks"
    if chunks[0][1] != struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0):
        return "wrong header"
    lines = zlib.decompress(chunks[1][1])
    body = b"".join(lines[y * 193 + 1:(y + 1) * 193] for y in range(48))
    return "" if body == picture.to_bytes(rows) else "wrong pixels"


TESTS = {
    "picture: font": test_font,
    "picture: C equals Python": test_whole,
    "picture: rectangles": test_rectangles,
    "picture: live rectangles": test_live,
    "picture: comparer": test_compare,
    "picture: PNG": test_png,
}


def main() -> int:
    failed = 0
    for name, test in TESTS.items():
        error = test(sys.argv[1])
        print(f"FAIL {name}: {error}" if error else f"ok   {name}", flush=True)
        failed += bool(error)
    print(f"{len(TESTS) - failed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws font8x16.h: prints the header; the glyphs below are its source.

A glyph is a list of strokes, "/" between them. A stroke is a list of points,
two hexadecimal digits each, x (0..6) and y (0..15), joined by straight lines.
The pen is two pixels wide, or one where the stroke starts with a full stop.
Capitals stand on rows 2 to 11, small letters on 5 to 11, tails reach 14.
"""
import re
import sys

WIDTH, HEIGHT, FIRST = 8, 16, 32

GLYPHS = {
    " ": "", "!": "22 28/2a 2b", '"': "12 14/42 44",
    "#": ".13 1b/.53 5b/.05 65/.09 69",
    "$": "54 43 13 04 05 16 46 57 59 4a 1a 09/.31 3c",
    "%": "02 03/5a 5b/.62 63 0a 0b",
    "&": "12 32 43 44 07 0a 1b 3b 58/12 03 04 5b", "'": "22 24",
    "(": "32 14 19 3b", ")": "12 34 39 1b", "*": ".34 3a/.15 59/.55 19",
    "+": "24 2a/07 47", ",": "2a 2b 1d", "-": "07 47", ".": "2a 2b",
    "/": "52 0b", ":": "25 26/2a 2b", ";": "25 26/2a 2b 1d",
    "<": "43 07 4b", "=": "06 46/09 49", ">": "03 47 0b",
    "?": "03 12 42 53 55 27 28/2a 2b",
    "@": "5b 1b 0a 03 12 42 53 58 38/.35 38/35 55",
    "[": "32 12 1b 3b", "\\": "02 5b", "]": "12 32 3b 1b",
    "^": "04 22 32 54", "_": "0d 5d", "`": "12 34",
    "{": "42 32 23 26 17 28 2a 3b 4b", "|": "22 2c",
    "}": "02 12 23 26 37 28 2a 1b 0b", "~": "07 16 26 37 47 56",
    "0": "12 42 53 5a 4b 1b 0a 03 12/.45 28", "1": "04 22 2b/0b 4b",
    "2": "03 12 42 53 55 0a 0b 5b",
    "3": "03 12 42 53 55 46 26/46 57 5a 4b 1b 0a",
    "4": "42 32 08 58/42 4b", "5": "52 02 06 46 57 5a 4b 1b 0a",
    "6": "53 42 12 03 0a 1b 4b 5a 57 46 06", "7": "02 52 54 28 2b",
    "8": "12 42 53 55 46 16 05 03 12/16 07 0a 1b 4b 5a 57 46",
    "9": "0a 1b 4b 5a 53 42 12 03 06 17 57",
    "A": "0b 05 22 32 55 5b/07 57", "B": "02 42 53 55 46 06/46 57 5a 4b 0b 02",
    "C": "53 42 12 03 0a 1b 4b 5a", "D": "02 32 54 59 3b 0b 02",
    "E": "52 02 0b 5b/06 36", "F": "52 02 0b/06 36",
    "G": "53 42 12 03 0a 1b 4b 5a 57 37", "H": "02 0b/52 5b/06 56",
    "I": "12 32/1b 3b/22 2b", "J": "52 5a 4b 1b 0a 09",
    "K": "02 0b/52 16 5b", "L": "02 0b 5b", "M": "0b 02/52 5b/.12 35 52/.36 37",
    "N": "0b 02/04 59/52 5b", "O": "12 42 53 5a 4b 1b 0a 03 12",
    "P": "0b 02 42 53 56 47 07", "Q": "12 42 53 5a 4b 1b 0a 03 12/39 5c",
    "R": "0b 02 42 53 56 47 07/27 5b",
    "S": "53 42 12 03 05 16 46 57 5a 4b 1b 0a", "T": "02 42/22 2b",
    "U": "02 0a 1b 4b 5a 52", "V": "02 07 2b 3b 57 52",
    "W": "02 0b/52 5b/.1b 38 5b/.36 37", "X": "02 03 5a 5b/52 53 0a 0b",
    "Y": "02 04 27 2b/42 44 27", "Z": "02 52 53 0a 0b 5b",
    "a": "15 45 56 5b 1b 0a 09 18 58", "b": "02 0b 4b 5a 56 45 05",
    "c": "56 45 15 06 0a 1b 4b 5a", "d": "52 5b 1b 0a 06 15 55",
    "e": "5a 4b 1b 0a 06 15 45 56 58 08", "f": "43 32 22 13 1b/06 36",
    "g": "55 5d 4e 1e 0d/5b 1b 0a 06 15 55", "h": "02 0b/05 45 56 5b",
    "i": "22 23/15 25 2b/1b 3b", "j": "32 33/25 35 3d 2e 0e",
    "k": "02 0b/55 28 5b/08 28", "l": "12 22 2b/1b 3b",
    "m": "0b 05 45 56 5b/.36 3b", "n": "0b 05 45 56 5b",
    "o": "15 45 56 5a 4b 1b 0a 06 15", "p": "0e 05 45 56 5a 4b 0b",
    "q": "5e 55 15 06 0a 1b 5b", "r": "0b 05/07 25 45 56",
    "s": "56 45 15 06 07 18 48 59 5a 4b 1b 0a", "t": "13 1a 2b 3b 4a/05 35",
    "u": "05 0a 1b 5b 55", "v": "05 07 2b 3b 57 55",
    "w": "05 0a 1b 4b 5a 55/.37 3b", "x": "05 5b/55 0b",
    "y": "05 0a 1b 5b/55 5d 4e 1e 0d", "z": "05 55 0b 5b",
}


def rows(strokes: str) -> list[int]:
    """One glyph as 16 bytes, the leftmost pixel in the highest bit."""
    out = [0] * HEIGHT
    for stroke in filter(None, strokes.split("/")):
        pen = 0x80 if stroke[0] == "." else 0xC0
        points = [(int(p[0], 16), int(p[1], 16))
                  for p in stroke.lstrip(".").split()]
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            n = max(abs(x1 - x0), abs(y1 - y0), 1)
            for i in range(n + 1):
                x = (2 * x0 * n + 2 * (x1 - x0) * i + n) // (2 * n)
                y = (2 * y0 * n + 2 * (y1 - y0) * i + n) // (2 * n)
                out[y] |= pen >> x
    return out


def header() -> str:
    """The text of font8x16.h."""
    lines = ["/* SPDX-License-Identifier: MIT */",
             "/*",
             " * An 8x16 bitmap font for ASCII 32 to 126, the leftmost pixel in"
             " the highest",
             " * bit. Written by font8x16.py, which holds the drawings.",
             " */",
             "#ifndef FONT8X16_H", "#define FONT8X16_H", "",
             "#include <stdint.h>", "", "/* clang-format off */",
             "static const uint8_t font8x16[95][16] = {"]
    for code in range(FIRST, 127):
        name = chr(code) if chr(code) not in "\\*/" else f"{code}"
        data = [f"0x{b:02x}," for b in rows(GLYPHS[chr(code)])]
        lines += [f"    /* {name} */",
                  "    {" + " ".join(data[:8]),
                  "     " + " ".join(data[8:])[:-1] + "},"]
    lines += ["};", "/* clang-format on */", "", "#endif", ""]
    return "\n".join(lines)


def parse(text: str) -> list[list[int]]:
    """The glyphs of a header that `header` wrote."""
    data = [int(m, 16) for m in re.findall(r"\b0x([0-9a-f]{2})\b", text)]
    return [data[i:i + HEIGHT] for i in range(0, len(data), HEIGHT)]


if __name__ == "__main__":
    sys.stdout.write(header())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints which lines and branches of src/ the host tests execute.

Argument: the directory in which `gcc --coverage` left its .gcda and .gcno
files.  A header's inline function counts once, whichever file calls it; a
branch is taken when any program took it.  No gate: the exit code is 0 unless
there is nothing to read.
"""
from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class File:
    def __init__(self) -> None:
        self.lines: dict[int, int] = defaultdict(int)
        self.branches: dict[tuple[int, int], int] = defaultdict(int)

    def add(self, lines: list[dict]) -> None:
        for line in lines:
            number = line["line_number"]
            self.lines[number] += line["count"]
            for i, branch in enumerate(line["branches"]):
                self.branches[number, i] += branch["count"]

    def missed_lines(self) -> list[int]:
        return sorted(n for n, count in self.lines.items() if not count)

    def missed_branches(self) -> list[int]:
        """Lines that ran, and of which some branch was never taken."""
        return sorted({n for (n, _), count in self.branches.items()
                       if not count and self.lines[n]})

    def counts(self) -> list[int]:
        return [sum(map(bool, self.lines.values())), len(self.lines),
                sum(map(bool, self.branches.values())), len(self.branches)]


def read(out: Path) -> dict[str, File]:
    """By name, what gcov says of files in src/ and include/."""
    files: dict[str, File] = defaultdict(File)
    for notes in sorted((out / "src").rglob("*.gcno")):
        text = subprocess.run(
            ["gcov", "--json-format", "--branch-probabilities", "--stdout",
             str(notes)], cwd=ROOT, capture_output=True, text=True,
            check=True).stdout
        for part in text.splitlines():
            for file in json.loads(part)["files"]:
                path = (ROOT / file["file"]).resolve()
                name = path.relative_to(ROOT).as_posix() \
                    if path.is_relative_to(ROOT) else ""
                if name.startswith(("src/", "include/")):
                    files[name].add(file["lines"])
    return files


def ranges(numbers: list[int]) -> str:
    """ "3-5 9" of [3, 4, 5, 9]."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def percent(hit: int, total: int) -> str:
    return f"{100 * hit / total:6.2f} %" if total else "     - "


def row(name: str, counts: list[int]) -> str:
    lines, all_lines, taken, all_taken = counts
    return (f"{name:40} {lines:5}/{all_lines:<5} {percent(lines, all_lines)}"
            f" {taken:5}/{all_taken:<5} {percent(taken, all_taken)}")


def main() -> int:
    files = read(Path(sys.argv[1]))
    if not files:
        print("no coverage data: were the tests run?")
        return 1
    print(f"{'':40} {'lines':>11} {'':8} {'branches':>11}")
    for name, file in sorted(files.items()):
        print(row(name, file.counts()))
    total = [sum(c) for c in zip(*(f.counts() for f in files.values()))]
    print(row("total", total))
    for title, missed in (("lines never executed", File.missed_lines),
                          ("lines with a branch never taken",
                           File.missed_branches)):
        print(f"\n{title}:")
        for name, file in sorted(files.items()):
            if missed(file):
                print(f"  {name}: {ranges(missed(file))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""What the checks of the house share: counting cases, running things in
parallel, and a scanner for C that knows comments, strings and functions.

The scanner trusts the layout that clang-format enforces: a function's opening
brace, and its closing one, stand in column one on lines of their own.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build/house"
JOBS = os.cpu_count() or 1
SHOWN = 20  # findings printed of one case


class Tally:
    """Counts cases; a case is passed when its list of findings is empty."""

    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0

    def case(self, name: str, findings: Iterable[str]) -> None:
        found = list(findings)
        if not found:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED: {name}")
        for line in found[:SHOWN]:
            print("    " + line.replace("\n", "\n    "))
        if len(found) > SHOWN:
            print(f"    ... and {len(found) - SHOWN} more")

    def skip(self, name: str, why: str) -> None:
        self.skipped += 1
        print(f"skipped: {name}: {why}")

    def close(self) -> int:
        print(f"{self.passed} passed, {self.failed} failed, "
              f"{self.skipped} skipped")
        return 1 if self.failed else 0


def environment() -> dict[str, str]:
    """Ours, without what an outer make or a packager left in it."""
    gone = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CFLAGS",
            "CC", "AR", "CROSS_COMPILE", "OUT", "V", "LANG", "LC_ALL")
    env = {k: v for k, v in os.environ.items() if k not in gone}
    return env | {"LC_ALL": "C"}


def run(command: list[str], text: str | None = None,
        timeout: float = 300) -> tuple[int, str]:
    """Exit code, and both outputs in one."""
    try:
        done = subprocess.run(command, input=text if text is not None else "",
                              cwd=ROOT, env=environment(), timeout=timeout,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors="replace")
    except subprocess.TimeoutExpired:
        return -1, f"{command[0]}: no end after {timeout:.0f} s"
    return done.returncode, done.stdout


def make(*args: str) -> tuple[int, str]:
    return run(["make", "--no-print-directory", f"-j{JOBS}", *args])


def parallel(fn: Callable, items: Iterable) -> list:
    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(fn, items))


def have(tool: str) -> bool:
    return shutil.which(tool) is not None


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources(*dirs: str, kinds: str = "ch") -> list[Path]:
    """The C files below these directories, sorted."""
    return sorted(p for d in dirs for k in kinds
                  for p in (ROOT / d).rglob(f"*.{k}"))


def library_sources() -> list[str]:
    """VDRV_SRCS of src/sources.mk, as make sees it: "src/core/x.c"."""
    text = "include src/sources.mk\nall:;@echo $(VDRV_SRCS)\n"
    code, out = run(["make", "-s", "-f", "-"], text)
    if code:
        raise RuntimeError(out)
    return [name.removeprefix("./") for name in out.split()]


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
                   r"|'(?:\\.|[^'\\\n])*'", re.S)


def _blank(match: re.Match) -> str:
    """As many lines, no text; strings keep their quotes."""
    text = match.group()
    inner = re.sub(r"[^\n]", " ", text)
    return text[0] + inner[1:-1] + text[-1] if text[0] in "\"'" else inner


def code_of(text: str) -> str:
    """The text with comments and the insides of strings blanked."""
    return TOKEN.sub(_blank, text)


class Function(NamedTuple):
    name: str
    line: int  # of the first line of its head, from 1
    lines: int  # head to closing brace


def functions(text: str) -> Iterator[Function]:
    lines = code_of(text).splitlines()
    for i, line in enumerate(lines):
        if line != "{":
            continue
        first = i
        while first > 0 and lines[first - 1].strip() and \
                not lines[first - 1].startswith(("#", "}")) and \
                not lines[first - 1].endswith(";"):
            first -= 1
        head = " ".join(lines[first:i])
        name = re.search(r"(\w+)\s*\(", head)
        end = next((j for j in range(i, len(lines)) if lines[j] == "}"), i)
        if name:
            yield Function(name.group(1), first + 1, end - first + 1)


def includes(text: str) -> list[tuple[int, str]]:
    """(line, '<a.h>' or '"b.h"') of each include directive."""
    found = re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(<[^>]+>|"[^"]+")', text,
                        re.M)
    return [(text.count("\n", 0, m.start()) + 1, m.group(1)) for m in found]

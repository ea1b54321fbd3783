#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Static checks: nothing may be found.

gcc and clang at their strictest, gcc's analyzer, clang-tidy (.clang-tidy) and
cppcheck over src/; clang-format over every C file; imports and syntax of the
Python files.  A tool that is not here is skipped.  Where a tool is wrong, an
inline comment tells it so, with the name of the check and the reason: those
are the waivers, and there are at most ten.

Arguments choose the cases whose name contains one of them.
"""
from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "house"))
from house import (JOBS, ROOT, Tally, have, parallel, relative,  # noqa: E402
                   run, sources)

WAIVERS_MAX = 10
BASE = ["-std=c11", "-ffreestanding", "-Iinclude", "-c", "-o", "/dev/null",
        "-Werror"]
GCC = """-O2 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion
    -Warith-conversion -Wshadow -Wundef -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wmissing-declarations
    -Wredundant-decls -Wnested-externs -Wcast-align=strict -Wcast-qual
    -Wbad-function-cast -Wpointer-arith -Wwrite-strings -Wformat=2
    -Wswitch-enum -Wswitch-default -Wimplicit-fallthrough=5 -Wduplicated-cond
    -Wduplicated-branches -Wlogical-op -Wjump-misses-init -Wunused-macros
    -Wunused-const-variable=2 -Wvla -Walloca -Wtrampolines -Wfloat-equal
    -Wdouble-promotion -Wdeclaration-after-statement
    -Wstack-usage=512""".split()
# All there is, but for: padding, which is no defect; what C90 and C++98 would
# say, which is not our language.
CLANG = ["-O2", "-Weverything", "-Wno-padded", "-Wno-c++98-compat",
         "-Wno-declaration-after-statement"]
# Partial inlining makes functions of half a path, on which the analyzer finds
# null pointers that the other half has excluded.
ANALYZER = ["-O2", "-fanalyzer", "-fno-partial-inlining"]
# variableScope: declarations stand at the head of a function here.
CPPCHECK = ["--enable=warning,style,performance,portability", "--inconclusive",
            "--std=c11", "--inline-suppr", "--error-exitcode=1", "--quiet",
            "--suppress=variableScope", "--suppress=missingIncludeSystem",
            "-Iinclude"]
WAIVER = re.compile(r"NOLINT|cppcheck-suppress|#\s*pragma\s+(?:GCC|clang)\s+"
                    r"diagnostic\s+ignored|^\s*/[*/] clang-format off"
                    r"|noqa(?!: E402)")


def every(command: list[str], files: list[Path], tail: tuple = ()) -> list[str]:
    """The command once for each file; what it printed where it failed."""

    def one(path: Path) -> str:
        code, out = run([*command, relative(path), *tail])
        return out.rstrip() or f"{relative(path)}: exit code {code}" \
            if code else ""

    longest_first = sorted(files, key=lambda p: -p.stat().st_size)
    return sorted(out for out in parallel(one, longest_first) if out)


def c_files() -> list[Path]:
    return sources("src", kinds="c")


def python_files() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def gcc() -> list[str]:
    return every(["gcc", *BASE, *GCC], c_files())


def clang() -> list[str]:
    return every(["clang", *BASE, *CLANG], c_files())


def analyzer() -> list[str]:
    return every(["gcc", *BASE, *ANALYZER], c_files())


def tidy() -> list[str]:
    return every(["clang-tidy", "--quiet"], c_files(),
                 ("--", "-std=c11", "-ffreestanding", "-Iinclude"))


def cppcheck() -> list[str]:
    code, out = run(["cppcheck", *CPPCHECK, f"-j{JOBS}", "src"])
    return [out] if code or out.strip() else []


def layout(*dirs: str) -> Callable[[], list[str]]:
    return lambda: every(["clang-format", "--dry-run", "--Werror"],
                         sources(*dirs))


def unused_imports(text: str) -> list[str]:
    tree = ast.parse(text)
    bound: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                bound[name] = node.lineno
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return [f"{line}: {name} is imported and not used"
            for name, line in bound.items() if name not in used]


def python() -> list[str]:
    """Syntax, as py_compile sees it but writing nothing, and imports."""
    found = []
    for path in python_files():
        try:
            text = path.read_text()
            compile(text, relative(path), "exec")
            found += [f"{relative(path)}:{f}" for f in unused_imports(text)]
        except SyntaxError as err:
            found.append(f"{relative(path)}:{err.lineno}: {err.msg}")
    return found


def waivers() -> list[str]:
    """Lists them all; findings when there are too many or unexplained."""
    files = sources("src", "include", "tests") + python_files()
    there, found = [], []
    for path in files:
        if path == Path(__file__).resolve():
            continue
        for i, line in enumerate(path.read_text().splitlines(), 1):
            if not WAIVER.search(line):
                continue
            there.append(f"{relative(path)}:{i}: {line.strip()}")
            if re.search(r"NOLINT(NEXTLINE)?(?!\(|NEXTLINE|BEGIN\(|END)", line):
                found.append(f"names no check: {there[-1]}")
    print(f"{len(there)} waivers")
    for line in there:
        print(f"    {line}")
    return found if len(there) <= WAIVERS_MAX else [*found, *there]


def self_test() -> list[str]:
    text = "import os\nimport a.b\nfrom c import d as e, f\na.b(f)\n"
    found = unused_imports(text)
    return [] if len(found) == 2 else [str(found)]


CASES: list[tuple[str, str, Callable[[], list[str]]]] = [
    ("gcc: src", "gcc", gcc),
    ("clang: src", "clang", clang),
    ("gcc -fanalyzer: src", "gcc", analyzer),
    ("clang-tidy: src", "clang-tidy", tidy),
    ("cppcheck: src", "cppcheck", cppcheck),
    ("clang-format: src and include", "clang-format",
     layout("src", "include")),
    ("clang-format: tests", "clang-format", layout("tests")),
    ("python: tests", "python3", python),
    ("waivers", "python3", waivers),
    ("the checks themselves", "python3", self_test),
]


def main() -> int:
    tally = Tally()
    for name, tool, check in CASES:
        if sys.argv[1:] and not any(a in name for a in sys.argv[1:]):
            continue
        if have(tool):
            tally.case(name, check())
        else:
            tally.skip(name, f"no {tool} here")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

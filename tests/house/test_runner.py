#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runner of all tests itself: what fails is counted, whatever is shown."""
from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import run_tests  # noqa: E402

# What a program prints, its exit code, and what the runner makes of it.
GOOD = ("2 passed, 0 failed, 1 skipped", 0)
PROGRAMS = {
    "all pass": ([GOOD], "2 passed, 0 failed, 1 skipped", 0),
    "one fails": ([("1 passed, 1 failed, 0 skipped", 1), GOOD],
                  "3 passed, 1 failed, 1 skipped", 1),
    "fails with exit code 0": ([("1 passed, 1 failed, 0 skipped", 0)],
                               "1 passed, 1 failed, 0 skipped", 1),
    "dies after its last line": ([("2 passed, 0 failed, 0 skipped", 3), GOOD],
                                 "4 passed, 1 failed, 1 skipped", 1),
    "says nothing": ([("", 0), GOOD], "2 passed, 1 failed, 1 skipped", 1),
    "nothing ran": ([("0 passed, 0 failed, 2 skipped", 0)],
                    "0 passed, 0 failed, 2 skipped", 1),
}


def verdict(programs: list[tuple[str, int]], *options: str) -> tuple[str, int]:
    """The runner's last line, and its exit code."""
    run_tests.SUITES["host"] = lambda: [
        [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]
        for text, code in programs]
    argv, sys.argv = sys.argv, ["run_tests.py", *options, "host"]
    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            code = run_tests.main()
    finally:
        sys.argv = argv
    return shown.getvalue().splitlines()[-1], code


def main() -> int:
    failed = 0
    for name, (programs, line, code) in PROGRAMS.items():
        for options in ((), ("-v",)):
            got = verdict(programs, *options)
            how = "ok" if got == (line, code) else f"FAILED: {got}"
            failed += how != "ok"
            print(f"{name}{' -v' if options else ''}: {how}")
    print(f"{2 * len(PROGRAMS) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

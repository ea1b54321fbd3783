#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs test programs that were built with ThreadSanitizer, each at most
TSAN_SECONDS (in the environment; 300).

Its runtime wants a memory layout that some kernels' address randomization
does not give: then without randomization, and where that is not allowed
either, the programs are reported as skipped.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
NO_LAYOUT = "FATAL: ThreadSanitizer: unexpected memory mapping"


SECONDS = float(os.environ.get("TSAN_SECONDS", "300"))


def run(command: list[str]) -> tuple[int, str]:
    env = dict(os.environ, TSAN_OPTIONS="halt_on_error=1 exitcode=66")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=SECONDS)
    return done.returncode, done.stdout


def main(programs: list[str]) -> int:
    total = [0, 0, 0]
    for program in programs:
        path = str(Path(program).resolve())
        code, text = run([path])
        if NO_LAYOUT in text:
            code, text = run(["setarch", "-R", path])
        found = CLOSING.findall(text)
        counts = [int(n) for n in found[-1]] if found else [0, 1, 0]
        if not found and code != 66 and (NO_LAYOUT in text
                                         or "setarch:" in text):
            counts = [0, 0, 1]
            text = ("skipped: ThreadSanitizer does not run with this "
                    "kernel's address randomization\n")
        elif code != 0 and counts[1] == 0:
            counts[1] = 1
        print(f"{Path(program).name}:\n{text.rstrip()}")
        total = [a + b for a, b in zip(total, counts)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not any(total) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Host tests on other CPUs, built by `make test-cpus`, under qemu-user.

Big-endian with 64 bits (s390x) and 32 (powerpc), and little-endian with 32
(arm).  The fake's device addresses are above 4 GiB on all of them.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CPUS = {"s390x": ("qemu-s390x", "s390x-linux-gnu-gcc"),
        "powerpc": ("qemu-ppc", "powerpc-linux-gnu-gcc"),
        "arm": ("qemu-arm", "arm-linux-gnueabihf-gcc")}
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
BUILT = Path(__file__).resolve().parent.parent / "build/cpu"


def run(emulator: str, program: Path) -> list[int]:
    """Passed, failed, skipped; what went wrong is printed."""
    try:
        done = subprocess.run([emulator, str(program)], text=True, timeout=300,
                              stdin=subprocess.DEVNULL, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired:
        text, code = "no end after 300 s", -1
    lines = text.rstrip().splitlines()
    match = CLOSING.match(lines[-1]) if lines else None
    counts = [int(n) for n in match.groups()] if match else [0, 1, 0]
    if code != 0 and counts[1] == 0:
        counts[1] = 1
    if counts[1]:
        print(f"{program}, exit code {code}:")
        print("\n".join(line for line in lines if not line.endswith(": ok")))
    return counts


def main() -> int:
    total = [0, 0, 0]
    for cpu, (emulator, compiler) in CPUS.items():
        lacking = [t for t in (emulator, compiler) if not shutil.which(t)]
        if lacking:
            total[2] += 1
            print(f"{cpu}: skipped: no {' and no '.join(lacking)} here")
            continue
        programs = sorted(p for p in (BUILT / cpu).glob("test_*")
                          if p.suffix == "")
        counts = [0, 0, 0]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for one in pool.map(lambda p: run(emulator, p), programs):
                counts = [a + b for a, b in zip(counts, one)]
        if not programs:
            counts[1] += 1
            print(f"{cpu}: nothing was built")
        print(f"{cpu}: {len(programs)} programs: {counts[0]} passed, "
              f"{counts[1]} failed, {counts[2]} skipped")
        total = [a + b for a, b in zip(total, counts)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())

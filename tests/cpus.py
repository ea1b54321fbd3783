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
# The cases that are chosen of a program; all of them on powerpc, which is
# both, big-endian and of 32 bits.
CASES = {"test_life": ["fault_F77", "life_suspend_config_change"]}
# What takes seconds, the longest first, so that no processor waits at the end.
LONGEST = ("test_life", "test_queue", "test_gpu", "test_queue_reset",
           "test_queue_faults", "test_driver")
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
BUILT = Path(__file__).resolve().parent.parent / "build/cpu"


def lacks(cpu: str) -> str:
    """Why nothing is built for it or can run; "" if nothing is missing."""
    emulator, compiler = CPUS[cpu]
    missing = [t for t in (emulator, compiler) if not shutil.which(t)]
    if missing:
        return f"no {' and no '.join(missing)} here"
    tried = subprocess.run([compiler, "-E", "-"], input="#include <stdio.h>\n",
                           text=True, capture_output=True)
    return f"{compiler} has no libc" if tried.returncode else ""


def programs(cpu: str) -> list[Path]:
    return sorted(p for p in (BUILT / cpu).glob("test_*") if p.suffix == "")


def weight(job: tuple[str, Path]) -> tuple[int, str]:
    cpu, program = job
    order = {name: i for i, name in enumerate(LONGEST)}
    return order.get(program.name, len(order)), cpu


def run(job: tuple[str, Path]) -> list[int]:
    """Passed, failed, skipped; what went wrong is printed."""
    cpu, program = job
    cases = CASES.get(program.name, []) if cpu != "powerpc" else []
    try:
        done = subprocess.run([CPUS[cpu][0], str(program), *cases], text=True,
                              timeout=300, stdin=subprocess.DEVNULL,
                              errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
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
    why = {cpu: lacks(cpu) for cpu in CPUS}
    jobs = sorted(((cpu, p) for cpu in CPUS if not why[cpu]
                   for p in programs(cpu)), key=weight)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        counted = list(zip(jobs, pool.map(run, jobs)))
    total = [0, 0, 0]
    for cpu in CPUS:
        mine = [n for (of, _), n in counted if of == cpu]
        counts = [sum(column) for column in zip([0, 0, 0], *mine)]
        if why[cpu]:
            counts[2] = 1
            print(f"{cpu}: skipped: {why[cpu]}")
        elif not mine:
            counts[1] = 1
            print(f"{cpu}: nothing was built")
        else:
            print(f"| {cpu}: {len(mine)} programs: {counts[0]} passed, "
                  f"{counts[1]} failed, {counts[2]} skipped")
        total = [a + b for a, b in zip(total, counts)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())

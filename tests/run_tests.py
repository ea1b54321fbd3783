#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs test programs and adds up their closing lines.

A test program is anything whose last line is "N passed, N failed, N skipped".
One that dies, hangs, or ends without that line counts as one failure, and so
does one that says "0 failed" with a non-zero exit code.
"""
from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
ROOT = Path(__file__).resolve().parent.parent


# Python tests that drive a program of ours; the latter want QEMU, too.
DRIVES = {"test_picture.py": ["build/test/picture_dump"],
          "test_tsan.py": ["build/test/tsan/test_xv6_disk",
                           "build/test/tsan/test_rtos_wait",
                           "build/test/tsan/test_queue_threads",
                           "build/test/tsan/test_net_threads"]}
WITH_QEMU = {"test_proofs.py": ["build/test/responder_peer",
                                "qemu-system-x86_64"],
             "test_fdt_blobs.py": ["build/test/fdt_slots"]}

# On QEMU's devices; how many operations on each, if not the usual number.
QTESTS = ("qtest_blk", "qtest_blk_props", "qtest_net", "qtest_frames",
          "qtest_lwip", "qtest_pairs", "qtest_gpu", "qtest_life",
          "qtest_stories")
OPERATIONS = os.environ.get("QTEST_OPERATIONS", "")


def host_programs() -> list[list[str]]:
    built = [[str(ROOT / "build/test" / p.stem)]
             for p in sorted((ROOT / "tests/unit").glob("test_*.c"))]
    scripts = [[sys.executable, str(p), *DRIVES.get(p.name, [])]
               for d in ("unit", "house")
               for p in sorted((ROOT / "tests" / d).glob("test_*.py"))
               if p.name not in WITH_QEMU]
    demo = [sys.executable, str(ROOT / "tests/kernel/demo_test.py"), "host"]
    barriers = [sys.executable, str(ROOT / "tests/proof/barriers_test.py")]
    bench = [sys.executable, str(ROOT / "tests/bench/bench_test.py")]
    fuzz = [str(ROOT / "build/test/fuzz_smoke"), "tests/fuzz/corpus.txt"]
    return built + [fuzz] + scripts + [demo, barriers, bench]


def guest_programs() -> list[list[str]]:
    proofs = [[sys.executable, str(ROOT / "tests/unit" / name), *args]
              for name, args in WITH_QEMU.items()]
    booted = [[sys.executable, str(ROOT / "tests/house/test_readme.py"),
               "--guest"]]
    return proofs + [[sys.executable, str(ROOT / "tests/kernel" / name)]
                     for name in ("boot_test.py", "demo_test.py",
                                  "pair_test.py", "cut_test.py",
                                  "screens_test.py")] + booted


def lint_programs() -> list[list[str]]:
    return [[sys.executable, str(ROOT / "tests/lint.py")]]


def qtest_programs() -> list[list[str]]:
    more = ["-n", OPERATIONS] if OPERATIONS else []
    return [[str(ROOT / "build/test" / name), *more] for name in QTESTS]


def cpus_programs() -> list[list[str]]:
    return [[sys.executable, str(ROOT / "tests/cpus.py")]]


SUITES = {"cpus": cpus_programs, "host": host_programs, "guest": guest_programs,
          "lint": lint_programs, "qtest": qtest_programs}


def run(command: list[str], timeout: float) -> tuple[str, list[int], str, float]:
    name = next(Path(c).name for c in command if c != sys.executable)
    start = time.monotonic()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=ROOT,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout)
        text, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
        text = out.decode(errors="replace") if isinstance(out, bytes) else out
        text, code = text + f"\n(no end after {timeout:.0f} s)\n", -1
    except OSError as err:
        text, code = f"{err}\n", -1
    lines = text.rstrip().splitlines()
    match = CLOSING.match(lines[-1]) if lines else None
    counts = [int(n) for n in match.groups()] if match else [0, 1, 0]
    if code != 0 and counts[1] == 0:
        counts[1] = 1
        text += f"(exit code {code})\n"
    return name, counts, text, time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", choices=sorted(SUITES))
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-t", "--timeout", type=float, default=600)
    parser.add_argument("-v", action="store_true", help="all output")
    args = parser.parse_args()
    total = [0, 0, 0]
    for suite in args.suites:
        commands = SUITES[suite]()
        jobs = args.j if suite == "host" else 1
        with ThreadPoolExecutor(jobs) as pool:
            for name, counts, text, secs in pool.map(
                    lambda c: run(c, args.timeout), commands):
                print(f"{name:28} {counts[0]:5} passed {counts[1]:3} failed "
                      f"{counts[2]:3} skipped {secs:6.1f} s", flush=True)
                total = [a + b for a, b in zip(total, counts)]
                if counts[1] or args.v:
                    print(text, flush=True)
                    continue
                for line in text.splitlines():
                    if line.startswith("| ") or "skipped: " in line:
                        print(f"    {line}", flush=True)
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or total[0] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

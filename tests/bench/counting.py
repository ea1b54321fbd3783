# SPDX-License-Identifier: MIT
"""Counts what a ring of bench_ring does: instructions and fences by callgrind,
cache lines of shared memory by lackey's trace of addresses.  All of it is
exact, and the same in every run."""
from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "bench"
REQUESTS = 3200
LINE = 64  # bytes of a cache line


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT,
                          timeout=300)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def callgrind(out: str, *command: str) -> str:
    """Of the functions named drv_* and what they call, and of no other."""
    return run("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
               "--collect-atstart=no", "--toggle-collect=drv_*", *command)


def counted(program: str, *args: str) -> float:
    """Instructions per request of a program that does REQUESTS of them."""
    text = callgrind("/dev/null", str(BENCH / program), *args)
    match = re.search(r"Collected : (\d+)", text)
    if match is None:
        sys.exit(f"callgrind said nothing of what it collected:\n{text}")
    return int(match.group(1)) / REQUESTS


def profiles(program: str, cases: list[str], *options: str) -> list[str]:
    """callgrind's file of each case."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        callgrind(str(out), "--dump-after=bench_case_done", *options,
                  str(BENCH / program), "count", str(REQUESTS), *cases)
        return [Path(f"{out}.{i + 1}").read_text() for i in range(len(cases))]


def instructions(program: str, cases: Iterable[str]) -> dict[str, float]:
    """Per request, by case."""
    cases = list(cases)
    found = {}
    for case, text in zip(cases, profiles(program, cases)):
        match = re.search(r"^totals: (\d+)", text, re.MULTILINE)
        if match is None:
            sys.exit(f"callgrind counted nothing of {case}")
        found[case] = int(match.group(1)) / REQUESTS
    return found


FENCE = re.compile(r"^\s*([0-9a-f]+):\s+(?:lock\b|mfence|xchg .*\()")


def fences(cases: Iterable[str]) -> dict[str, float]:
    """Full fences executed per kick, by case: none in add or reap, then."""
    cases = list(cases)
    code = run("objdump", "-d", "--no-show-raw-insn", str(BENCH / "bench_ring"))
    places = {int(m.group(1), 16) for m in map(FENCE.match, code.splitlines())
              if m}
    found = {}
    for case, text in zip(cases, profiles(
            "bench_ring", cases, "--dump-instr=yes", "--dump-line=no",
            "--compress-pos=no")):
        batch = int(re.search(r"\.b(\d+)", case).group(1))
        lines = text.splitlines()
        # The line after "calls=" is of what was called, not of the call.
        own = [line for before, line in zip(lines, lines[1:])
               if line.startswith("0x") and not before.startswith("calls=")]
        executed = sum(int(count) for at, count in map(str.split, own)
                       if int(at, 16) in places)
        found[case] = executed * batch / REQUESTS
    return found


def cache_lines(case: str) -> float:
    """Cache lines of the memory shared with the device, per request.  A line
    counts once for the adds and the kick of a batch, and once for its reap:
    between these the device had it."""
    with tempfile.NamedTemporaryFile("r") as log:
        text = run("valgrind", "--tool=lackey", "--trace-mem=yes",
                   f"--log-file={log.name}", str(BENCH / "bench_ring"),
                   "where", str(REQUESTS), case)
        ring, device, adding = [
            range(*pair) for pair in pairs(text.split("where ")[1])]
        total, touched, reaping, ours = 0, set(), False, False
        for line in log:
            kind, place = line[:2], line[3:].split(",")[0]
            if kind not in ("I ", " L", " S", " M"):
                continue
            at = int(place, 16)
            if kind == "I ":
                ours = at not in device
                if at in (adding if reaping else device):
                    total += len(touched)
                    touched, reaping = set(), not reaping
            elif ours and at in ring:
                touched.add(at // LINE)
    return (total + len(touched)) / REQUESTS


def pairs(text: str) -> Iterable[tuple[int, int]]:
    numbers = [int(word, 16) for word in text.split()]
    return zip(numbers[::2], numbers[1::2])


def least_lines(case: str) -> float:
    """The fewest cache lines that can hold what the specification has a driver
    write and read for a batch: descriptors, and of a split ring the entries of
    both rings with their indices, each packed as tightly as can be; and the
    device's event."""
    segs, batch = (int(re.search(rf"\.{what}(\d+)", case).group(1))
                   for what in ("seg", "b"))
    indirect = ".indirect." in case and segs > 1
    descs = up(16 * batch * (1 if indirect else segs))
    tables = batch * up(16 * segs) if indirect else 0
    if case.startswith("packed"):
        lines = descs + tables + 1 + min(batch, descs)
    else:
        lines = descs + tables + up(2 + 2 * batch) + 1 + up(2 + 8 * batch)
    return lines / batch


def up(count: int) -> int:
    return (count + LINE - 1) // LINE

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds what the ring costs: no more instructions per request than before, the
same in a ring of any size, and one full fence for each kick decision.  All of
it is counted, so that the machine's load does not matter; nothing of it is
counted for another compiler than the gates were made for."""
from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "house")]

from counting import BENCH, fences, instructions, run  # noqa: E402
from figures import (BATCHES, GATES, IN_ORDER_GATES, KINDS,  # noqa: E402
                     MARGIN, SIZES, by_name)
from house import Tally, have  # noqa: E402


def why_not() -> str:
    for tool in ("valgrind", "objdump", "readelf"):
        if not have(tool):
            return f"no {tool} here"
    made_by = run("readelf", "-p", ".comment", str(BENCH / "bench_ring"))
    if platform.machine() != "x86_64" or not re.search(r"GCC: .*\) 12\.",
                                                       made_by):
        return "the gates are of gcc 12 for x86_64"
    return ""


def gates(tally: Tally, ir: dict[str, float], gate: dict[str, float]) -> None:
    for case, limit in gate.items():
        tally.case(f"{case} takes no more than {limit} instructions",
                   [f"{ir[case]:.1f}"] if ir[case] > limit + MARGIN else [])


def flat(tally: Tally, ir: dict[str, float]) -> None:
    """A packed ring's end is reached less often in a larger ring."""
    for kind in KINDS:
        base = ir[f"{kind}.direct.seg1.b1"]
        found = [f"{size}: {value:.1f}, 256: {base:.1f}" for size in SIZES
                 if (value := ir[f"{kind}.direct.seg1.b1.size{size}"])
                 > base + (MARGIN if size > 256 or kind == "split"
                           else base / 8)]
        tally.case(f"{kind} costs the same at any size", found)


def main() -> int:
    tally = Tally()
    why = why_not()
    if why:
        tally.skip("instructions of the ring", why)
        return tally.close()
    gate = by_name(GATES) | IN_ORDER_GATES
    sizes = [f"{kind}.direct.seg1.b1.size{size}" for kind in KINDS
             for size in SIZES]
    ir = instructions("bench_ring", [*gate, *sizes])
    gates(tally, ir, gate)
    flat(tally, ir)
    ordered = [f"{kind}.{layout}.seg3.b{batch}" for kind in KINDS
               for layout in ("direct", "indirect") for batch in BATCHES]
    for case, count in fences(ordered).items():
        tally.case(f"{case} has one full fence per kick, none per request",
                   [] if count == 1 else [f"{count} per kick"])
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

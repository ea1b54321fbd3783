#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo as a test: every architecture, bus and way to wait, in QEMU; with
"host", on the fake. Built before. The last line is
`N passed, N failed, N skipped`; words choose the cases whose names have them.
"""
from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import demo  # noqa: E402
from vm import ARCHES, BUSES, X86  # noqa: E402

MODES = ("irq", "poll")
DMA = ("direct", "mapped")
NOWHERE = (("m68k", "pci"),)  # no machine has both
GUEST_SIZE = "640x480"  # pixels cost time where the CPU is emulated


def guest_cases() -> list[tuple[str, list[str]]]:
    cases = [(f"demo {arch} {bus} {mode}",
              ["--arch", arch, "--bus", bus, "--mode", mode,
               "--size", GUEST_SIZE])
             for arch in ARCHES for bus in BUSES for mode in MODES
             if (arch, bus) not in NOWHERE]
    for arch in X86:
        for machine in ("q35", "pc"):
            cases.append((f"demo {arch} pci irq {machine} ports",
                          ["--arch", arch, "--machine", machine,
                           "--pci-config", "ports", "--size", GUEST_SIZE]))
    return cases


def host_cases() -> list[tuple[str, list[str]]]:
    return [(f"demo host {bus} {mode} {dma}",
             ["--host", "--bus", bus, "--mode", mode, "--dma", dma])
            for bus in BUSES for mode in MODES for dma in DMA]


def lacks(opts) -> str:
    """What is missing to run a case; empty when nothing is."""
    if opts.host:
        return ""
    qemu = f"qemu-system-{opts.arch}"
    return "" if shutil.which(qemu) else f"{qemu} is not installed"


def run(case: tuple[str, list[str]]) -> tuple[str, str, str]:
    """Verdict, text, and why."""
    name, args = case
    opts = demo.options([*args, "--quiet"])
    if why := lacks(opts):
        return "skipped", f"{name}: skipped: {why}", ""
    said: list[str] = []
    start = time.monotonic()
    one = demo.Demo(opts, said.append)
    try:
        good = one.run()
    except Exception:  # a case that breaks must not take the others along
        return "failed", name, traceback.format_exc()
    text = f"{name} ({time.monotonic() - start:.1f} s)"
    if not good:
        return "failed", text, "".join(said) + one.vm.tail()
    if one.skipped:
        why = "; ".join(t.strip() for t in said if t.startswith("skipped"))
        return "skipped", f"{name}: {why}", ""
    return "passed", text, ""


def main() -> int:
    words = sys.argv[1:]
    host = "host" in words
    cases = host_cases() if host else guest_cases()
    cases = [c for c in cases if all(w in c[0].split() for w in words)]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    os.chdir(Path(__file__).resolve().parent.parent.parent)
    with ThreadPoolExecutor(2) as pool:
        for verdict, text, why in pool.map(run, cases):
            count[verdict] += 1
            print(f"{verdict:7} {text}{chr(10) if why else ''}{why}",
                  flush=True)
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main())

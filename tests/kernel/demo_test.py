#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo as a test: every architecture, bus, interface, ring and way to wait
that QEMU has, one boot for each cell of a table; with "host", on the fake.
Built before. The last line is `N passed, N failed, N skipped`; words choose the
cases whose names have them.
"""
from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import demo  # noqa: E402
from demo import INTERFACES, RINGS  # noqa: E402
from vm import ARCHES, BUSES, X86  # noqa: E402

MODES = ("irq", "poll", "msix")
DMA = ("direct", "mapped")
GUEST_SIZE = "640x480"  # pixels cost time where the CPU is emulated
COLUMNS = tuple(product(RINGS, MODES))

Row = tuple[str, str, str]  # architecture, bus, interface

# Why there is no such cell: the first line whose words a cell has.
NOWHERE = (
    ("m68k pci", "QEMU's m68k virt has no PCI"),
    ("m68k mmio legacy", "QEMU's m68k virt makes all its slots version 2, "
                         "whatever force-legacy says"),
    ("mmio transitional", "an MMIO slot is version 1 or 2, never both"),
    ("mmio msix", "virtio-mmio has a line and no messages"),
    ("legacy packed", "the legacy interface has no packed ring"),
    ("riscv64 msix", "the kernel's interrupt controller is a PLIC, which "
                     "takes no messages"),
    ("riscv32 msix", "as riscv64's"),
)


def nowhere(row: Row, column: tuple[str, str]) -> int:
    """Which of the reasons there is against a cell; -1: none."""
    words = {*row, *column}
    return next((i for i, (cell, _) in enumerate(NOWHERE)
                 if words.issuperset(cell.split())), -1)


def rows() -> list[Row]:
    return list(product(ARCHES, BUSES, INTERFACES))


def cell_args(row: Row, column: tuple[str, str]) -> list[str]:
    arch, bus, interface = row
    ring, mode = column
    args = ["--arch", arch, "--bus", bus, "--interface", interface,
            "--ring", ring, "--mode", mode, "--size", GUEST_SIZE]
    # beside each that must not read the ISR one that must; the others reach
    # the registers without a detour
    if bus == "pci" and (mode == "msix" or ring == "packed"):
        args.append("--watch")
    return args


def guest_cases() -> list[tuple[str, list[str]]]:
    cases = [(f"demo {' '.join(row)} {' '.join(column)}",
              cell_args(row, column))
             for row in rows() for column in COLUMNS
             if nowhere(row, column) < 0]
    cases.append(("demo x86_64 pci irq pages",
                  ["--arch", "x86_64", "--pages", "1000",
                   "--size", GUEST_SIZE]))
    for arch in X86:
        for machine in ("q35", "pc"):
            cases.append((f"demo {arch} pci modern split irq {machine} ports",
                          ["--arch", arch, "--machine", machine,
                           "--pci-config", "ports", "--size", GUEST_SIZE]))
    return cases


def host_cases() -> list[tuple[str, list[str]]]:
    return [(f"demo host {bus} {mode} {dma}",
             ["--host", "--bus", bus, "--mode", mode, "--dma", dma])
            for bus in BUSES for mode in ("irq", "poll") for dma in DMA]


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


def table(verdicts: dict[str, str]) -> list[str]:
    """What was run, as a table; "(n)" says why there is no such cell."""
    heads = [" ".join(column) for column in COLUMNS]
    lines = [f"| {'':26} | " + " | ".join(f"{h:11}" for h in heads) + " |"]
    for row in rows():
        cells = []
        for column in COLUMNS:
            name = f"demo {' '.join(row)} {' '.join(column)}"
            reason = nowhere(row, column)
            cells.append(f"({reason + 1})" if reason >= 0
                         else verdicts.get(name, "not chosen"))
        lines.append(f"| {' '.join(row):26} | " +
                     " | ".join(f"{c:11}" for c in cells) + " |")
    return lines + [f"| ({i + 1}) no such cell: {why}"
                    for i, (_, why) in enumerate(NOWHERE)]


def main() -> int:
    words = sys.argv[1:]
    host = "host" in words
    cases = host_cases() if host else guest_cases()
    cases = [c for c in cases if all(w in c[0].split() for w in words)]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    verdicts: dict[str, str] = {}
    start = time.monotonic()
    os.chdir(Path(__file__).resolve().parent.parent.parent)
    with ThreadPoolExecutor(2) as pool:
        for case, (verdict, text, why) in zip(cases, pool.map(run, cases)):
            count[verdict] += 1
            verdicts[case[0]] = verdict
            print(f"{verdict:7} {text}{chr(10) if why else ''}{why}",
                  flush=True)
    if not host:
        print("\n".join(table(verdicts)))
        print(f"| {len(cases)} boots in {time.monotonic() - start:.0f} s")
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main())

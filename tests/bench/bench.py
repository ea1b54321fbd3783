#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the measurements as one table and writes build/bench.json.

Figures of other drivers are recorded ones, from runs of their own code on the
same kind of machine; they are marked so and not measured here.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "bench"
REQUESTS = 3200


@dataclass
class Row:
    name: str
    value: float | None
    unit: str
    goal: float | None = None
    peer: str = ""
    peer_value: float | None = None
    why: str = ""  # not measured, because


# Instructions per request: (segments, batch) -> goal now, Linux 6.1 recorded.
SPLIT = {
    ("direct", 1, 1): (None, 355), ("direct", 1, 32): (108, 283),
    ("direct", 2, 1): (None, 442), ("direct", 2, 32): (130, 370),
    ("direct", 3, 1): (None, 506), ("direct", 3, 32): (155, 434),
    ("indirect", 1, 1): (None, 358), ("indirect", 1, 32): (None, 286),
    ("indirect", 2, 1): (None, 623), ("indirect", 2, 32): (None, 593),
    ("indirect", 3, 1): (None, 681), ("indirect", 3, 32): (None, 651),
}
PACKED = {
    ("direct", 1, 1): (None, 405), ("direct", 1, 32): (106, 317),
    ("direct", 2, 1): (None, 504), ("direct", 2, 32): (122, 416),
    ("direct", 3, 1): (None, 577), ("direct", 3, 32): (142, 491),
    ("indirect", 1, 1): (None, 406), ("indirect", 1, 32): (None, 318),
    ("indirect", 2, 1): (None, 611), ("indirect", 2, 32): (None, 564),
    ("indirect", 3, 1): (None, 661), ("indirect", 3, 32): (None, 614),
}
# Name in a row, prefix of the program's layout, figures.
KINDS = (("split", "", SPLIT), ("packed", "packed-", PACKED))


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT,
                          timeout=300)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def counted(program: str, *args: str) -> float:
    """Of the drv_* functions and what they call, per request."""
    text = run("valgrind", "--tool=callgrind",
               "--callgrind-out-file=/dev/null", "--collect-atstart=no",
               "--toggle-collect=drv_*", str(BENCH / program), *args)
    match = re.search(r"Collected : (\d+)", text)
    if match is None:
        sys.exit(f"callgrind said nothing of what it collected:\n{text}")
    return int(match.group(1)) / REQUESTS


def instructions(layout: str, segs: int, batch: int, size: int = 256) -> float:
    return counted("bench_ring", layout, str(segs), str(batch), str(REQUESTS),
                   str(size))


def nanoseconds(layout: str, segs: int, batch: int) -> float:
    """Best of five, device included: for comparison within one run only."""
    return min(float(run(str(BENCH / "bench_ring"), layout, str(segs),
                         str(batch), "3200000").split()[1])
               for _ in range(5))


def ring_rows() -> list[Row]:
    if not shutil.which("valgrind"):
        return [Row("ir.ring", None, "instructions",
                    why="valgrind is not installed")]
    rows = []
    for kind, prefix, figures in KINDS:
        for (layout, segs, batch), (goal, linux) in figures.items():
            rows.append(Row(f"ir.ring.{kind}.{layout}.seg{segs}.b{batch}",
                            instructions(prefix + layout, segs, batch),
                            "instructions", goal, "Linux 6.1 (recorded)",
                            linux))
    by_name = {r.name: r.value for r in rows}
    rows += [Row(f"ir.ring.split.direct.seg1.b1.size{size}",
                 instructions("direct", 1, 1, size), "instructions",
                 by_name["ir.ring.split.direct.seg1.b1"])
             for size in (8, 32768)]
    # A chain that reaches the end of a packed ring takes the general path.
    rows += [Row(f"ir.ring.packed.direct.seg1.b1.size{size}",
                 instructions("packed-direct", 1, 1, size), "instructions")
             for size in (8, 100, 32768)]
    return rows


def driver_rows() -> list[Row]:
    if not shutil.which("valgrind"):
        return []
    return [Row(f"ir.blk.read4k.{layout}",
                counted("bench_blk", layout, "32", str(REQUESTS)),
                "instructions", goal, "Rust virtio-drivers (recorded)", rust)
            for layout, goal, rust in (("direct", 175, 230),
                                       ("indirect", 200, 416))]


def time_rows() -> list[Row]:
    return [Row(f"ns.ring.{kind}.direct.seg{segs}.b{batch}",
                nanoseconds(prefix + "direct", segs, batch), "ns")
            for kind, prefix, _ in KINDS
            for segs in (1, 3) for batch in (1, 32)]


def text_rows() -> list[Row]:
    """Bytes of code of each object, and of what a blk-over-MMIO kernel links."""
    rows = []
    for arch, goal in (("riscv64", 10240), ("aarch64", 10240)):
        cc = f"{arch}-linux-gnu-gcc"
        if not shutil.which(cc):
            rows.append(Row(f"text.{arch}", None, "bytes",
                            why=f"{cc} is not installed"))
            continue
        out = BENCH / arch
        shutil.rmtree(out, ignore_errors=True)
        run("make", "-s", f"CROSS_COMPILE={arch}-linux-gnu-", f"OUT={out}",
            "CFLAGS=-Os", str(out / "libvirtio_drv.a"))
        sizes = run(f"{arch}-linux-gnu-size", str(out / "libvirtio_drv.a"))
        total = 0
        for line in sizes.splitlines()[1:]:
            part = line.split()
            total += int(part[0])
            rows.append(Row(f"text.{arch}.{part[5].removesuffix('.o')}",
                            int(part[0]), "bytes"))
        rows.append(Row(f"text.{arch}.all", total, "bytes", 65536))
        rows.append(Row(f"text.{arch}.link_blk_mmio", linked(arch, out),
                        "bytes", goal))
    return rows


def linked(arch: str, out: Path) -> int:
    """A program that probes MMIO and reads one block, sections collected."""
    elf = out / "link_blk.elf"
    run(f"{arch}-linux-gnu-gcc", "-std=c11", "-Os", "-ffreestanding",
        "-nostdlib", "-static", "-Iinclude", "-Wl,--gc-sections",
        "-Wl,-e,vdrv_link_blk", "-Wl,--unresolved-symbols=ignore-all",
        "-o", str(elf), "tests/bench/link_blk.c",
        str(out / "libvirtio_drv.a"))
    return int(run(f"{arch}-linux-gnu-size", str(elf)).splitlines()[1]
               .split()[0])


def bytes_rows() -> list[Row]:
    """Ring memory and private memory of one entry, without dma_map."""
    per = run(str(BENCH / "bench_ring"), "bytes", "0", "0", "0").split()
    return [Row("bytes.split.per_entry", float(per[0]), "bytes shared"),
            Row("bytes.packed.per_entry", float(per[2]), "bytes shared"),
            Row("bytes.per_entry_private", float(per[1]), "bytes")]


def show(rows: list[Row]) -> None:
    print(f"{'name':44} {'value':>10} {'goal':>8}  peer")
    for r in rows:
        if r.value is None:
            print(f"{r.name:44} {'skipped':>10} {'':>8}  {r.why}")
            continue
        goal = "" if r.goal is None else f"{r.goal:g}"
        miss = " MISSED" if r.goal is not None and r.value > r.goal else ""
        peer = "" if r.peer_value is None else f"{r.peer}: {r.peer_value:g}"
        print(f"{r.name:44} {r.value:10.1f} {goal:>8}  {peer}{miss}")


def main() -> int:
    rows = ring_rows() + driver_rows() + time_rows() + bytes_rows() + text_rows()
    show(rows)
    (ROOT / "build" / "bench.json").write_text(
        json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    missed = [r for r in rows if r.value is not None and r.goal is not None
              and r.value > r.goal]
    print(f"{len(rows)} figures, {len(missed)} beyond their goal")
    # The ring's instructions must hold; drivers and sizes are being worked on.
    return 1 if any(r.name.startswith("ir.ring.") for r in missed) else 0


if __name__ == "__main__":
    sys.exit(main())

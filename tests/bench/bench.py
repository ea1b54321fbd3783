#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the measurements as one table and writes build/bench.json.

A peer's figure is measured here, in the same run, where the name says nothing
else; "(recorded)" is of a run of its own code on the same kind of machine.
"""
from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from counting import (BENCH, REQUESTS, ROOT, cache_lines,  # noqa: E402
                      counted, fences, instructions, least_lines, run)
from figures import (BATCHES, GATES, GOALS, KINDS, LINUX,  # noqa: E402
                     MARGIN, OF_LINUX, SEGS, SIZES, by_name)

ROUNDS = 7
NO_LINUX = "not measured: package linux-source-6.1"


@dataclass
class Row:
    name: str
    value: float | None
    unit: str
    goal: float | None = None
    peer: str = ""
    peer_value: float | None = None
    why: str = ""  # not measured, because


def have_linux() -> bool:
    return (BENCH / "bench_peers").exists()


def table(layouts: tuple[str, ...] = ("direct", "indirect")) -> list[str]:
    return [f"{kind}.{layout}.seg{segs}.b{batch}" for kind in KINDS
            for layout in layouts for segs in SEGS for batch in BATCHES]


# ---- Instructions -------------------------------------------------------------


def ring_rows() -> list[Row]:
    if not shutil.which("valgrind"):
        return [Row("ir.ring", None, "instructions",
                    why="valgrind is not installed")]
    plain = table()
    more = [case + option for option in (".noevent", ".mapped",
                                         ".noevent.mapped", ".in_order",
                                         ".merged") for case in plain]
    ours = instructions("bench_ring", plain + more)
    peer, linux = "Linux 6.1 (recorded)", by_name(LINUX)
    if have_linux():
        # It maps by a cast: comparable with the direct map alone.
        cases = plain + [case + ".noevent" for case in plain]
        found = instructions("bench_peers", [c + ".linux" for c in cases])
        peer, linux = "Linux 6.1", {c: found[c + ".linux"] for c in cases}
    goals = by_name(GOALS)
    return [Row(f"ir.ring.{case}", ours[case], "instructions",
                goals.get(case), peer if case in linux else "",
                linux.get(case)) for case in plain + more]


def flat_rows() -> list[Row]:
    """The cost of a request in rings of other sizes; the peer is one of 256.
    A batch of 8 would fill the smallest with 3 segments: one at a time."""
    if not shutil.which("valgrind"):
        return []
    cases = {f"{kind}.direct.seg{segs}.b1": [f".size{n}" for n in SIZES]
             for kind in KINDS for segs in (1, 3)}
    found = instructions("bench_ring", [*cases, *(
        case + size for case, sizes in cases.items() for size in sizes)])
    return [Row(f"ir.ring.{case}{size}", found[case + size], "instructions",
                None, "size 256", found[case])
            for case, sizes in cases.items() for size in sizes]


def driver_rows() -> list[Row]:
    if not shutil.which("valgrind"):
        return []
    return [Row(f"ir.blk.read4k.{layout}",
                counted("bench_blk", layout, "32", str(REQUESTS)),
                "instructions", goal, "Rust virtio-drivers (recorded)", rust)
            for layout, goal, rust in (("direct", 175, 230),
                                       ("indirect", 200, 416))] + [
        Row(f"ir.net.{way}.{kind}",
            counted("bench_net", way, kind, "32", str(REQUESTS)),
            "instructions", goal, "DPDK's virtio (recorded)", dpdk)
        for way, kind, goal, dpdk in (
            ("tx", "split", 108, 248), ("tx", "packed", 115, 209),
            ("rx", "split", 118, 165), ("rx", "packed", 126, 147))]


# ---- Memory and its order --------------------------------------------------------


def memory_rows() -> list[Row]:
    if not shutil.which("valgrind") or not shutil.which("objdump"):
        return []
    # Disassembled for x86: a locked instruction is its full fence.
    rows = [Row(f"fences.ring.{case}", value, "full fences per kick", 1)
            for case, value in fences(table()).items()]
    return rows + [Row(f"lines.ring.{case}", cache_lines(case),
                       "cache lines per request", None, "theoretical least",
                       least_lines(case)) for case in table()]


# ---- Time ------------------------------------------------------------------------


def time_rows() -> list[Row]:
    """Best of the rounds, in which the rings take turns."""
    cases = table()
    program = "bench_peers" if have_linux() else "bench_ring"
    wanted = [c + tail for c in cases
              for tail in (("", ".linux") if have_linux() else ("",))]
    text = run(str(BENCH / program), "time", "64000", str(ROUNDS), *wanted)
    ns = {case: float(value) for case, value in map(str.split,
                                                    text.splitlines())}
    rows = [Row(f"ns.ring.{c}", ns[c], "ns", None,
                "Linux 6.1" if have_linux() else "", ns.get(c + ".linux"))
            for c in cases]
    for case in cases:
        goal = OF_LINUX[int(case.rpartition(".b")[2])]
        name = f"ratio.ring.{case}"
        if have_linux():
            rows.append(Row(name, ns[case] / ns[case + ".linux"],
                            "of Linux's ns", goal))
        else:
            rows.append(Row(name, None, "of Linux's ns", goal, why=NO_LINUX))
    return rows


# ---- Size --------------------------------------------------------------------------


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
    per = run(str(BENCH / "bench_ring"), "bytes").split()
    return [Row("bytes.split.per_entry", float(per[0]), "bytes shared"),
            Row("bytes.packed.per_entry", float(per[2]), "bytes shared"),
            Row("bytes.per_entry_private", float(per[1]), "bytes")]


# ---- Exits -------------------------------------------------------------------------


def exit_rows() -> list[Row]:
    """Accesses to transport registers, as QEMU's own trace counts them: of
    initialisation with one queue, of a batch of requests, of an interrupt."""
    rows = []
    for line in run("build/test/qtest_life", "exits").splitlines():
        name, _, value = line.partition(" ")
        if name.startswith("exits."):
            most = 40 if ".mmio" in name else 60
            goal = {"init": most, "request": 1}.get(name.split(".")[2])
            rows.append(Row(name, int(value), "register accesses", goal))
        elif ": skipped: " in line:
            rows.append(Row(line.split(":")[0].replace("exits_", "exits."),
                            None, "register accesses",
                            why=line.split(": skipped: ")[1]))
    return rows


# ---- The table -----------------------------------------------------------------------


def show(rows: list[Row]) -> None:
    print(f"{'name':52} {'value':>10} {'goal':>8}  peer")
    for r in rows:
        if r.value is None:
            print(f"{r.name:52} {'skipped':>10} {'':>8}  {r.why}")
            continue
        goal = "" if r.goal is None else f"{r.goal:g}"
        miss = " MISSED" if beyond(r) else ""
        peer = ("" if r.peer_value is None
                else f"{r.peer}: {round(r.peer_value, 2):g}")
        digits = 2 if r.value < 10 else 1
        print(f"{r.name:52} {r.value:10.{digits}f} {goal:>8}  {peer}{miss}")


def beyond(r: Row) -> bool:
    return r.value is not None and r.goal is not None and r.value > r.goal


def main() -> int:
    rows = (ring_rows() + flat_rows() + memory_rows() + driver_rows()
            + time_rows() + bytes_rows() + text_rows() + exit_rows())
    show(rows)
    (ROOT / "build" / "bench.json").write_text(
        json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    gates = {f"ir.ring.{case}": limit for case, limit in by_name(GATES).items()}
    worse = [r.name for r in rows if r.value is not None
             and r.value > gates.get(r.name, r.value) + MARGIN]
    print(f"{len(rows)} figures, {sum(map(beyond, rows))} beyond their goal, "
          f"{len(worse)} worse than before: {' '.join(worse) or 'none'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

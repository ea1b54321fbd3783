#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two CPUs drive a queue each of one disk at the same time, in QEMU; the image
and QEMU's own view of the queues tell whether they did. Built before. The last
line is `N passed, N failed, N skipped`; words choose the cases.
"""
from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proofs import SECTOR, ProofError, need, pattern  # noqa: E402
from vm import Vm, VmError  # noqa: E402

OUT = os.environ.get("KERNEL_OUT", "build/kernel")
CHUNK, CHUNKS = 8, 500  # sectors; chunks of both CPUs
QUEUE = 64  # entries of a queue
SEEDS = (0x1234567, 0x89ABCDE)
MACHINES = (
    ("x86_64", "pci"), ("x86_64", "mmio"), ("riscv64", "pci"),
    ("riscv64", "mmio"), ("aarch64", "pci"), ("aarch64", "mmio"),
    ("i386", "pci"), ("arm", "pci"), ("riscv32", "mmio"),
)


def check_image(path: Path) -> None:
    data = path.read_bytes()
    for sector in range(CHUNK * CHUNKS):
        cpu = sector // CHUNK % 2
        need(data[sector * SECTOR:(sector + 1) * SECTOR]
             == pattern(SEEDS[cpu], sector), f"sector {sector}, of CPU {cpu}")
    rest = data[CHUNK * CHUNKS * SECTOR:]
    need(rest == bytes(len(rest)), "something behind the last chunk")


def check_queues(vm: Vm, disk: str, bus: str, ring: str) -> str:
    """Each queue took its half: QEMU's own index of it has moved that far."""
    where = f"/machine/peripheral/{disk}"
    if bus == "pci":
        where += "/virtio-backend"
    taken = []
    for queue in range(2):
        seen = vm.query("x-query-virtio-queue-status", path=where, queue=queue)
        taken.append(seen["used-idx"])
    # its half written and read; CPU 0 has flushed, too
    want = [CHUNKS + 1, CHUNKS]
    if ring == "packed":  # there, it goes round the ring
        want = [n % QUEUE for n in want]
    need(taken == want, f"the queues took {taken}, not {want}")
    return f"QEMU's used indices {taken}"


def pair(arch: str, bus: str, ring: str) -> str:
    words = (f"seed0={SEEDS[0]} seed1={SEEDS[1]} chunks={CHUNKS} "
             f"packed={int(ring == 'packed')}")
    with Vm(arch, f"{OUT}/{arch}/pair.elf", bus, words,
            extra=["-smp", "2"]) as vm:
        image = Path(vm.dir) / "disk.img"
        image.write_bytes(bytes((CHUNK * CHUNKS + 64) * SECTOR))
        disk = vm.disk(str(image), props={
            "num-queues": 2, **({"packed": True} if ring == "packed" else {})})
        vm.start().expect(r"^type a dot$", 40)
        said = re.findall(r"^cpu (\d): (\d+) requests, (\d+) wrong, saw (\d+) "
                          r"of the other's, (.*)$", vm.text, re.M)
        need([(row[1], row[2], row[4]) for row in said]
             == [(str(CHUNKS), "0", "ok")] * 2, f"{said}{vm.tail()}")
        # not one after the other
        need(all(int(row[3]) > CHUNKS // 4 for row in said), f"{said}")
        told = check_queues(vm, disk, bus, ring)
        vm.send(".")
        need(vm.wait(10) == 0, f"it failed{vm.tail()}")
        check_image(image)
        return f"each saw {said[0][3]} and {said[1][3]} of the other's; {told}"


def main() -> int:
    words = sys.argv[1:]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for arch, bus in MACHINES:
        for ring in ("split", "packed"):
            name = f"pair {arch} {bus} {ring}"
            if not all(w in name.split() for w in words):
                continue
            start = time.monotonic()
            if not shutil.which(f"qemu-system-{arch}"):
                verdict = "skipped"
                text = f"skipped: qemu-system-{arch} is not installed"
            else:
                try:
                    verdict, text = "passed", pair(arch, bus, ring)
                except (ProofError, VmError, OSError) as err:
                    verdict, text = "failed", str(err)
            count[verdict] += 1
            print(f"{verdict:7} {name}: {text} "
                  f"({time.monotonic() - start:.1f} s)", flush=True)
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] or not any(count.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

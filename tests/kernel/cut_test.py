#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The power fails, and the kernel crashes: cut.c in QEMU.

QEMU logs every write and every flush in order (blklogwrites).  The guest says
"acked k" when a flush has completed, and begins with record k + 1 only then:
so a log that holds a part of record k + 1 is of a time when record k had been
acknowledged.  The power is cut after each entry of the log: what stands before
the last flush is on the disk, and of what follows any sectors may be; each
record that was acknowledged by then must be there whole, but for those whose
slots were used again.  Two controls must lose something: a guest that does not
flush, and a host whose cache ignores flushes.

The crash: a dump, written from an interrupt below a call of the library.
"""
from __future__ import annotations

import os
import random
import re
import shutil
import struct
import sys
import tempfile
import zlib
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from vm import Vm, VmError  # noqa: E402

OUT = os.environ.get("KERNEL_OUT", "build/kernel")

# as in cut.h
MAGIC, DUMP_MAGIC = 0x6c6e726a, 0x706d7564
HEAD, RECORD, SLOTS = 16, 8192, 8
DUMP, DUMP_AT = 65536, 1024 * 512

SIZE = 1 << 20
SECTOR = 512
LOG_MAGIC = 0x6a736677736872
FLUSH, DISCARD = 1, 4
RECORDS = 40
TAILS = 3  # random ones for each place of a cut


@dataclass
class Entry:
    sector: int
    flush: bool
    data: bytes


def read_log(path: str) -> list[Entry]:
    """dm-log-writes: a head, then entries, each a sector and then its data;
    the head is written with the first flush."""
    with open(path, "rb") as f:
        log = f.read()
    entries, at = [], SECTOR
    while True:
        sector, sectors, flags, _ = struct.unpack_from("<QQQQ", log, at)
        if not sectors and not flags:
            break
        if flags & DISCARD:
            raise VmError("nobody asked for a discard")
        data = log[at + SECTOR:at + SECTOR * (1 + sectors)]
        entries.append(Entry(sector, bool(flags & FLUSH), data))
        at += SECTOR * (1 + sectors)
    magic, _, count, size = struct.unpack_from("<QQQI", log)
    head = (LOG_MAGIC, len(entries), SECTOR)
    if any(e.flush for e in entries) and (magic, count, size) != head:
        raise VmError("QEMU's log of writes is not what it was")
    return entries


def intact(block: bytes, magic: int) -> int:
    """The number of a whole record; 0: it is not one."""
    got, number, crc, size = struct.unpack_from("<IIII", block)
    whole = got == magic and size == len(block) and \
        zlib.crc32(block[HEAD:]) == crc
    return number if whole else 0


def lost(image: bytes, acked: int) -> int:
    """How many of the records that must be there are not.  The slot after the
    last acknowledged one may be in use."""
    return sum(intact(image[k % SLOTS * RECORD:(k % SLOTS + 1) * RECORD],
                      MAGIC) != k
               for k in range(max(1, acked - SLOTS + 2), acked + 1))


def begun(e: Entry) -> int:
    """The number of the record whose head an entry writes; 0: it does not."""
    if e.sector * SECTOR % RECORD or not e.data:
        return 0
    magic, number = struct.unpack_from("<II", e.data)
    return number if magic == MAGIC else 0


def store(image: bytearray, e: Entry, rng: random.Random | None) -> None:
    for i in range(0, len(e.data), SECTOR):
        if rng is None or rng.random() < 0.5:
            at = e.sector * SECTOR + i
            image[at:at + SECTOR] = e.data[i:i + SECTOR]


def cuts(entries: list[Entry], seed: int) -> tuple[int, int]:
    """Cuts the power at every entry; how often, and how many of these lost
    something."""
    rng = random.Random(seed)
    durable, tail = bytearray(SIZE), []
    acked = states = bad = 0
    for e in [*entries, None]:
        if e is None:
            acked = RECORDS
        elif e.flush:
            for late in tail:
                store(durable, late, None)
            tail = []
        else:
            tail.append(e)
            acked = max(acked, begun(e) - 1)
        for _ in range(TAILS + 1):
            image = bytearray(durable)
            for late in tail if states % (TAILS + 1) else []:
                store(image, late, rng)
            states += 1
            bad += lost(image, acked) > 0
    return states, bad


def run(tmp: str, arch: str, words: str, **node) -> tuple[Vm, str, str]:
    image, log = os.path.join(tmp, "disk"), os.path.join(tmp, "log")
    for path, size in ((image, SIZE), (log, 8 << 20)):
        with open(path, "wb") as f:
            f.truncate(size)
    spec = {"driver": "blklogwrites", "log-sector-size": SECTOR,
            "file": {"driver": "file", "filename": image},
            "log": {"driver": "file", "filename": log}, **node}
    with Vm(arch, f"{OUT}/{arch}/cut.elf", "mmio",
            f"records={RECORDS} {words}") as vm:
        vm.disk(image, node=spec,
                props={"packed": True} if "packed" in words else None)
        if vm.start().wait(60):
            raise VmError(f"the guest failed{vm.tail()}")
    said = [int(k) for k in re.findall(r"^acked (\d+)$", vm.text, re.M)]
    if said != list(range(1, RECORDS + 1)):
        raise VmError(f"acknowledged {said}{vm.tail()}")
    return vm, image, log


def power(tmp: str, arch: str, words: str) -> str:
    _, _, log = run(tmp, arch, words)
    entries = read_log(log)
    flushes = sum(e.flush for e in entries)
    states, bad = cuts(entries, 1)
    if flushes < RECORDS or bad:
        raise VmError(f"{flushes} flushes, {bad} of {states} cuts lost "
                      f"something")
    return f"{flushes} flushes, {states} cuts"


def control(tmp: str, arch: str, words: str, **node) -> str:
    """The test of the test."""
    _, image, log = run(tmp, arch, words, **node)
    states, bad = cuts(read_log(log), 1)
    with open(image, "rb") as f:
        if lost(f.read(), RECORDS):
            raise VmError("lost something though the power never failed")
    if not bad:
        raise VmError(f"none of {states} cuts lost anything")
    return f"{bad} of {states} cuts lost something"


def unheeded(tmp: str, arch: str, words: str) -> str:
    return control(tmp, arch, words, cache={"no-flush": True})


def crash(tmp: str, arch: str, words: str) -> str:
    vm, image, log = run(tmp, arch, words)
    if "dump: ok, in a call\n" not in vm.text:
        raise VmError(f"no dump{vm.tail()}")
    with open(image, "rb") as f:
        data = f.read()
    if intact(data[DUMP_AT:DUMP_AT + DUMP], DUMP_MAGIC) != RECORDS + 1:
        raise VmError("the dump is not in the image")
    if lost(data, RECORDS):
        raise VmError("the crash took acknowledged records with it")
    if not read_log(log)[-1].flush:
        raise VmError("the dump was not flushed")
    return "the dump and all records are there"


CASES = (
    ("power cuts", "x86_64", power, ""),
    ("power cuts, packed", "x86_64", power, "packed=1"),
    ("a guest that does not flush is noticed", "x86_64", control, "flush=0"),
    ("a cache that ignores flushes is noticed", "x86_64", unheeded, ""),
    ("a crash dump", "x86_64", crash, "dump=1"),
    ("a crash dump, packed", "x86_64", crash, "dump=1 packed=1"),
    ("a crash dump", "riscv64", crash, "dump=1"),
    ("a crash dump", "aarch64", crash, "dump=1"),
)


def main() -> int:
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for name, arch, fn, words in CASES:
        name = f"{arch}: {name}"
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        verdict, why = "passed", ""
        if not shutil.which(f"qemu-system-{arch}"):
            verdict, why = "skipped", f"qemu-system-{arch} is not installed"
        else:
            try:
                with tempfile.TemporaryDirectory(prefix="cut-") as tmp:
                    why = fn(tmp, arch, words)
            except VmError as err:
                verdict, why = "failed", str(err)
        count[verdict] += 1
        print(f"{verdict:7} {name}{': ' + why if why else ''}", flush=True)
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

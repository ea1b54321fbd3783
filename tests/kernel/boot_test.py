# SPDX-License-Identifier: MIT
"""Tests the kernels' architecture layer: hello and lines on every machine.

hello must pass, fail and trap when told to; lines must hear every disk that is
resized from here on the line that the layer names.  Built before: `make kernel
ARCH=...`.  The last line is `N passed, N failed, N skipped`.
"""
from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from vm import Vm, VmError  # noqa: E402

OUT = os.environ.get("KERNEL_OUT", "build/kernel")
LIMIT = 5.0  # seconds for hello; it takes under one on an idle host

# arch, machine, bus, machine options
MACHINES = (
    ("riscv64", "virt", "mmio", {}),
    ("aarch64", "virt", "mmio", {}),
    ("riscv32", "virt", "mmio", {}),
    ("arm", "virt", "mmio", {}),
    ("m68k", "virt", "mmio", {}),
    ("x86_64", "microvm", "mmio", {}),
    ("x86_64", "microvm", "mmio", {"ioapic2": False}),
    ("x86_64", "microvm", "mmio", {"acpi": False}),
    ("x86_64", "q35", "pci", {}),
    ("x86_64", "pc", "pci", {}),
    ("i386", "microvm", "mmio", {}),
    ("i386", "q35", "pci", {}),
    ("i386", "pc", "pci", {}),
)

NARROW = ("i386", "arm", "riscv32", "m68k")  # reach 4 GiB and no more

EXITS = (("", 0), ("fail", 1), ("trap", 100))


def elf(arch: str, program: str) -> str:
    return f"{OUT}/{arch}/{program}.elf"


def hello(arch: str, machine: str, bus: str, opts: dict, word: str,
          code: int) -> None:
    text = f"one=1 {word}".strip()
    with Vm(arch, elf(arch, "hello"), bus, text, machine, opts) as vm:
        vm.device("rng")
        begin = time.monotonic()
        got = vm.start().wait(20)
        took = time.monotonic() - begin
        if got != code:
            raise VmError(f"exit code {got}, not {code}{vm.tail()}")
        if f'cmdline: "{text}"\n' not in vm.text:
            raise VmError("the command line did not arrive")
        if took > LIMIT:
            raise VmError(f"took {took:.1f} s")


def lines(arch: str, machine: str, bus: str, opts: dict, word: str) -> None:
    """Five PCI disks, so that two of them share a line."""
    with tempfile.TemporaryDirectory(prefix="lines-") as tmp, \
            Vm(arch, elf(arch, "lines"), bus, word, machine, opts) as vm:
        disks = {}
        for i in range(5 if bus == "pci" else 4):
            path = os.path.join(tmp, f"{i}.img")
            with open(path, "wb") as f:
                f.truncate(1 << 20)
            dev = vm.disk(path)
            disks[i] = f"node-{dev}"
        # the guest finds MMIO disks from the last one down
        order = list(disks)[::-1] if bus == "mmio" else list(disks)
        vm.start()
        for n, i in enumerate(order):
            vm.expect(rf"^resize {n}$")
            vm.query("block_resize", node_name=disks[i], size=2 << 20)
        vm.expect(r"^type a dot$")
        vm.send(".")
        if vm.wait(10):
            raise VmError(f"a line was not heard{vm.tail()}")


def devices(arch: str, machine: str, bus: str) -> None:
    """All that vm.py can add shows up in the guest, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="dev-") as tmp, \
            Vm(arch, elf(arch, "hello"), bus, machine=machine) as vm:
        image = os.path.join(tmp, "a,b.img")  # a comma is an option's end
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        vm.disk(image, read_only=True)
        vm.nic_user({0: 80}, props={"mac": "52:54:00:00:00:01"})
        vm.nic_dgram(os.path.join(tmp, "q"), os.path.join(tmp, "h"))
        vm.gpu(props={"xres": 640, "yres": 480})
        if vm.start().wait(20):
            raise VmError(f"hello failed{vm.tail()}")
        found = re.findall(r"mmio \S+ version 2 device (\d+)", vm.text)
        found += [str(int(n, 16) - 0x1040)
                  for n in re.findall(r": 1af4:(\w+)", vm.text)]
        if sorted(found) != ["1", "1", "16", "2"]:
            raise VmError(f"found {found}{vm.tail()}")


def png(path: str) -> tuple[int, int]:
    """Checks a PNG's chunks and returns its size."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise VmError("the screendump is no PNG")
    pos, size = 8, (0, 0)
    while pos < len(data):
        n = int.from_bytes(data[pos:pos + 4], "big")
        body = data[pos + 4:pos + 8 + n]
        if zlib.crc32(body) != int.from_bytes(data[pos + 8 + n:pos + 12 + n],
                                              "big"):
            raise VmError("the PNG has a wrong checksum")
        if body[:4] == b"IHDR":
            size = (int.from_bytes(body[4:8], "big"),
                    int.from_bytes(body[8:12], "big"))
        pos += 12 + n
    return size


def host_side() -> None:
    """What vm.py promises: no pass without the guest's word, screendumps."""
    with tempfile.TemporaryDirectory(prefix="host-") as tmp, \
            Vm("riscv64", elf("riscv64", "hello")) as vm:
        vm.gpu()
        vm.start().expect(r"machine: (\S+)")
        vm.screendump(os.path.join(tmp, "a.png"))
        if not all(png(os.path.join(tmp, "a.png"))):
            raise VmError("the picture is empty")
        vm.quit()
        try:
            vm.wait(5)
        except VmError:
            pass
        else:
            raise VmError("QEMU was ended from outside: not a pass")
        left = vm.dir
    if os.path.exists(left) or vm.proc.poll() is None:
        raise VmError("something was left behind")


def cases():
    for arch, machine, bus, opts in MACHINES:
        name = ",".join([f"{arch} {machine}", *(f"{k}={'on' if v else 'off'}"
                                                for k, v in opts.items())])
        for word, code in EXITS:
            yield (f"{name}: hello {word}".strip(), arch, hello,
                   (arch, machine, bus, opts, word, code))
        for b, words in (("mmio", [""]), ("pci", ["mem32", "mem64"])):
            if b != bus and (machine != "virt" or arch == "m68k"):
                continue
            if arch in NARROW:
                words = [w for w in words if w != "mem64"]
            if machine in ("q35", "pc"):
                words = ["", *words]
            for word in words:
                yield (f"{name}: lines {b} {word}".strip(), arch, lines,
                       (arch, machine, b, opts, word))
    for arch, machine, bus in (
            ("riscv64", "virt", "mmio"), ("riscv64", "virt", "pci"),
            ("aarch64", "virt", "mmio"), ("aarch64", "virt", "pci"),
            ("riscv32", "virt", "mmio"), ("riscv32", "virt", "pci"),
            ("arm", "virt", "mmio"), ("arm", "virt", "pci"),
            ("m68k", "virt", "mmio"),
            ("x86_64", "microvm", "mmio"), ("x86_64", "q35", "pci"),
            ("i386", "microvm", "mmio"), ("i386", "q35", "pci")):
        yield (f"{arch} {machine}: devices {bus}", arch, devices,
               (arch, machine, bus))
    yield "vm.py: screendump, quit, cleaning up", "riscv64", host_side, ()


def main() -> int:
    count = {"passed": 0, "failed": 0, "skipped": 0}
    only = sys.argv[1:]
    for name, arch, fn, args in cases():
        if only and not any(word in name for word in only):
            continue
        verdict, why = "passed", ""
        if not shutil.which(f"qemu-system-{arch}"):
            verdict, why = "skipped", f"qemu-system-{arch} is not installed"
        else:
            try:
                fn(*args)
            except VmError as err:
                verdict, why = "failed", str(err)
        count[verdict] += 1
        print(f"{verdict:7} {name}{': ' + why if why else ''}", flush=True)
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The device tree reader on trees that others made: QEMU's machines, and dtc.

What the reader (fdt_slots.c) says of each is compared with what dtc's text of
the same blob says, or with what QEMU is known to do; fdt_slots then damages
the blob in every place.
"""
from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# QEMU's machines: what it is, slots, first address, stride, size.
MACHINES = (("aarch64", "virt", 32, 0xA000000, 0x200, 0x200),
            ("arm", "virt", 32, 0xA000000, 0x200, 0x200),
            ("riscv64", "virt", 8, 0x10001000, 0x1000, 0x1000),
            ("riscv64", "virt,aia=aplic-imsic", 8, 0x10001000, 0x1000, 0x1000))

SOURCE = """
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    interrupt-parent = <&pic>;
    pic: pic { interrupt-controller; #interrupt-cells = <2>; phandle = <7>; };
    soc {
        #address-cells = <1>;
        #size-cells = <1>;
        compatible = "simple-bus";
        dma-coherent;
        ranges = <0x0 0x0 0x0 0x10000>,
                 <0x10000 0x8 0x40000000 0x100000>;
        bus@10000 {
            #address-cells = <1>;
            #size-cells = <1>;
            ranges = <0x0 0x10000 0x8000>;
            v@200 { compatible = "virtio,mmio"; reg = <0x200 0x200>;
                    interrupts = <5 4>; };
            v@8000 { compatible = "virtio,mmio"; reg = <0x8000 0x200>; };
        };
        v@1000 { compatible = "x,y", "virtio,mmio"; reg = <0x1000 0x100>;
                 interrupts-extended = <&pic 9 1>; };
        v@2000 { compatible = "virtio,mmio"; reg = <0x2000 0x200>;
                 status = "disabled"; };
    };
};
"""
OF_SOURCE = ["840000200 200 1 7 5 4", "1000 100 1 7 9 1"]


def slots(helper: str, blob: Path) -> tuple[list[str], tuple[int, int]]:
    done = subprocess.run([helper, str(blob)], capture_output=True, text=True,
                          timeout=120)
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])
    *lines, last = done.stdout.splitlines()
    match = re.fullmatch(r"damaged (\d+) ended (\d+)", last)
    assert match, last
    return lines, (int(match[1]), int(match[2]))


def by_dtc(blob: Path) -> list[list[int]]:
    """Address, size and interrupt cells of each node, from dtc's text."""
    text = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", str(blob)],
                          capture_output=True, text=True, check=True,
                          timeout=60).stdout
    out = []
    for body in re.findall(r"virtio_mmio@\w+ \{(.*?)\};", text, re.S):
        def cells(name: str) -> list[int]:
            return [int(c, 16) for c in
                    re.search(rf"\b{name} = <(.*?)>", body)[1].split()]
        reg = cells("reg")
        out.append([reg[0] << 32 | reg[1], reg[2] << 32 | reg[3],
                    *cells("interrupts")])
    return out


def check_damage(counts: tuple[int, int]) -> None:
    trees, ended = counts
    assert 0 < ended < trees and trees > 1000, counts


def machine(helper: str, tmp: Path, row: tuple) -> None:
    arch, name, count, first, stride, size = row
    blob = tmp / f"{arch}.dtb"
    subprocess.run([f"qemu-system-{arch}", "-accel", "tcg", "-display", "none",
                    "-machine", f"{name},dumpdtb={blob}"], check=True,
                   capture_output=True, timeout=60)
    lines, counts = slots(helper, blob)
    got = [[int(c, 16) for c in line.split()] for line in lines]
    assert sorted(g[0] for g in got) == [first + stride * i
                                         for i in range(count)], lines
    for g in got:
        assert g[1] == size and g[3] != 0 and len(g) > 4, g
        assert g[2] == (arch != "riscv64"), g  # dma-coherent
    if shutil.which("dtc"):
        assert [g[:2] + g[4:] for g in got] == by_dtc(blob), lines
    check_damage(counts)


def source(helper: str, tmp: Path) -> None:
    blob = tmp / "t.dtb"
    (tmp / "t.dts").write_text(SOURCE)
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(blob),
                    str(tmp / "t.dts")], check=True, timeout=60)
    lines, counts = slots(helper, blob)
    assert lines == OF_SOURCE, lines
    check_damage(counts)


def main() -> int:
    helper = sys.argv[1] if len(sys.argv) > 1 else "build/test/fdt_slots"
    count = {"ok": 0, "FAILED": 0, "skipped": 0}

    def case(name: str, tool: str, run) -> None:
        if shutil.which(tool) is None:
            count["skipped"] += 1
            print(f"{name}: skipped: no {tool} here")
            return
        how = "ok"
        try:
            with tempfile.TemporaryDirectory() as tmp:
                run(Path(tmp))
        except (AssertionError, subprocess.SubprocessError, OSError) as err:
            how = "FAILED"
            print(f"  {err!r}")
        count[how] += 1
        print(f"{name}: {how}")

    for row in MACHINES:
        case(f"fdt_{row[0]}_{row[1]}", f"qemu-system-{row[0]}",
             lambda tmp, row=row: machine(helper, tmp, row))
    case("fdt_dtc", "dtc", lambda tmp: source(helper, tmp))
    print(f"{count['ok']} passed, {count['FAILED']} failed, "
          f"{count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())

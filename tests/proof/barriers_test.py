#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What compilers make of the memory-order primitives: for each architecture,
and each compiler that is here for it, the instructions of barriers.c in order.
Each check is then given the same assembly with its barriers taken out, or
weakened, and has to refuse it."""
from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "house"))

from house import ROOT, Tally, have, parallel, run  # noqa: E402

SOURCE = ROOT / "tests/proof/barriers.c"
FLAGS = ["-std=c11", "-O2", "-ffreestanding", "-Iinclude", "-S", "-o", "-",
         "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra", "-Werror"]

# What must stand in each function, in this order: regular expressions over
# the mnemonic and its operands.
X86 = {
    "publish16": [r"movw .*\)$"],
    "consume16": [r"movz?w.* .*\(.*"],
    "status_set": [r"movl .*\)$"],
    "status_get": [r"movl \(.*"],
    "full_fence": [r"movw .*\)$", r"mfence|lock( or.*)?",
                   r"movz?w.* \(.*"],
    "before_reg_write": [r"movw .*\)$", r"movl \$1, .*"],
    "after_reg_read": [r"(mov|cmp|test)l .*\(.*", r"movz?w.* \(.*"],
}
ARM64 = {
    "publish16": [r"stlrh .*"],
    "consume16": [r"lda(p)?rh .*"],
    "status_set": [r"stlr w.*"],
    "status_get": [r"lda(p)?r w.*"],
    "full_fence": [r"strh .*", r"dmb ish", r"ldrh .*"],
    "before_reg_write": [r"strh .*", r"dmb oshst", r"str w.*"],
    "after_reg_read": [r"ldr w.*", r"dmb oshld", r"ldrh .*"],
    "platform_publish": [r"strh .*", r"dmb oshst", r"stlrh .*"],
    "platform_consume": [r"lda(p)?rh .*", r"dmb oshld", r"ldrh .*"],
    "platform_fence": [r"strh .*", r"dmb ish", r"dmb osh", r"ldrh .*"],
}
ARM = {
    "publish16": [r"dmb ish", r"strh .*"],
    "consume16": [r"ldrh .*", r"dmb ish"],
    "status_set": [r"dmb ish", r"str r.*"],
    "status_get": [r"ldr r.*", r"dmb ish"],
    "full_fence": [r"strh .*", r"dmb ish", r"ldrh .*"],
    "before_reg_write": [r"strh .*", r"dmb oshst", r"str r.*"],
    "after_reg_read": [r"ldr r.*", r"dmb osh", r"ldrh.* .*"],
    "platform_publish": [r"strh .*", r"dmb oshst", r"dmb ish", r"strh .*"],
    "platform_consume": [r"ldrh .*", r"dmb ish", r"dmb osh", r"ldrh .*"],
    "platform_fence": [r"strh .*", r"dmb ish", r"dmb osh", r"ldrh .*"],
}
# GCC 12 orders more than it must: "iorw,iorw", and "iorw,ow" before a release.
FULL = r"fence( i?o?rw,i?o?rw)?"
BEFORE = r"fence i?o?rw,i?o?r?w"
AFTER = r"fence i?o?rw?,i?o?rw"
RISCV = {
    "publish16": [BEFORE, r"sh .*"],
    "consume16": [r"lhu? .*", AFTER],
    "status_set": [BEFORE, r"sw .*|amoswap\.w(\.rl)? .*"],
    "status_get": [r"lw .*", AFTER],
    "full_fence": [r"sh .*", FULL, r"lhu? .*"],
    "before_reg_write": [r"sh .*", r"fence w,o", r"sw .*"],
    "after_reg_read": [r"lw .*", r"fence i,r", r"lhu? .*"],
}
# Without compare-and-swap: a plain access and a full fence.
RISCV_PLAIN = RISCV | {
    "publish16": [FULL, r"sh .*"], "consume16": [r"lhu? .*", FULL],
    "status_set": [FULL, r"sw .*"], "status_get": [r"lw .*", FULL],
}
M0_FENCE = r"dmb( sy)?"
M0 = {
    "publish16": [M0_FENCE, r"strh .*"], "consume16": [r"ldrh .*", M0_FENCE],
    "status_set": [M0_FENCE, r"str r.*"],
    "status_get": [r"ldr r.*", M0_FENCE],
    "full_fence": [r"strh .*", M0_FENCE, r"ldrh .*"],
    "before_reg_write": [r"strh .*", M0_FENCE, r"str r.*"],
    "after_reg_read": [r"ldr r.*", M0_FENCE, r"ldrh .*"],
}
# One CPU in order, and no compare-and-swap: plain accesses, in order.
STORE16, LOAD16 = r"move\.w %d\d, ?\(.*", r"move\.w \(%a\d\), ?%d\d"
STORE32, LOAD32 = r"move\.l .*, ?\(%a\d\)", r"move\.l \(%a\d\), ?%d\d"
M68K = {
    "publish16": [STORE16], "consume16": [LOAD16], "status_set": [STORE32],
    "status_get": [LOAD32], "full_fence": [STORE16, LOAD16],
    "before_reg_write": [STORE16, STORE32],
    "after_reg_read": [LOAD32, LOAD16],
}
BARRIER = re.compile(r"(mfence|lock|dmb|fence)\b")
WEAKER = [("stlrh", "strh"), ("stlr", "str"), ("ldaprh", "ldrh"),
          ("ldarh", "ldrh"), ("ldapr", "ldr"), ("ldar", "ldr")]

TARGETS: list[tuple[str, list[str], dict[str, list[str]]]] = [
    ("x86_64 clang", ["clang", "--target=x86_64-none-elf"], X86),
    ("x86_64 gcc", ["x86_64-linux-gnu-gcc"], X86),
    ("i386 gcc", ["i686-linux-gnu-gcc"], X86),
    ("i386 clang", ["clang", "--target=i386-none-elf"], X86),
    ("aarch64 clang", ["clang", "--target=aarch64-none-elf"], ARM64),
    ("aarch64 gcc", ["aarch64-linux-gnu-gcc"], ARM64),
    ("arm v7 clang", ["clang", "--target=armv7a-none-eabi"], ARM),
    ("arm v7 gcc", ["arm-linux-gnueabihf-gcc"], ARM),
    ("riscv64 clang", ["clang", "--target=riscv64-none-elf",
                       "-march=rv64imac"], RISCV),
    ("riscv64 gcc", ["riscv64-linux-gnu-gcc"], RISCV),
    ("riscv32 clang", ["clang", "--target=riscv32-none-elf",
                       "-march=rv32imac"], RISCV),
    ("riscv32 gcc", ["riscv64-unknown-elf-gcc", "-march=rv32imac",
                     "-mabi=ilp32"], RISCV),
    ("riscv32 without A clang", ["clang", "--target=riscv32-none-elf",
                                 "-march=rv32imc"], RISCV_PLAIN),
    ("arm v6-M clang", ["clang", "--target=thumbv6m-none-eabi"], M0),
    ("m68k gcc", ["m68k-linux-gnu-gcc"], M68K),
]
# The first two are the ones above, through the library's register accesses;
# the others add something for ORDER_PLATFORM where an outer domain exists.
SAME = {"doorbell": "before_reg_write", "acknowledge": "after_reg_read",
        "platform_publish": "publish16", "platform_consume": "consume16",
        "platform_fence": "full_fence"}


def assembly(text: str) -> dict[str, list[str]]:
    """Instructions by function, "mnemonic operands", one space between."""
    out: dict[str, list[str]] = {}
    name = ""
    for line in re.sub(r";", "\n\t", text).splitlines():
        line = re.split(r"\s*(?://|#(?![\d-])|@ )", line)[0].rstrip()
        label = re.match(r"(\w+):", line)
        if label:
            name = label.group(1)
            out[name] = []
        elif re.match(r"\s+[a-z]", line):
            out.setdefault(name, []).append(
                re.sub(r",\s+", ", ", " ".join(line.split())))
    return {k: [re.sub(r"^fence (\w+), (\w+)", r"fence \1,\2", i) for i in v]
            for k, v in out.items()}


def accepts(code: list[str], wanted: list[str]) -> bool:
    """Are the wanted ones there in this order, and no library called?"""
    left = iter(code)
    calls = any(re.match(r"(call|bl|jal|tail|jmp)\b.*(atomic|sync)", i)
                for i in code)
    return not calls and all(any(re.fullmatch(w, i) for i in left)
                             for w in wanted)


def weakened(code: list[str]) -> list[str]:
    plain = [i for i in code if not BARRIER.match(i)]
    for strong, weak in WEAKER:
        plain = [re.sub(rf"^{strong}\b", weak, i) for i in plain]
    return plain


def findings(command: list[str], wanted: dict[str, list[str]]) -> list[str]:
    code, text = run([*command, *FLAGS, str(SOURCE)])
    if code:
        return [text]
    made, found = assembly(text), []
    wanted = {name: wanted[like] for name, like in SAME.items()} | wanted
    for name, patterns in wanted.items():
        body = made.get(name, [])
        if not accepts(body, patterns):
            found.append(f"{name}: wanted {patterns}, got\n" + "\n".join(body))
        # A barrier that is no instruction cannot be taken out.
        if weakened(body) != body and accepts(weakened(body), patterns):
            found.append(f"{name}: not missed when taken out")
    return found


def main() -> int:
    tally = Tally()
    todo = [t for t in TARGETS if have(t[1][0])]
    for name, command, _ in TARGETS:
        if not have(command[0]):
            tally.skip(name, f"no {command[0]} here")
    for (name, _, _), found in zip(
            todo, parallel(lambda t: findings(t[1], t[2]), todo)):
        tally.case(name, found)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

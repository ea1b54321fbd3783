#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs what README.md shows.

A ```c block that defines main() or kernel_main() is a complete program: it
must compile without a warning, link with the archive, run, and return 0.
main() links with the fake, too, and may include "fake.h".  kernel_main() finds
on the host one fake disk behind any virtio-mmio address it probes (in place of
its HAL), and `void kprintf(const char *fmt, ...)`; its sector 0 begins "the
first sector".  With --guest it is booted instead, by tests/kernel/ start-up
code in QEMU's riscv64 `virt` with that disk in the last slot, 0x10008000, and
its own HAL.

Directives stand in comments above a block, one or more, one a line; both may
be indented, as in a list:

    <!-- test: prints some text -->   a program's output contains this
    <!-- test: lines 40 -->           the block is no longer (default for the
                                      first program: 40)
    <!-- test: compile -->            a ```c block that is no program compiles,
                                      after #include <virtio_drv.h>
    <!-- test: host only -->          a kernel_main() that is not booted
    <!-- test: vendor -->             a ```make, ```cmake or ```meson block
                                      builds a program, see below

A vendor block is tried in a directory with the library (include/ and src/) as
third_party/libvirtio_drv.  The test adds what a project has anyway.  make: a
rule from main.c and $(VDRV_SRCS) with $(VDRV_INCLUDES).  cmake: project() and
a program linked with target `virtio_drv`.  meson: project() and a program with
dependency `virtio_drv_dep`.
"""
from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from house import OUT, ROOT, Tally, have, make, relative, run

FIRST_MAX = 40
STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic",
          "-Wconversion", "-Wshadow", "-Werror"]
SECTOR = b"the first sector"
SLOT = 0x10008000


class Block(NamedTuple):
    line: int
    language: str
    directives: list[str]
    text: str

    @property
    def entry(self) -> str:
        if self.language != "c":
            return ""
        found = re.search(r"^\w[\w ]*\b(main|kernel_main)\(", self.text, re.M)
        return found.group(1) if found else ""

    def values(self, word: str) -> list[str]:
        return [d[len(word):].strip() for d in self.directives
                if d == word or d.startswith(word + " ")]


def blocks(text: str) -> list[Block]:
    found, above, lines = [], [], text.splitlines()
    i = 0
    while i < len(lines):
        comment = re.fullmatch(r"<!-- test: (.*?) -->", lines[i].strip())
        fence = re.fullmatch(r"( *)```(\w+)", lines[i])
        if comment:
            above.append(comment.group(1))
        elif fence:
            end = next((j for j in range(i + 1, len(lines))
                        if lines[j].strip() == "```"), len(lines))
            body = "".join(line.removeprefix(fence.group(1)) + "\n"
                           for line in lines[i + 1:end])
            found.append(Block(i + 1, fence.group(2), above, body))
            above, i = [], end
        elif lines[i].strip() and above:
            found.append(Block(i + 1, "text", above, ""))
            above = []
        i += 1
    return found


# ---- Programs ---------------------------------------------------------------


def too_long(block: Block, first: bool) -> list[str]:
    limit = block.values("lines") or (["40"] if first else [])
    lines = block.text.count("\n")
    if first and int(limit[0]) > FIRST_MAX:
        return [f"the first program may have {FIRST_MAX} lines at most"]
    return [f"{lines} lines, not {n}" for n in limit if lines > int(n)]


def unsaid(block: Block, code: int, out: str) -> list[str]:
    found = [f"exit code {code}, output: {out}"] if code else []
    return found + [f"does not print {want!r} but: {out}"
                    for want in block.values("prints") if want not in out]


@functools.cache
def fake_objects() -> tuple[list[str], list[str]]:
    """The fake and the archive, built; and findings."""
    where = relative(OUT / "readme")
    fakes = [f"{where}/{relative(p)[:-2]}.o"
             for p in sorted((ROOT / "tests/fake").glob("*.c"))]
    code, text = make(f"HOST_OUT={where}", "SAN=", f"OUT={where}/lib", *fakes,
                      f"{where}/lib/libvirtio_drv.a")
    return [*fakes, f"{where}/lib/libvirtio_drv.a"], [text] if code else []


def on_host(block: Block, tmp: Path, objects: list[str]) -> list[str]:
    (tmp / "program.c").write_text(block.text)
    include = ["-Iinclude", "-Itests/fake"]
    code, out = run(["gcc", *STRICT, *include, "-c", "-o",
                     str(tmp / "program.o"), str(tmp / "program.c")])
    if code:
        return [out]
    extra = ["tests/house/readme_host.c", "-Wl,--wrap=vdrv_mmio_probe",
             "-Wl,--wrap=vdrv_mmio_scan"] \
        if block.entry == "kernel_main" else []
    code, out = run(["gcc", "-std=c11", "-g", "-D_GNU_SOURCE", *include, "-o",
                     str(tmp / "program"), str(tmp / "program.o"), *extra,
                     *objects, "-lpthread"])
    if code:
        return [out]
    return unsaid(block, *run([str(tmp / "program")], timeout=20))


def in_guest(block: Block, tmp: Path) -> list[str]:
    sys.path.insert(0, str(ROOT / "tests/kernel"))
    from vm import Vm, VmError
    source = OUT / f"readme_{block.line}.c"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(block.text)
    program = f"readme_{block.line}"
    elf = f"build/kernel/riscv64/{program}.elf"
    makefile = (f"KERNEL_PROGRAMS := {program}\n"
                f"KERNEL_SRCS_{program} := {relative(source)}\n"
                "include Makefile\n")
    code, out = run(["make", "--no-print-directory", "-f", "-", elf], makefile)
    if code:
        return [out]
    image = tmp / "disk.img"
    image.write_bytes(SECTOR.ljust(1 << 20, b"\0"))
    with Vm("riscv64", str(ROOT / elf), "mmio") as vm:
        vm.disk(str(image))
        try:
            code = vm.start().wait(20)
        except VmError as err:
            return [str(err)]
        return unsaid(block, code, vm.text)


def compiles(block: Block) -> list[str]:
    code, out = run(["gcc", *STRICT, "-Wno-unused", "-Iinclude", "-c", "-o",
                     "/dev/null", "-x", "c", "-"],
                    "#include <virtio_drv.h>\n" + block.text)
    return [out] if code else []


# ---- Vendoring --------------------------------------------------------------

MAIN = """#include <virtio_drv.h>
int main(void) { return vdrv_strerror(VDRV_OK)[0] != 'o'; }
"""


def vendor_make(text: str, tmp: Path) -> list[list[str]]:
    rule = ("vendor-program: main.c $(VDRV_SRCS)\n"
            "\t$(CC) $(VDRV_INCLUDES) -o $@ $^\n")
    (tmp / "Makefile").write_text(text + rule)
    return [["make", "-C", str(tmp), "vendor-program"],
            [str(tmp / "vendor-program")]]


def vendor_cmake(text: str, tmp: Path) -> list[list[str]]:
    (tmp / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(vendor C)\n" + text +
        "add_executable(vendor-program main.c)\n"
        "target_link_libraries(vendor-program virtio_drv)\n")
    build = str(tmp / "build")
    return [["cmake", "-S", str(tmp), "-B", build],
            ["cmake", "--build", build], [f"{build}/vendor-program"]]


def vendor_meson(text: str, tmp: Path) -> list[list[str]]:
    (tmp / "meson.build").write_text(
        "project('vendor', 'c')\n" + text +
        "executable('vendor-program', 'main.c', "
        "dependencies: virtio_drv_dep)\n")
    build = str(tmp / "build")
    return [["meson", "setup", build, str(tmp)],
            ["meson", "compile", "-C", build], [f"{build}/vendor-program"]]


VENDORS = {"make": vendor_make, "cmake": vendor_cmake, "meson": vendor_meson}


def vendored(block: Block, tmp: Path) -> list[str]:
    library = tmp / "third_party/libvirtio_drv"
    for part in ("include", "src"):
        shutil.copytree(ROOT / part, library / part)
    (tmp / "main.c").write_text(MAIN)
    for command in VENDORS[block.language](block.text, tmp):
        code, out = run(command)
        if code:
            return [f"{' '.join(command)}: exit code {code}\n{out}"]
    return []


# ---- -----------------------------------------------------------------------


def check(tally: Tally, what: str, text: str, guest: bool) -> None:
    """Counts one case for each block of a document that is to be tested."""
    found = blocks(text)
    programs = [b for b in found if b.entry]
    objects, broken = ([], []) if guest or not programs else fake_objects()
    if broken:
        tally.case(f"{what}: the fake builds", broken)
        return
    for block in found:
        name = f"{what}:{block.line}: {block.entry or block.language}"
        with tempfile.TemporaryDirectory(prefix="readme-") as tmp:
            if guest:
                if block.entry == "kernel_main" and \
                        not block.values("host only"):
                    tally.case(f"{name}, booted", in_guest(block, Path(tmp)))
            elif block.entry:
                long = too_long(block, block is programs[0])
                tally.case(name, long + on_host(block, Path(tmp), objects))
            elif block.language == "c" and block.values("compile"):
                tally.case(name, compiles(block))
            elif block.values("vendor"):
                if block.language not in VENDORS:
                    tally.case(name, ["nobody knows how to build with this"])
                elif not have(block.language):
                    tally.skip(name, f"no {block.language} here")
                else:
                    tally.case(name, vendored(block, Path(tmp)))
            elif block.directives:
                tally.case(name, [f"what is {block.directives}?"])


KERNEL = f"""#include <virtio_drv.h>

void kprintf(const char *fmt, ...);

static uint8_t pool[65536] __attribute__((aligned(4096)));
static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 16, 4) / 8];
static char sector[512];

int kernel_main(void)
{{
    static struct vdrv_arena arena;
    static struct vdrv_hal hal;
    static struct vdrv_mmio mmio;
    static struct vdrv_virtio_blk disk;
    struct vdrv_virtio_blk_config cfg = {{0}};
    int err;

    vdrv_arena_init(&arena, pool, sizeof(pool), 0);
    hal.ctx = &arena;
    hal.dma_alloc = vdrv_arena_alloc;
    hal.dma_free = vdrv_arena_free;
    hal.direct_size = UINT64_MAX;
    cfg.work = work;
    cfg.work_size = sizeof(work);
    cfg.queue_size = 16;
    cfg.max_segs = 4;
    err = vdrv_mmio_probe(&mmio, &hal, {SLOT:#x}, 0x200);
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_init(&disk, &mmio.transport, &cfg);
    if (err == VDRV_OK)
        err = vdrv_block_read_block(&disk.block, 0, sector, sizeof(sector));
    kprintf("%s: %s\\n", vdrv_strerror(err), sector);
    return err == VDRV_OK ? 0 : 1;
}}
"""

BOOTED = f"""# A document
<!-- test: prints ok: the first sector -->
```c
{KERNEL}```
"""
HOSTED = """Some text.

<!-- test: prints yes -->
<!-- test: lines 4 -->
```c
#include <stdio.h>
#include "fake.h"
int main(void) { static struct fake f; fake_init(&f, NULL); fake_fini(&f);
return puts("yes") < 0; }
```
"""
PIECE = """<!-- test: compile -->
```c
static int f(struct vdrv_hal *hal) { return hal->ctx != NULL; }
```
"""
MAKE = """1. In a list:
   <!-- test: vendor -->
   ```make
   VDRV_DIR := third_party/libvirtio_drv
   include $(VDRV_DIR)/src/sources.mk
   ```
"""
CMAKE = """<!-- test: vendor -->
```cmake
file(GLOB_RECURSE VDRV_SRCS third_party/libvirtio_drv/src/*.c)
add_library(virtio_drv ${VDRV_SRCS})
target_include_directories(virtio_drv PUBLIC
    third_party/libvirtio_drv/include)
```
"""
OTHER = """```c
this is not C, and nobody says that it is
```
"""


def self_test() -> list[str]:
    """A good document passes, and each flaw fails its case."""
    found = []
    cmake = int(have("cmake"))
    program = "```c\nint main(void) { return 0; }\n```\n"
    for text, passed, failed in (
            (BOOTED + HOSTED + PIECE + MAKE + CMAKE + OTHER, 4 + cmake, 0),
            (BOOTED.replace("the first", "another"), 0, 1),
            (BOOTED.replace("dma_free =", "wait = NULL; (void)"), 0, 1),
            (HOSTED.replace('"yes"', '"no"'), 0, 1),
            (HOSTED.replace("lines 4", "lines 3"), 0, 1),
            ("<!-- test: lines 41 -->\n" + program, 0, 1),
            (program.replace("return", "\n" * 40 + "return"), 0, 1),
            (program.replace("0", "1"), 0, 1),
            (program.replace("main(void)", "main()"), 1, 0),
            (program.replace("return", "int unused; return"), 0, 1),
            (PIECE.replace("vdrv_hal", "nothing"), 0, 1),
            (MAKE.replace("y/lib", "y/"), 0, 1),
            (MAKE.replace("vendor", "sing"), 0, 1),
            ("<!-- test: compile -->\nNo block.\n", 0, 1)):
        trial, said = Tally(), io.StringIO()
        with contextlib.redirect_stdout(said):
            check(trial, "sample", text, False)
        if (trial.passed, trial.failed) != (passed, failed):
            found.append(f"{trial.passed} passed, {trial.failed} failed, not "
                         f"{passed}, {failed}:\n{text}{said.getvalue()}")
    return found


def main() -> int:
    os.chdir(ROOT)
    tally, guest = Tally(), "--guest" in sys.argv[1:]
    readme = ROOT / "README.md"
    if guest and not have("qemu-system-riscv64"):
        tally.skip("README programs", "no qemu-system-riscv64 here")
        return tally.close()
    if readme.exists():
        text = readme.read_text()
        check(tally, "README.md", text, guest)
        if not any(b.entry == "kernel_main" for b in blocks(text)):
            tally.case("README.md has a program", ["no kernel_main()"])
    else:
        tally.skip("README.md", "not there yet")
    if guest:
        check(tally, "sample", BOOTED, True)
    else:
        tally.case("the script itself", self_test())
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs what README.md shows.

Directives stand in comments above a fenced block, one or more, one a line;
both may be indented, as in a list.

    <!-- test: kernel -->    ```c: a complete program for a kernel.  It defines
        `int read_first_block(void *buf, size_t size)`, which must answer
        VDRV_OK and "the first sector", or a kernel_main() that returns 0 and
        prints with `void kprintf(const char *fmt, ...)`.  It has 40 lines at
        most, compiles without a warning, and runs twice: on the host, where
        one fake disk is behind whatever virtio-mmio address it probes, or in
        the last slot of the window it scans, and its HAL is exchanged for the
        fake's; and, with --guest, as it stands, in QEMU's riscv64 `virt`, with
        the disk in the last slot, 0x10008000.
    <!-- test: host -->      ```c: a complete program with main(); it may
        include "fake.h".
    <!-- test: compile -->   ```c: compiles after #include <virtio_drv.h>.
    <!-- test: prints some text -->   above a program: the output contains it.
    <!-- test: make -->, cmake, meson: vendoring, tried in a directory with the
        library (include/ and src/) as third_party/libvirtio_drv.  The test
        adds what a project has anyway.  make: VDRV_INCLUDES in CPPFLAGS, and a
        rule from main.o and $(OBJS).  cmake: project() and a program linked
        with target `virtio_drv`.  meson: project() and a program with
        dependency `virtio_drv_dep`.

A ```c block with a main() or kernel_main() must have a directive, and one
block must be a kernel's.
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

LINES_MAX = 40
STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic",
          "-Wconversion", "-Wshadow", "-Werror"]
SECTOR = b"the first sector"
ANSWER = "ok: the first sector"
READER = r"""
void kprintf(const char *fmt, ...);
int kernel_main(void);

int kernel_main(void)
{
    static char text[512];
    const int err = read_first_block(text, sizeof(text));

    kprintf("%s: %s\n", vdrv_strerror(err), text);
    return err;
}
"""


class Block(NamedTuple):
    line: int
    language: str
    directives: list[str]
    text: str

    def prints(self) -> list[str]:
        return [d.removeprefix("prints ") for d in self.directives
                if d.startswith("prints ")]

    def kind(self) -> str:
        """The directive that says what to do; "" for none."""
        return " ".join(d for d in self.directives
                        if not d.startswith("prints "))


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
        elif lines[i].strip():
            above = []
        i += 1
    return found


# ---- Programs ---------------------------------------------------------------


def too_long(block: Block) -> list[str]:
    lines = block.text.count("\n")
    return [f"{lines} lines, not {LINES_MAX}"] if lines > LINES_MAX else []


def reads_block(block: Block) -> bool:
    return "int read_first_block(void *buf, size_t size)" in block.text


def program_of(block: Block) -> str:
    """The block, and a kernel_main() if it has none."""
    if not reads_block(block):
        return block.text
    head = "#include <stddef.h>\nint read_first_block(void *buf, size_t size);\n"
    return head + block.text + READER


def unsaid(block: Block, code: int, out: str) -> list[str]:
    found = [f"exit code {code}, output: {out}"] if code else []
    wanted = block.prints() + ([ANSWER] if reads_block(block) else [])
    return found + [f"does not print {want!r} but: {out}"
                    for want in wanted if want not in out]


@functools.cache
def fake_objects() -> tuple[list[str], list[str]]:
    """The fake and the archive, built; and findings."""
    where = relative(OUT / "readme")
    fakes = [f"{where}/{relative(p)[:-2]}.o"
             for p in sorted((ROOT / "tests/fake").glob("*.c"))]
    archive = "build/host/libvirtio_drv.a"
    code, text = make(f"HOST_OUT={where}", "SAN=", *fakes, archive)
    return [*fakes, archive], [text] if code else []


def on_host(block: Block, tmp: Path, objects: list[str]) -> list[str]:
    (tmp / "program.c").write_text(program_of(block))
    include = ["-Iinclude", "-Itests/fake"]
    code, out = run(["gcc", *STRICT, *include, "-c", "-o",
                     str(tmp / "program.o"), str(tmp / "program.c")])
    if code:
        return [out]
    extra = ["tests/house/readme_host.c", "-Wl,--wrap=vdrv_mmio_probe",
             "-Wl,--wrap=vdrv_mmio_scan"] if block.kind() == "kernel" else []
    code, out = run(["gcc", "-std=c11", "-g", "-D_GNU_SOURCE", *include, "-o",
                     str(tmp / "program"), str(tmp / "program.o"), *extra,
                     *objects, "-lpthread"])
    if code:
        return [out]
    return unsaid(block, *run([str(tmp / "program")], timeout=20))


def in_guest(block: Block, tmp: Path) -> list[str]:
    sys.path.insert(0, str(ROOT / "tests/kernel"))
    from vm import Vm, VmError
    program = f"readme_{block.line}"
    source = OUT / f"{program}.c"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(program_of(block))
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
    rule = ("CPPFLAGS += $(VDRV_INCLUDES)\n"
            "vendor-program: main.o $(OBJS)\n\t$(CC) -o $@ $^\n")
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
    for command in VENDORS[block.kind()](block.text, tmp):
        code, out = run(command)
        if code:
            return [f"{' '.join(command)}: exit code {code}\n{out}"]
    return []


# ---- Documents --------------------------------------------------------------


def verdict(block: Block, tmp: Path, guest: bool) -> list[str] | None:
    """Findings; None when there is nothing to be said here."""
    kind = block.kind()
    program = re.search(r"^[\w ]*\b(kernel_)?main\(", block.text, re.M)
    if guest:
        return in_guest(block, tmp) if kind == "kernel" else None
    if kind in VENDORS and block.language in VENDORS:
        return vendored(block, tmp)
    if kind in ("kernel", "host") and block.language == "c":
        objects, broken = fake_objects()
        long = too_long(block) if kind == "kernel" else []
        return broken or long + on_host(block, tmp, objects)
    if kind == "compile" and block.language == "c":
        return compiles(block)
    if block.directives:
        return [f"what is {block.directives}?"]
    if block.language == "c" and program:
        return ["a program, and nothing says how to test it"]
    return None


def check(tally: Tally, what: str, text: str, guest: bool) -> None:
    """Counts one case for each block of a document that is to be tested."""
    for block in blocks(text):
        kind = block.kind()
        name = f"{what}:{block.line}: {kind or block.language}"
        if kind in VENDORS and not guest and not have(kind):
            tally.skip(name, f"no {kind} here")
            continue
        with tempfile.TemporaryDirectory(prefix="readme-") as tmp:
            findings = verdict(block, Path(tmp), guest)
        if findings is not None:
            tally.case(name, findings)


KERNEL = r"""# A document
<!-- test: kernel -->
<!-- test: prints ok: the first sector -->
```c
#include <virtio_drv.h>

void kprintf(const char *fmt, ...);
int kernel_main(void);

static uint8_t pool[65536] __attribute__((aligned(4096)));
static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 16, 4) / 8];
static struct vdrv_arena arena;
static struct vdrv_hal hal;
static struct vdrv_mmio mmio;
static struct vdrv_virtio_blk disk;
static char sector[512];

int kernel_main(void)
{
    struct vdrv_virtio_blk_config cfg = {0};
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
    err = vdrv_mmio_probe(&mmio, &hal, 0x10008000, 0x200);
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_init(&disk, &mmio.transport, &cfg);
    if (err == VDRV_OK)
        err = vdrv_block_read_block(&disk.block, 0, sector, sizeof(sector));
    kprintf("%s: %s\n", vdrv_strerror(err), sector);
    return err;
}
```
"""
HOSTED = """Some text.

<!-- test: prints yes -->
<!-- test: host -->
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
   <!-- test: make -->
   ```make
   VDRV_DIR := third_party/libvirtio_drv
   include $(VDRV_DIR)/src/sources.mk
   OBJS += $(VDRV_SRCS:.c=.o)
   ```
"""
CMAKE = """<!-- test: cmake -->
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
PLAIN = "<!-- test: host -->\n```c\nint main(void) { return 0; }\n```\n"


def reader() -> str:
    """KERNEL as a function that is called, and that scans a window."""
    text = KERNEL
    for old, new in (
            ("void kprintf(const char *fmt, ...);\nint kernel_main(void);\n",
             "static const struct vdrv_mmio_window w = "
             "{0x10001000, 0x1000, 8};\nstatic uint32_t next;\n"),
            ("int kernel_main(void)\n",
             "int read_first_block(void *buf, size_t size)\n"),
            ("static char sector[512];\n", ""),
            ("sector, sizeof(sector)", "buf, size"),
            ('    kprintf("%s: %s\\n", vdrv_strerror(err), sector);\n', ""),
            ("<!-- test: prints ok: the first sector -->\n", ""),
            ("vdrv_mmio_probe(&mmio, &hal, 0x10008000, 0x200)",
             "vdrv_mmio_scan(&mmio, &hal, &w, 2, &next)")):
        assert old in text, old
        text = text.replace(old, new)
    return text


def self_test() -> list[str]:
    """A good document passes, and each flaw fails its case."""
    found = []
    for text, passed, failed in (
            (KERNEL + HOSTED + PIECE + MAKE + OTHER, 4, 0),
            (CMAKE, int(have("cmake")), 0),
            (reader(), 1, 0),
            (reader().replace("&disk.block, 0", "&disk.block, 1"), 0, 1),
            (KERNEL.replace("prints ok: the first", "prints another"), 0, 1),
            (KERNEL.replace("hal.dma_free =", "(void)"), 0, 1),
            (KERNEL.replace("return err", "return 1"), 0, 1),
            (KERNEL.replace("    int err", "\n" * 9 + "    int err"), 0, 1),
            (KERNEL.replace("test: kernel", "test: host"), 0, 1),
            (HOSTED.replace('"yes"', '"no"'), 0, 1),
            (PLAIN, 1, 0),
            (PLAIN.replace("0", "1"), 0, 1),
            (PLAIN.replace("return", "int unused; return"), 0, 1),
            (PLAIN.split("\n", 1)[1], 0, 1),
            (PIECE.replace("vdrv_hal", "nothing"), 0, 1),
            (MAKE.replace("y/lib", "y/"), 0, 1),
            (MAKE.replace("OBJS", "OBJECTS"), 0, 1),
            (MAKE.replace("test: make", "test: sing"), 0, 1)):
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
        if not any(b.kind() == "kernel" for b in blocks(text)):
            tally.case("README.md has a kernel's program", ["none"])
    else:
        tally.skip("README.md", "not there yet")
    if guest:
        check(tally, "sample", KERNEL, True)
    else:
        tally.case("the script itself", self_test())
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

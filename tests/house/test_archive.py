#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What libvirtio_drv.a may hold, for each compiler and target that is here.

Symbols start with vdrv_; undefined are four memory functions and libgcc's
helpers; no data is writable; no function needs more than 512 bytes of stack,
takes a variable amount, or calls itself by whatever way round (calls through
pointers are not followed).  src/sources.mk lists what is in src/, and the
Makefile's VDRV_PREFIX renames everything.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

from house import (OUT, ROOT, Tally, have, library_sources, make, relative,
                   run, sources)

STACK_MAX = 512
PRODUCT = ROOT / "build/host"  # what plain make has built, and a user links
MEMORY = {"memcpy", "memmove", "memset", "memcmp"}
# libgcc: integer arithmetic that a CPU lacks, and nothing else.
LIBGCC = re.compile(r"__(u?(div|mod|divmod)|mul|ashl|ashr|lshr|ffs|clz|ctz|"
                    r"popcount|parity|bswap|u?cmp|neg|clrsb)[sdt]i[234]"
                    r"|__aeabi_(u?l?divmod|u?idiv(mod)?|lmul|ll[sa]r|llsl)")
TARGETS = {  # name: make's arguments, the tool that must be there
    "gcc": ([], "gcc"),
    "clang": (["CC=clang"], "clang"),
    "riscv64": (["CROSS_COMPILE=riscv64-linux-gnu-"],
                "riscv64-linux-gnu-gcc"),
    "aarch64": (["CROSS_COMPILE=aarch64-linux-gnu-"],
                "aarch64-linux-gnu-gcc"),
}


def build(out: Path, *args: str) -> tuple[Path, list[str]]:
    """The directory of an archive that is up to date, and findings."""
    where = relative(out)
    code, text = make(f"OUT={where}", *args, f"{where}/libvirtio_drv.a")
    return out, [text] if code else []


# ---- Symbols ---------------------------------------------------------------


def symbols(archive: Path, *flags: str) -> list[tuple[str, str]]:
    """(kind, name) as nm lists them."""
    code, text = run(["nm", "-g", *flags, str(archive)])
    if code:
        raise RuntimeError(text)
    found = re.findall(r"^(?:[0-9a-f]+)? +(\w) (\S+)$", text, re.M)
    return [(kind, name) for kind, name in found]


def misnamed(archive: Path, prefix: str = "vdrv_") -> list[str]:
    defined = symbols(archive, "--defined-only")
    found = [f"defines {name}" for _, name in defined
             if not name.startswith(prefix)]
    if len(defined) < 20:
        found.append(f"only {len(defined)} symbols: is this the archive?")
    return found


def foreign(archive: Path) -> list[str]:
    defined = {name for _, name in symbols(archive, "--defined-only")}
    wanted = {name for _, name in symbols(archive, "-u")}
    return [f"needs {name}" for name in sorted(wanted - defined - MEMORY)
            if not LIBGCC.fullmatch(name)]


def writable(archive: Path) -> list[str]:
    """Writable sections with something in them; RELRO is none."""
    code, text = run(["readelf", "-SW", str(archive)])
    if code:
        raise RuntimeError(text)
    found, member = [], ""
    for line in text.splitlines():
        if line.startswith("File:"):
            member = line.split("(")[-1].rstrip(")")
        match = re.match(r"\s*\[ *\d+\] (\S+)\s+\S+\s+[0-9a-f]+ [0-9a-f]+ "
                         r"([0-9a-f]+) [0-9a-f]+ +(\w*)", line)
        if match and "W" in match[3] and "A" in match[3] and \
                int(match[2], 16) and \
                not match[1].startswith(".data.rel.ro"):
            found.append(f"{member}: {match[1]} has {int(match[2], 16)} bytes")
    return found + [f"common symbol {name}"
                    for kind, name in symbols(archive) if kind == "C"]


# ---- Stack, recursion -------------------------------------------------------


def usage(out: Path) -> list[tuple[str, int, str]]:
    """(place and function, bytes, qualifiers) from the .su files.

    "dynamic,bounded" is what arguments pushed for a call make of a frame;
    arrays of variable length and alloca are plain "dynamic".
    """
    found = []
    for name in library_sources():
        for line in (out / name).with_suffix(".su").read_text().splitlines():
            where, size, kind = line.split("\t")
            found.append((where, int(size), kind))
    return found


def stack(used: list[tuple[str, int, str]]) -> list[str]:
    found = [f"{where}: {size} bytes" for where, size, _ in used
             if size > STACK_MAX]
    return found + [f"{where}: {kind}" for where, _, kind in used
                    if kind not in ("static", "dynamic,bounded")]


def call_graph(out: Path) -> dict[str, set[str]]:
    """From gcc's .ci files: each function, and whom it calls by name."""
    graph: dict[str, set[str]] = {}
    for name in library_sources():
        text = (out / name).with_suffix(".ci").read_text()
        for caller, callee in re.findall(
                r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text,
                re.M):
            if callee != "__indirect_call":
                graph.setdefault(caller, set()).add(callee)
    return graph


def cycles(graph: dict[str, set[str]]) -> list[str]:
    """One line for each call that closes a circle."""
    found, done, path = [], set(), []

    def visit(fn: str) -> None:
        if fn in path:
            found.append(" -> ".join([*path[path.index(fn):], fn]))
            return
        if fn in done:
            return
        done.add(fn)
        path.append(fn)
        for callee in sorted(graph.get(fn, ())):
            visit(callee)
        path.pop()

    for fn in sorted(graph):
        visit(fn)
    return found


# ---- The list of sources, the prefix ----------------------------------------


def source_list() -> list[str]:
    listed = library_sources()
    there = [relative(p) for p in sources("src", kinds="c")]
    found = [f"not in sources.mk: {n}" for n in there if n not in listed]
    found += [f"not in src/: {n}" for n in listed if n not in there]
    if listed != sorted(set(listed)):
        found.append("sources.mk: not sorted, or something twice")
    bases = [Path(n).name for n in there]
    return found + [f"twice in src/: {n}" for n in sorted(set(bases))
                    if bases.count(n) > 1]


PROGRAM = """#include <virtio_drv.h>
#include <string.h>
int main(void) { return strcmp(vdrv_strerror(VDRV_OK), "ok"); }
"""


def prefix() -> list[str]:
    out, found = build(OUT / "prefix", "VDRV_PREFIX=acme_virtio_", "CFLAGS=-O0")
    archive = out / "libvirtio_drv.a"
    if found:
        return found
    found = misnamed(archive, "acme_virtio_") + foreign(archive)
    code, text = run(["gcc", "-std=c11", "-Wall", "-Werror", "-Iinclude",
                      "-include", str(out / "vdrv_prefix.h"), "-o",
                      str(out / "program"), "-x", "c", "-", "-x", "none",
                      str(archive)], PROGRAM)
    if code:
        return [*found, text]
    code, text = run([str(out / "program")])
    return found + ([f"exit code {code}"] if code else [])


# ---- -----------------------------------------------------------------------


def self_test() -> list[str]:
    """The graph search finds circles, and the patterns are tight."""
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"d"}, "e": {"d"}}
    found = cycles(graph)
    bad = [] if found == ["a -> b -> c -> a", "d -> d"] else [str(found)]
    bad += [n for n in ("__udivdi3", "__popcountdi2") if not LIBGCC.fullmatch(n)]
    bad += [n for n in ("malloc", "__atomic_load_8", "__divdf3")
            if LIBGCC.fullmatch(n)]
    if len(stack([("f", 513, "static"), ("g", 16, "dynamic"),
                  ("h", 512, "static")])) != 2:
        bad.append("stack")
    return bad


def main() -> int:
    tally = Tally()
    tally.case("sources.mk lists src/, basenames unique", source_list())
    for name, (args, tool) in TARGETS.items():
        if not have(tool):
            tally.skip(name, f"no {tool} here")
            continue
        out, broken = build(PRODUCT if name == "gcc" else OUT / name, *args)
        tally.case(f"{name}: builds", broken)
        if broken:
            continue
        archive = out / "libvirtio_drv.a"
        tally.case(f"{name}: defines vdrv_ only", misnamed(archive))
        tally.case(f"{name}: needs next to nothing", foreign(archive))
        tally.case(f"{name}: no writable data", writable(archive))
        used = usage(out)
        where, size, _ = max(used, key=lambda u: u[1])
        print(f"{name} -O2: deepest frame {size} bytes, {where}")
        tally.case(f"{name}: stack", stack(used))
    for level, flags in (("-Os", ""), ("-O0", " -fcallgraph-info")):
        out, broken = build(OUT / f"gcc{level}", f"CFLAGS={level}{flags}")
        if not broken:
            used = usage(out)
            where, size, _ = max(used, key=lambda u: u[1])
            print(f"gcc {level}: deepest frame {size} bytes, {where}")
            broken = stack(used)
        tally.case(f"gcc {level}: stack", broken)
        if flags:
            graph = call_graph(out)
            broken = cycles(graph)
            if len(graph) < 20:
                broken.append(f"a graph of {len(graph)} functions only")
            tally.case("no recursion", broken)
    tally.case("VDRV_PREFIX renames everything", prefix())
    tally.case("the checks themselves", self_test())
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

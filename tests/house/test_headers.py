#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The public headers, as somebody meets them who includes just one.

Each header, twice in a row and alone in its file, and the umbrella, compile
as C11, C17, C++11 and C++17 with gcc and clang without a warning.  Public
structs hold plain fixed-width members.  Every function says from which context
it may be called: [any], [queue], [wait] or [alone] stands in the comment above
it, which functions may share; or in the section heading above that
("---- Name, [alone] ----"); or a comment says of all that follow in its section
or, at the top, in the file that they "are [queue]".  The top may add tags of
its own: "[rx] and [tx] mean [queue]".
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

from house import (ROOT, Tally, code_of, have, includes, parallel, relative,
                   run, sources)

FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow",
         "-Wundef", "-Werror", "-fsyntax-only", "-Iinclude"]
C_FLAGS = ["-Wstrict-prototypes", "-Wmissing-prototypes"]
COMPILERS = {"gcc": "g++", "clang": "clang++"}
STANDARDS = ["c11", "c17", "c++11", "c++17"]
FREESTANDING = {"stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
                "limits.h"}
ALL = re.compile(r"are \[\w+\]")
OWN = re.compile(r"\[\w+\][^.]*\bmeans? \[(?:any|queue|wait|alone)\]")
# What a member may not be; a pointer to anything, and a function, is fine.
NOT_PLAIN = re.compile(r"\b(enum|_Atomic|_Bool|bool|int|unsigned|signed|short|"
                       r"long|float|double|volatile)\b")


def headers() -> list[Path]:
    return sources("include", kinds="h")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "include").as_posix()


def compile_case(compiler: str, std: str) -> list[str]:
    cpp = std.startswith("c++")
    command = [COMPILERS[compiler] if cpp else compiler, f"-std={std}", *FLAGS]
    command += ["-x", "c++", "-"] if cpp else [*C_FLAGS, "-x", "c", "-"]

    def one(path: Path) -> str:
        line = f"#include <{name_of(path)}>\n"
        code, out = run(command, line + line)
        return f"{relative(path)}: {out.rstrip()}" if code else ""

    return [out for out in parallel(one, headers()) if out]


def member_findings(body: str) -> list[str]:
    """Of the text between a struct's braces."""
    found = []
    for member in re.sub(r"[{}]", ";", body).split(";"):
        text = " ".join(member.split())
        if not text or "(*" in text or text.startswith("#"):
            continue
        if re.search(r":\s*\w+\s*(,|$)", text):
            found.append(f"bit-field: {text}")
        elif re.search(r"\[\s*\]", text):
            found.append(f"flexible array: {text}")
        elif "*" not in text and NOT_PLAIN.search(text):
            found.append(f"not of fixed width: {text}")
    return found


def struct_bodies(code: str) -> list[tuple[str, str]]:
    found = []
    for match in re.finditer(r"\bstruct\s+(\w+)\s*\{", code):
        depth, end = 1, match.end()
        while depth and end < len(code):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        found.append((match.group(1), code[match.end():end - 1]))
    return found


def plain_structs(text: str, where: str) -> list[str]:
    return [f"{where}: struct {name}: {finding}"
            for name, body in struct_bodies(code_of(text))
            for finding in member_findings(body)]


# At top level: a comment, a function's name, or something else that ends the
# reach of a comment.
PIECE = re.compile(
    r"(?P<comment>/\*.*?\*/)"
    r"|^(?:static inline )?(?:const )?(?:struct )?\w+[ *]+(?P<fn>vdrv_\w+)\("
    r"|^(?P<other>\#define|struct \w+ \{|enum|typedef|extern const)",
    re.S | re.M)


def untagged(text: str, where: str) -> list[str]:
    found, section, comment = [], "", ""
    top = " ".join(re.sub(r"\n \*", " ", text.split("#include", 1)[0]).split())
    default = " ".join(ALL.findall(top))
    own = " ".join(m[0] for m in OWN.finditer(top))
    tags = {"any", "queue", "wait", "alone", *re.findall(r"\[(\w+)\]", own)}
    tag = re.compile(rf"\[({'|'.join(tags)})\]")
    for piece in PIECE.finditer(text):
        if piece["comment"]:
            if piece["comment"].startswith("/* ----"):
                section, comment = piece["comment"], ""
            elif text[text.rfind("\n", 0, piece.start()) + 1:
                      piece.start()] == "":
                comment = piece["comment"]
                section += " ".join(ALL.findall(comment))
        elif piece["other"]:
            comment = ""
        elif not tag.search(comment + section + default):
            line = text.count("\n", 0, piece.start()) + 1
            found.append(f"{where}:{line}: {piece['fn']} has no context tag")
    return found


def public_functions(code: str) -> set[str]:
    return {m["fn"] for m in PIECE.finditer(code) if m["fn"]}


def collisions(texts: list[str]) -> list[str]:
    tags, names = set(), set()
    for text in texts:
        code = code_of(text)
        tags |= set(re.findall(r"\bstruct\s+(\w+)", code))
        names |= public_functions(code)
    return [f"{name}: a struct and a function" for name in sorted(tags & names)]


def foreign_names(text: str, where: str) -> list[str]:
    """Macros and tags that are not ours to define."""
    code = code_of(text)
    macros = re.findall(r"^\s*#\s*define\s+(\w+)", code, re.M)
    tags = re.findall(r"\b(?:struct|union|enum)\s+(\w+)", code)
    guard = "VIRTIO_DRV_" + re.sub(r"\W", "_", Path(where).name.upper())
    if where == "include/virtio_drv.h":
        guard = "VIRTIO_DRV_H"
    found = [f"{where}: macro {m}" for m in macros
             if not m.startswith("VDRV_") and m != guard]
    if guard not in macros:
        found.append(f"{where}: no include guard {guard}")
    return found + [f"{where}: tag {t}" for t in tags
                    if not t.startswith("vdrv_")]


def foreign_includes(text: str, where: str) -> list[str]:
    return [f"{where}:{line}: {name}" for line, name in includes(text)
            if name[1:-1] not in FREESTANDING
            and not re.fullmatch(r"<virtio_drv/\w+\.h>", name)]


def self_test() -> list[str]:
    """The scans find what they are there for."""
    bad = """/* SPDX */
struct vdrv_a { uint32_t ok; bool b; int (*fn)(bool x); enum vdrv_e e;
    uint32_t f : 3; uint8_t tail[]; _Atomic uint32_t n; const char *s; };
/* Nothing said. */
int vdrv_b(void);
/* Said. [any] */
int vdrv_c(void);
void vdrv_d(void);
struct vdrv_f { int x; };
const char *vdrv_e(void);
"""
    found = []
    if len(plain_structs(bad, "x")) != 6:
        found.append(f"members: {plain_structs(bad, 'x')}")
    if [f.split()[1] for f in untagged(bad, "x")] != ["vdrv_b", "vdrv_e"]:
        found.append(f"tags: {untagged(bad, 'x')}")
    more = """/* [rx] and
 * [tx] below mean [queue]. */
#include <a.h>
/* [rx] */
int vdrv_a(void);
/* [ry] */
int vdrv_b(void);
/* ---- Here ---- */
/* All are [wait]. */
int vdrv_c(void);
/* More. */
int vdrv_d(void);
/* ---- There ---- */
/* More. */
int vdrv_e(void);
"""
    if [f.split()[1] for f in untagged(more, "x")] != ["vdrv_b", "vdrv_e"]:
        found.append(f"tags: {untagged(more, 'x')}")
    if len(collisions([bad, "int vdrv_a(void);\n"])) != 1:
        found.append("a collision was not seen")
    if not foreign_includes("#include <stdio.h>\n", "x"):
        found.append("stdio.h was not seen")
    if len(foreign_names("#define X 1\nstruct y;\n", "include/z.h")) != 3:
        found.append("foreign names were not seen")
    return found


def main() -> int:
    tally = Tally()
    texts = {relative(p): p.read_text() for p in headers()}
    for compiler in COMPILERS:
        for std in STANDARDS:
            name = f"{compiler} -std={std}"
            if have(compiler):
                tally.case(name, compile_case(compiler, std))
            else:
                tally.skip(name, f"no {compiler} here")
    umbrella = (ROOT / "include/virtio_drv.h").read_text()
    listed = {name[1:-1] for _, name in includes(umbrella)}
    tally.case("the umbrella has every header",
               [n for n in map(name_of, headers())
                if n not in listed and n != "virtio_drv.h"])
    for title, scan in (("plain structs", plain_structs),
                        ("context tags", untagged),
                        ("our names only", foreign_names),
                        ("freestanding includes", foreign_includes)):
        tally.case(title, [finding for where, text in texts.items()
                           for finding in scan(text, where)])
    tally.case("struct tags are no function names",
               collisions([*texts.values()]))
    tally.case("the scans themselves", self_test())
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tree as house rules want it: what lies where, who includes whom, how
long things may be.  Looks at the files that git tracks (in a tree without git,
at all but build/)."""
from __future__ import annotations

import re
import sys
from pathlib import Path

from house import ROOT, Tally, code_of, functions, includes, run
from test_headers import foreign_includes

TOP = {"include", "src", "tests", "Makefile", "LICENSE", "README.md"}
LATER = {"README.md"}  # may be missing while it is being written
SPDX = "SPDX-License-Identifier: MIT"
SOURCE = re.compile(r".*\.(c|h|S|ld|py|mk|sh)|(.*/)?Makefile|.ci/\w+")
LIBRARY = re.compile(r"(src|include)/.*\.[ch]")
LINES_MAX, COLUMNS_MAX = 60, 80
# Spelt so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE = re.compile(r"(?<![\w.>)-])/(?:home|work|root|Users)/\w")

# Who may include whom: the layers that each layer may see.
PUBLIC = {"base.h": "trait", "block.h": "trait", "net.h": "trait",
          "display.h": "trait", "hal.h": "hal", "transport.h": "interface",
          "queue.h": "queue", "driver.h": "device"}
MAY = {
    "trait": {"trait", "core"},
    "hal": {"hal", "trait"},
    "core": {"core", "hal", "trait"},
    "spec": {"spec", "core"},
    "interface": {"interface", "hal", "trait"},
    "queue": {"queue", "interface", "core", "spec", "hal", "trait"},
    "transport": {"transport", "interface", "core", "spec", "hal", "trait"},
    "device": {"device", "queue", "interface", "core", "spec", "hal", "trait"},
}
# The wire layouts that only device drivers know.
CLASS_SPEC = re.compile(r"spec/virtio_(blk|net|gpu)\w*\.h$")


def tracked() -> list[str]:
    code, out = run(["git", "ls-files", "-z", "--cached", "--others",
                     "--exclude-standard"])
    if code == 0:
        return sorted(n for n in out.split("\0") if n and (ROOT / n).is_file())
    names = (p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*")
             if p.is_file())
    return sorted(n for n in names if not n.startswith((".git/", "build/"))
                  and "__pycache__" not in n and not n.endswith(".a"))


def layer(path: str) -> str:
    """Of a file named from the root of the tree."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1]
    name = parts[-1]
    if name in PUBLIC:
        return PUBLIC[name]
    return "device" if name.startswith("virtio_") else "transport"


def strangers(names: list[str]) -> list[str]:
    there = {n.split("/")[0] for n in names}
    return [f"what is {n}?" for n in sorted(there - TOP)
            if not n.startswith(".")]


def missing(names: list[str]) -> list[str]:
    there = {n.split("/")[0] for n in names}
    return [f"no {n}" for n in sorted(TOP - there - LATER)]


def licence(name: str, text: str) -> list[str]:
    head = text.splitlines()[:2]
    return [] if any(SPDX in line for line in head) else [f"{name}: no SPDX line"]


def size(name: str, text: str) -> list[str]:
    found = [f"{name}:{f.line}: {f.name}() has {f.lines} lines"
             for f in functions(text) if f.lines > LINES_MAX]
    return found + [f"{name}:{i}: {len(line)} columns"
                    for i, line in enumerate(text.splitlines(), 1)
                    if len(line.expandtabs()) > COLUMNS_MAX]


def unfinished(name: str, text: str) -> list[str]:
    return [f"{name}:{i}: {line.strip()}"
            for i, line in enumerate(text.splitlines(), 1)
            if UNFINISHED.search(line) or MACHINE.search(line)]


def typedefs(name: str, text: str) -> list[str]:
    code = code_of(text)
    return [f"{name}:{code.count(chr(10), 0, m.start()) + 1}: "
            f"{' '.join(m.group().split())}"
            for m in re.finditer(r"\btypedef\b[^;]*", code)
            if "(" not in m.group() or "{" in m.group()]


def spec_names(name: str, text: str) -> list[str]:
    """Spec names are defined in src/spec/, and unknown in public headers."""
    code = code_of(text)
    if name.startswith("src/spec/"):
        return []
    word = r"VIRTIO_(?!DRV_)\w+|VIRTQ_\w+|(?:struct|union) (?:virtio|virtq)_\w+"
    if not name.startswith("include/"):
        word = rf"#\s*define\s+(?:{word})|(?:struct|union) (?:virtio|virtq)_\w+ \{{"
    return [f"{name}:{code.count(chr(10), 0, m.start()) + 1}: {m.group()}"
            for m in re.finditer(rf"(?<!\w)(?:{word})", code)]


def target(name: str, include: str) -> str:
    """The file that an include directive of ours names, from the root."""
    if include.startswith("<"):
        return f"include/{include[1:-1]}"
    path = (ROOT / name).parent / include[1:-1]
    parts: list[str] = []
    for part in path.relative_to(ROOT).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def arrows(name: str, text: str) -> list[str]:
    if name == "include/virtio_drv.h":
        return []
    found, mine = [], layer(name)
    for line, include in includes(text):
        if include.startswith("<") and not include.startswith("<virtio_drv"):
            continue  # foreign_includes() looks at these
        path = target(name, include)
        where = f"{name}:{line}: {mine} includes {path}"
        if path == "include/virtio_drv.h" or \
                not path.startswith(("src/", "include/virtio_drv/")):
            found.append(where)
        elif name.startswith("include/") and path.startswith("src/"):
            found.append(where)
        elif layer(path) not in MAY[mine]:
            found.append(where)
        elif CLASS_SPEC.search(path) and mine not in ("device", "spec"):
            found.append(where)
    return found


def system(name: str, text: str) -> list[str]:
    """<...> in the library is a freestanding header or one of ours."""
    return [f for f in foreign_includes(text, name)
            if '"' not in f.rsplit(" ", 1)[1]]


def namesakes(names: list[str]) -> list[str]:
    """Basenames are unique; a spec header may share a public header's."""
    seen: dict[str, str] = {}
    found = []
    for name in names:
        base = Path(name).name
        if not re.search(r"\.(c|h|S|py)$", base) or name.startswith("src/spec/"):
            continue
        if base in seen:
            found.append(f"{name} and {seen[base]}")
        seen[base] = name
    return found


def self_test() -> list[str]:
    body = "".join(f"    x({i});\n" for i in range(60))
    long = f"int f(void)\n{{\n{body}}}\n"
    wants = [
        (size("a.c", long), 1), (size("a.c", "/" * 81), 1),
        (size("a.c", "int f(void)\n{\n" + body[:-12] + "}\n"), 0),
        (licence("a.c", "int x;\n"), 1),
        (unfinished("a.c", "/* TO" "DO */\nopen(\"/ho" "me/me\")\n"), 2),
        (typedefs("a.c", "typedef struct x x;\ntypedef int fn(int);"), 1),
        (spec_names("include/a.h", "int VIRTIO_F_X; /* VIRTIO_F_Y */"), 1),
        (spec_names("src/device/a.c", "#define VIRTIO_F_X 1\nVIRTIO_F_X"), 1),
        (arrows("src/trait/a.c", "#include <virtio_drv/queue.h>\n"), 1),
        (arrows("src/queue/a.c", '#include "../device/b.h"\n'), 1),
        (arrows("src/queue/a.c", "#include <virtio_drv/pci.h>\n"), 1),
        (arrows("src/transport/a.c", '#include "../spec/virtio_blk.h"\n'), 1),
        (arrows("src/device/a.c", "#include <virtio_drv/mmio.h>\n"), 1),
        (arrows("src/core/a.c", '#include "../../tests/x.h"\n'), 1),
        (arrows("src/device/a.c", '#include "../core/mem.h"\n'), 0),
        (system("src/a.c", "#include <string.h>\n"), 1),
        (strangers(["docs/x", ".github/y", "src/z"]), 1),
        (missing(["src/x"]), 4),
        (namesakes(["src/a/x.c", "tests/x.c"]), 1),
    ]
    return [f"check {i}: {found}" for i, (found, n) in enumerate(wants)
            if len(found) != n]


def main() -> int:
    tally = Tally()
    names = tracked()
    sources = {n: (ROOT / n).read_text() for n in names if SOURCE.fullmatch(n)}
    library = {n: t for n, t in sources.items() if LIBRARY.fullmatch(n)}
    texts = sources | {n: (ROOT / n).read_text() for n in names
                       if n.endswith((".md", ".yml"))}
    tally.case("nothing else at the top", strangers(names))
    tally.case("all of it is there", missing(names))
    for name in sorted(LATER - set(names)):
        tally.skip(name, "not there yet")
    tally.case("basenames are unique", namesakes(names))
    for title, scan, files in (
            ("SPDX lines", licence, sources),
            ("60 lines, 80 columns", size, library),
            ("nothing unfinished, no machine's paths", unfinished, texts),
            ("typedefs of function types only", typedefs, library),
            ("spec names in src/spec/", spec_names, library),
            ("include arrows", arrows, library),
            ("freestanding includes", system, library)):
        tally.case(title, [f for n, t in files.items() for f in scan(n, t)])
    tally.case("the scans themselves", self_test())
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())

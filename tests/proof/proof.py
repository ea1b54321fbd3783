#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make proof`: Relacy, SPIN and Frama-C on what tests cannot reach.  Each
model and each proof has to hold, and to fail once something is taken out of
it: a barrier, a check, a contract's clause.  Arguments: words that the names
of the cases to run contain."""
from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "house"))

from house import ROOT, Tally, have, parallel, run  # noqa: E402

HERE = "tests/proof"
OUT = ROOT / "build/proof"
LIMIT = 600  # seconds of one tool's run

Result = tuple[bool, str]  # does it hold? and what the tool said


def tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


# ---- Relacy ------------------------------------------------------------------

# Model, "ring what": the library's barriers without which it must fail.
RELACY = {
    "split publish": ["PUBLISH"],
    "split consume": ["CONSUME"],
    "split kick": ["FENCE"],
    "split flags": ["FENCE"],
    "split arm": ["FENCE"],
    "split status": ["PUBLISH", "CONSUME"],
    "split count": ["PUBLISH", "CONSUME"],
    "packed publish": ["PUBLISH"],
    "packed batch": ["PUBLISH"],
    "packed consume": ["CONSUME"],
    "packed kick": ["FENCE"],
    "packed flags": ["FENCE"],
    "packed arm": ["FENCE"],
    "packed armflags": ["FENCE"],
    "packed both": ["FENCE", "PUBLISH"],
}


def relacy_program(ring: str, mutant: str) -> Path:
    return OUT / f"relacy_{ring}_{mutant.lower()}"


def relacy_build(what: tuple[str, str]) -> str:
    """The program's name; or what the compiler said."""
    ring, mutant = what
    program = relacy_program(ring, mutant)
    # C as C++: pointers from void *, and what else C++ calls wrong.
    code, out = run(["g++", "-std=c++20", "-fpermissive", "-w", "-O1",
                     "-Iinclude", f"-DMUTANT_{mutant}", "-o", str(program),
                     f"{HERE}/relacy_{ring}.cpp"])
    return out if code else str(program)


def relacy(model: str, mutant: str) -> Result | None:
    ring, _, what = model.partition(" ")
    code, out = run([str(relacy_program(ring, mutant)), what], timeout=LIMIT)
    if code == 0:
        return True, " ".join(re.findall(r"iterations: \d+", out))
    why = re.search(r"DATA RACE|USER ASSERT FAILED.*|UNINIT.*", out)
    return (False, why.group()) if why else None


# ---- SPIN --------------------------------------------------------------------

SPIN = {
    "event": ["NO_KICK_FENCE", "NO_ARM_FENCE", "NO_LAST_LOOK"],
    "reset": ["SEEN_LATE", "CLEARED", "NO_RESET"],
    "packed": ["NO_WRAP", "NO_SKIP", "NO_PUBLISH", "NO_CONSUME"],
}


def spin(model: str, mutant: str) -> Result | None:
    where = OUT / f"spin_{model}_{mutant.lower()}"
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    code, out = run(["sh", "-c", 'cd "$0" && spin -D"$1" -a "$2" && '
                     "cc -O2 -w -DSAFETY -DMEMLIM=1024 -o pan pan.c && "
                     "./pan -m200000", str(where), mutant,
                     str(ROOT / HERE / f"spin_{model}.pml")], timeout=LIMIT)
    errors = re.search(r"errors: (\d+)", out)
    if code or errors is None or "too small" in out:
        print(tail(out))
        return None
    states = re.search(r"(\d+) states, stored", out)
    why = re.search(r"pan:\d+: (.*?) \(at", out)
    if errors.group(1) == "0":
        return True, f"{states.group(1) if states else '?'} states"
    return False, why.group(1) if why else "error"


# ---- Frama-C Eva -------------------------------------------------------------

SPLIT, PACKED = "src/queue/vdrv_split.c", "src/queue/vdrv_packed.c"
QUEUE = "src/queue/vdrv_queue.c"
BLK = "src/device/vdrv_blk_config.c"
NET_CFG = "src/device/vdrv_net_config.c"
NET_HDR = "src/device/vdrv_net_header.c"
GPU, EDID = "src/device/vdrv_gpu_cmd.c", "src/device/vdrv_edid.c"
PCI = "src/transport/vdrv_pci_check.c"
EVA_FILES = {"blk_config": BLK, "net_config": NET_CFG, "net_header": NET_HDR,
             "gpu_response": GPU, "edid": EDID, "pci": PCI,
             "split": SPLIT, "packed": PACKED}
# Name: the mutants that must raise an alarm.
EVA = {"split 1": [], "split 2": ["ID", "MAX"], "split 8": ["ID"],
       "packed 1": [], "packed 3": ["BUFFER", "BATCH", "END"],
       "blk_config": ["SIZE", "EXP"], "net_config": ["MTU"],
       "net_header": ["HINT", "CSUM"], "gpu_response": ["SHORT"],
       "edid": ["SHORT_EDID"], "pci": ["NOTIFY"]}
# Where a check is (in one file of these), and what stands in its place when it
# is taken out.
CHECKS = {
    "ID": (SPLIT, "if (unlikely(id >= q->size))", "if (false)"),
    "MAX": (SPLIT, "n = n < max ? n : max;", ""),
    "BUFFER": (PACKED, "bad = id >= q->size;", "bad = false;"),
    "BATCH": (PACKED, "n = n < max ? n : max;",
              "n = n < max + 1 ? n : max + 1;"),
    "END": (PACKED, "if (unlikely(at >= 0)) { /* 2.8.1 */",
            "if (false) {"),
    "SIZE": (BLK, "size < BLOCK_MIN || size > BLOCK_MAX ||", "false &&"),
    "EXP": (BLK, "if (exp < 32)", "if (true)"),
    "MTU": (NET_CFG, "if (info->mtu < VIRTIO_NET_MTU_MIN)", "if (false)"),
    "HINT": (NET_HDR, "h->hdr_len <= len ? h->hdr_len : 0", "h->hdr_len"),
    "CSUM": (NET_HDR, "(uint32_t)h->csum_start + h->csum_offset + 2u > len",
             "false"),
    "SHORT": (GPU, "if (len < sizeof(*hdr))", "if (false)"),
    "SHORT_EDID": (EDID, "len >= BLOCK && memcmp", "memcmp"),
    "EDGE": ("src/trait/vdrv_block.c",
             "return len < in_block ? len : in_block;", "return in_block;"),
    "NOTIFY": (PCI, "if (at + width > notify->size)", "if (false)"),
    "WINDOW": (QUEUE,
               "off < hal->direct_size && len <= hal->direct_size - off",
               "off < hal->direct_size"),
    "DEPTH": (QUEUE, "return q->size / nsegs;", "return q->size;"),
    "REFUSE": (QUEUE, "    if (nsegs > q->max_chain)\n        return VDRV_ERR_TOO_BIG;",
               "    if (nsegs > q->size)\n        return VDRV_ERR_TOO_BIG;"),
    "LAP": ("src/queue/vdrv_packed*", "    return at - ring_bytes(q);",
            "    return at - ring_bytes(q) + 16;"),
    "FULL": (PACKED, "if (bytes < 0 || (bytes == 0 && some))",
             "if (bytes < 0)"),
    "LIMIT": ("src/queue/vdrv_packed*", "? used : -DESC_BYTES;",
              "? used : 0;"),
    "RING": (PACKED, "part[1] = sizeof(struct pvirtq_desc) * size;",
             "part[1] = sizeof(uint64_t) * size;"),
    "LAYOUT": (SPLIT, "part[1] = sizeof(struct virtq_desc) * size;",
               "part[1] = sizeof(uint64_t) * size;"),
}


def tree(name: str, mutant: str) -> Path:
    """A copy of the sources, without one check."""
    where = OUT / f"eva_{name.replace(' ', '_')}_{mutant.lower()}"
    shutil.rmtree(where, ignore_errors=True)
    for part in ("src", "include", HERE):
        shutil.copytree(ROOT / part, where / part)
    if mutant != "NONE":
        paths, check, instead = CHECKS[mutant]
        texts = {p: p.read_text() for p in where.glob(paths)}
        if sum(text.count(check) for text in texts.values()) != 1:
            raise RuntimeError(f"{paths}: where is {check}?")
        for path, text in texts.items():
            path.write_text(text.replace(check, instead))
    return where


def eva(name: str, mutant: str) -> Result | None:
    where = tree(name, mutant)
    kind, _, size = name.partition(" ")
    harness = f"eva_{kind}.c" if size else "eva_checks.c"
    includes = f"-I{where}/include -include {where}/{HERE}/eva_builtins.h"
    code, out = run(
        ["frama-c", "-c11", "-machdep", "gcc_x86_64",
         f"-cpp-extra-args={includes} -DSIZE={size or 1}", "-pp-annot", "-eva",
         "-eva-precision", "3", "-eva-min-loop-unroll", "5",
         "-eva-split-return", "full",
         "-main", f"check_{kind}", str(where / HERE / harness),
         str(where / EVA_FILES[kind])], timeout=LIMIT)
    alarms = re.search(r"(\d+) alarms? generated", out)
    if code or alarms is None:
        print(tail(out))
        return None
    # What the harness asserts is proved, too.
    said = re.findall(r"\[eva:alarm\] \S*/(\S+:\d+): Warning: *\n *(.*)", out)
    bad = [f"{where} {what}" for where, what in said]
    if alarms.group(1) == "0" and not bad:
        return True, "0 alarms"
    return False, bad[0] if bad else f"{alarms.group(1)} alarms"


# ---- Frama-C WP --------------------------------------------------------------

WP = {"edge_of": ["EDGE"], "in_window": ["WINDOW"], "split_layout": ["LAYOUT"],
      "vdrv__queue_refuse": ["REFUSE"], "vdrv_queue_depth": ["DEPTH"],
      "packed_layout": ["RING"], "ring_bytes": [], "advance": ["LAP"],
      "between": ["FULL"], "set_limit": ["LIMIT"]}
WP_PACKED = ("packed_layout", "ring_bytes", "advance", "between", "set_limit")


def wp(name: str, mutant: str) -> Result | None:
    where = tree(name, mutant)
    contracts = "wp_packed.c" if name in WP_PACKED else "wp_leaves.c"
    includes = f"-I{where}/include -include {where}/{HERE}/eva_builtins.h"
    code, out = run(
        ["frama-c", "-c11", "-machdep", "gcc_x86_64", "-pp-annot",
         f"-cpp-extra-args={includes}", "-wp", "-wp-rte", "-wp-prover", "z3",
         "-wp-timeout", "10", "-wp-fct", name,
         str(where / HERE / contracts)], timeout=LIMIT)
    goals = re.search(r"Proved goals: +(\d+) / (\d+)", out)
    if code or goals is None:
        print(tail(out))
        return None
    return goals.group(1) == goals.group(2), f"{goals.group(1)} of " \
        f"{goals.group(2)} goals"


# ---- All of it -----------------------------------------------------------------


class Runner:
    def __init__(self, words: list[str]) -> None:
        self.tally = Tally()
        self.words = words

    def wanted(self, name: str) -> bool:
        return not self.words or any(w in name for w in self.words)

    def group(self, tool: str, there: bool, why: str, names: dict,
              prove: Callable[[str, str], Result | None]) -> None:
        """Each entry as it is, then with each of its mutants."""
        cases = [(n, m) for n, ms in names.items() for m in ["NONE", *ms]
                 if self.wanted(f"{tool} {n}")]
        if not there:
            if cases:
                self.tally.skip(tool, f"{why}; {len(cases)} cases")
            return

        def one(case: tuple[str, str]) -> tuple[Result | None, float]:
            start = time.monotonic()
            return prove(*case), time.monotonic() - start

        for (name, mutant), (result, secs) in zip(cases, parallel(one, cases)):
            sound = mutant == "NONE"
            title = f"{tool}: {name}" + ("" if sound else f" - {mutant}")
            verdict = "no verdict" if result is None else \
                f"{'holds' if result[0] else 'refused'}: {result[1]}"
            print(f"{title:44} {secs:5.1f} s  {verdict}", flush=True)
            right = result is not None and result[0] == sound
            self.tally.case(title, [] if right else [verdict])


def main() -> int:
    r = Runner(sys.argv[1:])
    OUT.mkdir(parents=True, exist_ok=True)
    there = have("g++") and Path("/usr/include/relacy").is_dir()
    if there and r.wanted("relacy"):
        builds = {(model.split()[0], mutant) for model, ms in RELACY.items()
                  for mutant in ["NONE", *ms]}
        for out in parallel(relacy_build, sorted(builds)):
            if not Path(out).exists():
                r.tally.case("relacy: build", [tail(out)])
    r.group("relacy", there, "no relacy-dev or g++ here", RELACY, relacy)
    r.group("spin", have("spin") and have("cc"), "no spin here", SPIN, spin)
    r.group("eva", have("frama-c"), "no frama-c here", EVA, eva)
    prover = have("frama-c") and have("why3") and have("z3")
    if prover and r.wanted("wp"):
        run(["why3", "config", "detect"])
    r.group("wp", prover, "frama-c, why3 and z3 are not all here", WP, wp)
    return r.tally.close()


if __name__ == "__main__":
    sys.exit(main())

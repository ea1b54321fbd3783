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
LIMIT = 120  # seconds of one tool's run

Result = tuple[bool, str]  # does it hold? and what the tool said


def tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


# ---- Relacy ------------------------------------------------------------------

# Model: the library's barriers without which it must fail.
RELACY = {
    "publish": ["PUBLISH"],
    "consume": ["CONSUME"],
    "kick": ["FENCE"],
    "flags": ["FENCE"],
    "arm": ["FENCE"],
    "status": ["PUBLISH", "CONSUME"],
    "count": ["PUBLISH", "CONSUME"],
}


def relacy_build(mutant: str) -> str:
    """The program's name; or what the compiler said."""
    program = OUT / f"relacy_split_{mutant.lower()}"
    # C as C++: pointers from void *, and what else C++ calls wrong.
    code, out = run(["g++", "-std=c++20", "-fpermissive", "-w", "-O1",
                     "-Iinclude", f"-DMUTANT_{mutant}", "-o", str(program),
                     f"{HERE}/relacy_split.cpp"])
    return out if code else str(program)


def relacy(model: str, mutant: str) -> Result | None:
    program = OUT / f"relacy_split_{mutant.lower()}"
    code, out = run([str(program), model], timeout=LIMIT)
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
        return None if print(tail(out)) is None else None
    states = re.search(r"(\d+) states, stored", out)
    why = re.search(r"pan:\d+: (.*?) \(at", out)
    if errors.group(1) == "0":
        return True, f"{states.group(1) if states else '?'} states"
    return False, why.group(1) if why else "error"


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
        mutants = ["NONE", *sorted({m for ms in RELACY.values() for m in ms})]
        for out in parallel(relacy_build, mutants):
            if not Path(out).exists():
                r.tally.case("relacy: build", [tail(out)])
    r.group("relacy", there, "no relacy-dev or g++ here", RELACY, relacy)
    r.group("spin", have("spin") and have("cc"), "no spin here", SPIN, spin)
    return r.tally.close()


if __name__ == "__main__":
    sys.exit(main())

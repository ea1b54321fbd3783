#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does setup.sh ask for the right packages? Runs it with a PATH in which there
is nothing but a shell's tools and an apt-get that writes down its arguments.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SETUP = Path(__file__).resolve().parent.parent / "setup.sh"
TOOLS = ("sh", "uname", "tr", "sed", "env", "id")
FAKES = {
    "apt-get": 'echo "$*" >> "$LOG"',
    "apt-cache": 'test "$2" != qemu-system-riscv',
    "sudo": '"$@"',
}


def setup(goals: str, arch: str = "", have: tuple[str, ...] = (),
          fakes: tuple[str, ...] = tuple(FAKES)) -> tuple[int, str, list[str]]:
    """Exit code, what it says, and apt-get's lines."""
    with tempfile.TemporaryDirectory() as place:
        for tool in TOOLS:
            os.symlink(shutil.which(tool), f"{place}/{tool}")
        scripts = {n: FAKES[n] for n in fakes} | {n: ":" for n in have}
        for name, text in scripts.items():
            path = Path(place, name)
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        log = Path(place, "log")
        done = subprocess.run(
            ["sh", str(SETUP), *goals.split()], text=True, timeout=20,
            env={"PATH": place, "LOG": str(log), "ARCH": arch},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        lines = log.read_text().splitlines() if log.exists() else []
        return done.returncode, done.stdout, lines


def packages(goals: str, arch: str = "",
             have: tuple[str, ...] = ()) -> set[str]:
    """What is installed, by one call after one update."""
    code, text, lines = setup(goals, arch, have)
    assert code == 0, text
    assert len(lines) == 2 and "update" in lines[0], lines
    words = lines[1].split()
    assert "install" in words and "-y" in words, lines
    return {w for w in words if not w.startswith("-")} - {"install"}


def test_run() -> None:
    """Only what the architecture needs; the old name where the new is none."""
    have = ("gcc", "ar", "x86_64-linux-gnu-gcc")
    assert packages("run", have=have) == {"python3", "qemu-system-x86"}
    got = packages("run", "riscv64")
    assert {"python3", "qemu-system-misc"} <= got and len(got) <= 4, got
    assert not any("x86" in p or "multilib" in p for p in got), got
    assert "gcc-riscv64-linux-gnu" in got or os.uname().machine == "riscv64"


def test_several() -> None:
    got = packages("demo-host bench", have=("gcc", "ar", "qemu-system-x86_64",
                                            "qemu-system-aarch64"))
    assert got <= {"python3", "valgrind", "libc6-dev", "linux-source-6.1"}, got
    assert {"python3", "valgrind"} <= got, got


def test_qemu() -> None:
    """QEMU without cross compilers, where the host build drives it."""
    for goal in ("test-qtest", "soak"):
        got = packages(goal, have=("gcc", "ar", "python3"))
        assert {"qemu-system-x86", "qemu-system-arm"} <= got, got
        assert not any(p.startswith("gcc-") for p in got), got


def test_nothing_to_do() -> None:
    have = ("gcc", "ar", "python3", "qemu-system-x86_64",
            "x86_64-linux-gnu-gcc")
    for goals in ("run", "", "clean", "all kernel"):
        code, text, lines = setup(goals, "x86_64", have)
        assert code == 0 and not lines, f"{goals}: {text} {lines}"
        assert "is there" in text, text


def test_no_apt() -> None:
    code, text, lines = setup("run", "riscv64", ("gcc",), ())
    assert code == 1 and not lines, text
    for word in ("no apt-get", "python3", "qemu-system-riscv64"):
        assert word in text, text


def test_not_root() -> None:
    """Without sudo it says what root has to do."""
    if os.getuid() == 0:
        return
    code, text, lines = setup("run", fakes=("apt-get", "apt-cache"))
    assert code == 1 and not lines, text
    assert "as root, please: apt-get" in text, text


def main() -> int:
    failed = 0
    tests = [f for n, f in globals().items() if n.startswith("test_")]
    for test in tests:
        try:
            test()
        except AssertionError as error:
            failed += 1
            print(f"FAILED {test.__name__}: {error}")
    print(f"{len(tests) - failed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

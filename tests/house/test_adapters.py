#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the lines of the adapters: the API is wrong where they get long.

A line of code is one that is neither blank nor comment nor a brace alone; the
count with such braces is printed beside it.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

ADAPTERS = Path(__file__).resolve().parent.parent / "adapters"
LIMITS = {"fatfs_diskio.c": 40, "xv6_disk.c": 45, "rtos_wait.c": 60,
          "lwip_netif.c": 80, "lvgl_flush.c": 30}
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def count(text: str) -> tuple[int, int]:
    lines = [s.strip() for s in COMMENT.sub("", text).splitlines()]
    code = [s for s in lines if s]
    return sum(1 for s in code if s not in ("{", "}", "};")), len(code)


def main() -> int:
    passed = 0
    for name, limit in LIMITS.items():
        lines, with_braces = count((ADAPTERS / name).read_text())
        good = lines <= limit
        passed += good
        print(f"{name}: {lines} lines of code ({with_braces} with braces), "
              f"at most {limit}: {'ok' if good else 'FAILED'}")
    failed = len(LIMITS) - passed
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the lines of the adapters: the API is wrong where they get long.

A line of code is one that is neither blank nor comment; a brace alone counts.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

ADAPTERS = Path(__file__).resolve().parent.parent / "adapters"
LIMITS = {"fatfs_diskio.c": 40, "xv6_disk.c": 45, "rtos_wait.c": 70,
          "lwip_netif.c": 80, "lvgl_flush.c": 30}
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def count(text: str) -> int:
    return sum(1 for s in COMMENT.sub("", text).splitlines() if s.strip())


def main() -> int:
    passed = 0
    for name, limit in LIMITS.items():
        lines = count((ADAPTERS / name).read_text())
        good = lines <= limit
        passed += good
        print(f"{name}: {lines} lines of code, at most {limit}: "
              f"{'ok' if good else 'FAILED'}")
    failed = len(LIMITS) - passed
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""What the measurements are held against: goals, other drivers' figures, and
the gates of `make test`.

A gate is what was measured when it was last lowered, rounded up, of gcc 12 for
x86_64 at -O2: callgrind's counts are exact, so that what gets worse, shows.
"""
from __future__ import annotations

SEGS = (1, 2, 3)
BATCHES = (1, 32)
KINDS = ("split", "packed")
SIZES = (8, 64, 1024, 32768)

# Instructions per request of the driver's side, event index and all checks in
# place, by kind, layout and batch: for 1, 2, 3 segments.
GOALS = {
    ("split", "direct", 1): (160, 182, 205),
    ("split", "direct", 32): (98, 120, 142),
    ("packed", "direct", 1): (176, 194, 212),
    ("packed", "direct", 32): (106, 122, 142),
    ("split", "indirect", 32): (None, None, 145),
    ("packed", "indirect", 32): (None, None, 152),
}
# Linux 6.1's ring in user space, where it cannot be measured here.
LINUX = {
    ("split", "direct", 1): (355, 442, 506),
    ("split", "direct", 32): (283, 370, 434),
    ("packed", "direct", 1): (405, 504, 577),
    ("packed", "direct", 32): (317, 416, 491),
    ("split", "indirect", 1): (358, 623, 681),
    ("split", "indirect", 32): (286, 593, 651),
    ("packed", "indirect", 1): (406, 611, 661),
    ("packed", "indirect", 32): (318, 564, 614),
}
# Single-thread ns at most this part of Linux's, by batch.
OF_LINUX = {1: 0.85, 32: 0.55}

# The gates, and what they may be exceeded by: another C library or linker.
MARGIN = 1.0
GATES = {
    ("split", "direct", 1): (156, 178, 202),
    ("split", "direct", 32): (96, 118, 142),
    ("packed", "direct", 1): (169, 186, 208),
    ("packed", "direct", 32): (96, 113, 137),
    ("split", "indirect", 1): (156, 179, 200),
    ("split", "indirect", 32): (96, 119, 140),
    ("packed", "indirect", 1): (169, 200, 218),
    ("packed", "indirect", 32): (96, 128, 146),
}
# In order, with a used element for each request, and with one for the batch.
IN_ORDER_GATES = {
    f"{kind}.direct.seg{segs}.b32.{how}": limit
    for kind, how, limits in (
        ("split", "in_order", (93, 115, 139)),
        ("split", "merged", (95, 117, 141)),
        ("packed", "in_order", (96, 113, 137)),
        ("packed", "merged", (94, 111, 135)))
    for segs, limit in zip(SEGS, limits)}


def by_name(table: dict) -> dict[str, float]:
    """The same by the names of the cases."""
    return {f"{kind}.{layout}.seg{segs}.b{batch}": value
            for (kind, layout, batch), values in table.items()
            for segs, value in zip(SEGS, values) if value is not None}

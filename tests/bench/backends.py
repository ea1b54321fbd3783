#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The drivers against real backends in other processes, over vhost-user.

    backends.py [blk] [net]

A disk: QEMU's storage daemon, with the library and a plain front end in turns.
A network card: DPDK's vhost, with the library and DPDK's own virtio_user driver
in turns.  Both sides poll, so two idle processors are wanted; times are only
compared within one run.  Writes build/bench-backends.json.
"""
from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "bench"
ROUNDS = 5
MILLISECONDS = "400"
MODES = {".".join((ring, *more)): ((ring,) if ring == "packed" else ()) + more
         for ring in ("split", "packed")
         for more in ((), ("in_order",), ("merge",), ("in_order", "merge"))}


def measure(program: str, *args: str) -> tuple[float, float]:
    """Rate, and kicks for each."""
    done = subprocess.run([str(BENCH / program), *args], text=True, timeout=60,
                          capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{program} {' '.join(args)}: {done.stdout}{done.stderr}")
    rate, kicks = done.stdout.split()
    return float(rate), float(kicks)


def row(name: str, ours: list[float], peers: list[float], peer: str) -> dict:
    """Rates in turns: the median of the ratios of neighbours."""
    ratio = statistics.median(a / b for a, b in zip(ours, peers))
    print(f"{name:28} {max(ours):12.0f}/s  {peer} {max(peers):12.0f}/s  "
          f"ratio {ratio:.2f}")
    return {"name": name, "value": ratio, "unit": "of the peer's rate",
            "goal": 1.0, "peer": peer, "peer_value": max(peers)}


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(200):
        if path.exists():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    process.kill()
    sys.exit(f"{process.args[0]} does not offer {path.name}")


# ---- The disk ----------------------------------------------------------------

def disk_rows(folder: Path) -> list[dict]:
    sock = folder / "blk.sock"
    daemon = subprocess.Popen(
        ["qemu-storage-daemon", "--blockdev",
         "driver=null-co,node-name=d0,size=1073741824,read-zeroes=off",
         "--export", "type=vhost-user-blk,id=e0,node-name=d0,writable=on,"
         f"addr.type=unix,addr.path={sock},num-queues=4"], text=True)
    rows = []
    try:
        wait_for(sock, daemon)
        for depth in (1, 32, 128):
            runs = [(measure("bench_vhost_blk", str(sock), "ours", str(depth),
                             MILLISECONDS),
                     measure("bench_vhost_blk", str(sock), "plain", str(depth),
                             MILLISECONDS)) for _ in range(ROUNDS)]
            rows.append(row(f"rate.blk.depth{depth}", [a[0] for a, _ in runs],
                            [b[0] for _, b in runs], "plain"))
            kicks = statistics.median(a[1] for a, _ in runs)
            plain = statistics.median(b[1] for _, b in runs)
            print(f"{f'kicks.blk.depth{depth}':28} {kicks:12.4f}"
                  f"    plain {plain:12.4f}")
            rows.append({"name": f"kicks.blk.depth{depth}", "value": kicks,
                         "unit": "per request", "peer": "plain",
                         "goal": 0.03 if depth == 32 else None,
                         "peer_value": plain})
    finally:
        daemon.kill()
        daemon.wait()
    return rows


# ---- The network card --------------------------------------------------------

class Testpmd:
    """One dpdk-testpmd that is talked to at its prompt."""

    def __init__(self, prefix: str, core: int, vdev: str, mode: str) -> None:
        self.p = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{1 - core},1@{core}", "--no-pci",
             "--no-huge", "-m", "256", "--single-file-segments",
             "--no-telemetry", f"--file-prefix={prefix}", f"--vdev={vdev}", "--",
             "-i", f"--forward-mode={mode}", "--total-num-mbufs=8192",
             "--auto-start"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.packets()  # it answers: it runs

    def packets(self) -> int:
        """Received and sent, so far."""
        assert self.p.stdin is not None and self.p.stdout is not None
        self.p.stdin.write("show port stats 0\n")
        self.p.stdin.flush()
        total, text = 0, ""
        for line in self.p.stdout:
            text += line
            found = re.search(r"([RT])X-packets: (\d+)", line)
            if found:
                total += int(found.group(2))
                if found.group(1) == "T":
                    return total
        sys.exit(f"dpdk-testpmd ended:\n{text}")

    def close(self) -> None:
        self.p.kill()
        self.p.wait()


def peer_rate(sock: Path, mode: str, direction: str) -> float:
    """DPDK's own driver in the library's place."""
    vdev = (f"net_virtio_user0,path={sock},queues=1,queue_size=1024,"
            f"packed_vq={int('packed' in mode)},"
            f"in_order={int('in_order' in mode)},"
            f"mrg_rxbuf={int('merge' in mode)}")
    pmd = Testpmd("vu", 0, vdev, direction + "only")
    try:
        start, since = pmd.packets(), time.monotonic()
        time.sleep(float(MILLISECONDS) / 1000)
        return (pmd.packets() - start) / (time.monotonic() - since)
    finally:
        pmd.close()


def card_rows(folder: Path) -> list[dict]:
    rows = []
    for direction, theirs in (("tx", "rxonly"), ("rx", "txonly")):
        sock = folder / f"{direction}.sock"
        vhost = Testpmd("vh", 1, f"net_vhost0,iface={sock},queues=1", theirs)
        try:
            for mode, args in MODES.items():
                runs = [(measure("bench_vhost_net", str(sock), direction,
                                 MILLISECONDS, *args)[0],
                         peer_rate(sock, mode, direction))
                        for _ in range(ROUNDS)]
                rows.append(row(f"rate.net.{direction}.{mode}",
                                [a for a, _ in runs], [b for _, b in runs],
                                "virtio_user"))
        finally:
            vhost.close()
    return rows


def main() -> int:
    wanted = sys.argv[1:] or ["blk", "net"]
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, tool, rows_of in (
                ("blk", "qemu-storage-daemon", disk_rows),
                ("net", "dpdk-testpmd", card_rows)):
            if name not in wanted:
                continue
            if shutil.which(tool):
                rows += rows_of(Path(folder))
            else:
                print(f"rate.{name}: not measured: {tool} is not installed")
    (ROOT / "build" / "bench-backends.json").write_text(
        json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

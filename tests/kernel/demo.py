#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the demo and proves from outside what it did.

    python3 tests/kernel/demo.py --arch x86_64 --bus pci

Makes the disks, starts the demo kernel in QEMU (or, with --host, the same demo
on the fake device), compares checksums, pages, packets and pixels with what
must be there, and leaves a picture of the screen. Exit code 0: all was proved.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import picture  # noqa: E402
import proofs  # noqa: E402
import tcp_peer  # noqa: E402
from proofs import Disk, Peer, ProofError, need  # noqa: E402
from vm import ARCHES, BUSES, Vm, VmError  # noqa: E402

OUT = os.environ.get("KERNEL_OUT", "build/kernel")
HOST_PROGRAM = "build/test/demo_host"
SECTORS, RO_SECTORS = 2048, 512
MACS = {"http": "52:54:00:00:00:01", "ping": "52:54:00:00:00:02"}
SERIAL = {"rw": "demo-disk-rw", "ro": "demo-disk-ro"}
TICKS = 5
PAGES = 2
AT_ONCE = 4  # pages asked for at a time, when there are many
PINGS = 4  # of each size
HOW = {"irq": "by interrupt", "poll": "polled", "msix": "by message"}
INTERFACES = ("modern", "transitional", "legacy")
RINGS = ("split", "packed")
WINDOWS = ("gtk", "sdl", "cocoa")

Say = Callable[[str], None]


class QemuVm(Vm):
    """A machine whose first card's link is known."""

    def link(self, up: bool) -> None:
        self.query("set_link", name="nic0", up=up)


class FakeVm(Vm):
    """The demo in a host process, behind the interface of a machine."""

    def __init__(self, program: str, bus: str, append: str,
                 echo: Callable[[str], None] | None):
        super().__init__("x86_64", program, bus, append, echo=echo)
        self.places: list[str] = []

    def disk(self, path: str, *_: object, **__: object) -> str:
        self.places.append(path)
        return path

    def nic_dgram(self, local: str, remote: str, *_: object,
                  **__: object) -> str:
        self.places += [local, remote]
        return local

    def gpu(self, *_: object, **__: object) -> str:
        self.places.append(os.path.join(self.dir, "screen.ppm"))
        return self.places[-1]

    def command_line(self) -> list[str]:
        return [self.kernel, self.bus, self.append, *self.places]

    def _status_of(self, code: int) -> int:
        return code

    def link(self, up: bool) -> None:
        self.send("u" if up else "d")

    def screendump(self, path: str, *_: object) -> None:
        self.send("s")
        self.expect(r"^host: picture saved$")
        shutil.copyfile(self.places[-1], path)


def has(arch: str, what: str, name: str) -> bool:
    """Does this QEMU know a netdev or a device of that name?"""
    done = subprocess.run(
        [f"qemu-system-{arch}", "-M", "none", f"-{what}", "help"],
        capture_output=True, text=True, timeout=20, check=False)
    return re.search(rf"(^|\"){name}($|\")", done.stdout, re.M) is not None


class Demo:
    """One run. Proofs that fail are counted and do not end it."""

    def __init__(self, opts: argparse.Namespace, say: Say):
        self.o, self.say = opts, say
        self.seed = opts.seed or int.from_bytes(os.urandom(3), "big") + 1
        self.passed = self.failed = self.skipped = 0
        self.peers: dict[str, Peer] = {}
        self.port = 0
        self.capture: Path | None = None  # of what passed the first card
        self.pages = self.pings = self.datagrams = 0
        self.grown = 0  # sectors of the disk, when it was resized
        # the display's device has no legacy interface
        self.screen_there = opts.interface != "legacy"
        self.text = "\n".join((
            "libvirtio_drv",
            f"{'the fake' if opts.host else opts.arch}, {opts.bus}, "
            f"{HOW[opts.mode]}",
            "A kernel without an operating system",
            "reads its disk, talks on its network",
            "and paints its screen: this one."))
        first = self.seed % 300
        self.read = (first, 1 + self.seed % 700)
        self.write = (1024 + first, 101 + self.seed % 500, self.seed ^ 0x5A5A)

    # -- what the guest is told, and given

    def words(self) -> str:
        told = {"mode": self.o.mode, "pci": self.o.pci_config,
                "packed": int(self.o.ring == "packed"),
                "watch": int(self.o.watch), "screen": int(self.screen_there),
                "dma": self.o.dma,
                "limit": 0 if self.o.gui else 60,
                "read_first": self.read[0], "read_count": self.read[1],
                "write_first": self.write[0], "write_count": self.write[1],
                "write_seed": self.write[2], "picture_seed": self.seed,
                "text": self.text.replace(" ", "~").replace("\n", "|")}
        return " ".join(f"{k}={v}" for k, v in told.items())

    def machine(self) -> Vm:
        if self.o.host:
            return FakeVm(HOST_PROGRAM, self.o.bus, self.words(), self.echo)
        return QemuVm(self.o.arch, f"{OUT}/{self.o.arch}/demo.elf", self.o.bus,
                      self.words(), self.o.machine, echo=self.echo,
                      mmio_legacy=self.o.interface == "legacy",
                      display=self.window() if self.o.gui else "none")

    def window(self) -> str:
        done = subprocess.run(
            [f"qemu-system-{self.o.arch}", "-display", "help"],
            capture_output=True, text=True, timeout=20, check=False)
        for name in WINDOWS:
            if name in done.stdout.split():
                return name
        raise VmError("this QEMU opens no window: make setup run-gui (on "
                      "Debian, the package qemu-system-gui)")

    def props(self, **props: object) -> dict[str, object]:
        """A device's properties, with those of the interface and the ring."""
        if self.o.host:
            return props
        if self.o.ring == "packed":
            props["packed"] = True
        if self.o.bus == "pci" and self.o.interface != "modern":
            props["disable-legacy"] = False
            props["disable-modern"] = self.o.interface == "legacy"
        return props

    def equip(self, vm: Vm) -> None:
        place = Path(vm.dir)
        self.rw = Disk(place / "rw.img", SECTORS, self.seed)
        self.ro = Disk(place / "ro.img", RO_SECTORS, self.seed + 1)
        for disk, name in ((self.rw, "rw"), (self.ro, "ro")):
            disk.create()
            vm.disk(str(disk.path), read_only=name == "ro",
                    props=self.props(serial=SERIAL[name]))
        if self.o.host:
            self.wire(vm, "http")
        elif has(self.o.arch, "netdev", "user"):
            self.port = proofs.free_port()
            vm.nic_user({self.port: 80}, props=self.props(mac=MACS["http"]))
            self.capture = place / "http.pcap"
            vm.args += ["-object", "filter-dump,id=capture,netdev=net-nic0,"
                        f"file={self.capture}"]
        if self.o.host or has(self.o.arch, "netdev", "dgram"):
            self.wire(vm, "ping")
        if self.screen_there:
            width, height = self.o.size
            packed = {"packed": True} if self.o.ring == "packed" else {}
            vm.gpu(props={"xres": width, "yres": height, **packed})

    def wire(self, vm: Vm, name: str) -> None:
        ours, its = (os.path.join(vm.dir, f"{name}-{end}")
                     for end in ("host", "guest"))
        self.peers[name] = Peer(ours, its, seed=self.seed)
        vm.nic_dgram(its, ours, props=self.props(mac=MACS["ping"]))

    # -- telling

    def echo(self, text: str) -> None:
        if not self.o.quiet:
            self.say(text)

    def tell(self, text: str) -> None:
        self.say(text + "\n")

    def prove(self, what: str, proof: Callable[[], str]) -> None:
        start = time.monotonic()
        try:
            text = proof()
        except (ProofError, VmError, OSError) as err:
            self.failed += 1
            self.tell(f"FAILED   {what}: {err}")
        else:
            self.passed += 1
            self.tell(f"proved   {what}: {text} "
                      f"({time.monotonic() - start:.1f} s)")

    def skip(self, what: str, why: str) -> None:
        self.skipped += 1
        self.tell(f"skipped: {what}: {why}")

    def line(self, regex: str) -> re.Match:
        found = re.search(f"^{regex}$", self.vm.text, re.M)
        need(found is not None, f"the guest never said {regex!r}")
        return found

    def number(self, regex: str) -> int:
        return int(self.line(regex)[1])

    # -- proofs

    def bus(self) -> str:
        rows = re.findall(r"^(pci|mmio) (\S+) +(\w+) +(\d+) +\w+ +(\S+)  (.+)$",
                          self.vm.text, re.M)
        want = {"block": 2, "net": len(self.peers) + (self.port != 0),
                "gpu": int(self.screen_there)}
        got = {kind: sum(row[2] == kind for row in rows) for kind in want}
        need(got == want, f"found {got}, expected {want}")
        wrong = [row for row in rows if row[0] != self.o.bus
                 or row[5] != f"virtio-{row[2].replace('block', 'blk')}"]
        need(not wrong, f"{wrong}")
        need(self.number(r"bus: (\d+) devices") == len(rows), "the sum")
        return f"{len(rows)} devices on {self.o.bus}, each with its driver"

    def driven(self) -> str:
        """The guest says how, and the device agrees: it was told its features
        and would do nothing with a ring that it does not know."""
        face = "legacy" if self.o.interface == "legacy" else "modern"
        rows = re.findall(r"^driven: .*, (\w+), (\w+), (\d+) vectors$",
                          self.vm.text, re.M)
        want = (face, self.o.ring)
        need(len(rows) == self.number(r"bus: (\d+) devices"), f"{rows}")
        need(all(row[:2] == want for row in rows), f"{rows}, expected {want}")
        # a vector for each queue and one for the configuration
        most = {int(row[2]) for row in rows}
        need(most == ({2, 3} if self.o.mode == "msix" else {0}), f"{rows}")
        return f"{face}, {self.o.ring} rings, {HOW[self.o.mode]}"

    def crc(self, what: str, first: int, count: int, crc: int) -> None:
        said = self.line(rf"{what}: sectors (\d+)\+(\d+) crc (\w+).*")
        need((int(said[1]), int(said[2])) == (first, count),
             f"{said[0]}: expected sectors {first}+{count}")
        need(int(said[3], 16) == crc, f"{said[0]}: the image's is {crc:08x}")

    def disk_read(self) -> str:
        self.crc("disk-read", *self.read, self.rw.crc32(*self.read))
        self.crc("disk-queue", 0, SECTORS, self.rw.crc32(0, SECTORS))
        said = self.line(r"disk-queue: .* (\d+) requests, (\d+) at once, (\d+)"
                         " us")
        need(int(said[2]) >= 8, f"only {said[2]} requests at once")
        self.crc("disk-ro-read", 0, RO_SECTORS, self.ro.crc32(0, RO_SECTORS))
        self.line(r"disk-end: refused, .*argument.*")
        self.line(r"disk-ro-write: refused, .*read-only.*")
        for name, size, kind in (("rw", SECTORS, "writable"),
                                 ("ro", RO_SECTORS, "read-only")):
            self.line(rf"disk-info: .*, {size} blocks of 512 bytes, {kind}, "
                      rf"serial {SERIAL[name]}")
        rate = SECTORS * 512 / max(int(said[3]), 1)
        return (f"both images' checksums, {said[2]} requests in flight, "
                f"{rate:.0f} MB/s")

    def disk_asked(self) -> str:
        """What reached the device: QEMU counts, the guest can't."""
        stats = {e.get("node-name"): e["stats"]
                 for e in self.vm.query("query-blockstats")}
        rw, ro = stats["node-disk0"], stats["node-disk1"]
        need(rw["flush_operations"] >= 1, "no flush reached the disk")
        need(rw["wr_bytes"] == self.write[1] * 512,
             f"{rw['wr_bytes']} bytes were written")
        need(ro["wr_bytes"] == 0 and ro["rd_bytes"] > 0, f"read-only: {ro}")
        for kind in ("rd", "wr", "flush"):
            for op in ("failed", "invalid"):
                count = rw[f"{op}_{kind}_operations"]
                need(count == 0, f"{count} {op} {kind} requests")
        return (f"{rw['rd_bytes']} bytes read, {rw['wr_bytes']} written, "
                f"{rw['flush_operations']} flushes; no bad request")

    def disk_written(self) -> str:
        first, count, seed = self.write
        data = b"".join(proofs.pattern(seed, first + i) for i in range(count))
        self.crc("disk-write", first, count, zlib.crc32(data))
        self.crc("disk-back", first, count, zlib.crc32(data))
        if self.grown:  # nobody has written behind the old end
            need(os.path.getsize(self.rw.path) == self.grown * 512, "the "
                 "image is not as large as it was made")
            os.truncate(self.rw.path, SECTORS * 512)
        self.rw.check([self.write])
        self.ro.check([])
        return (f"{count} sectors of the image hold the pattern, the other "
                f"{SECTORS - count} and the read-only disk are untouched")

    def shown(self, tick: int, png: str | None = None) -> str:
        path = os.path.join(self.vm.dir, "dump.ppm")
        self.vm.screendump(path)
        ppm = Path(path).read_bytes()
        if png:
            Path(png).parent.mkdir(parents=True, exist_ok=True)
            Path(png).write_bytes(picture.ppm_to_png(ppm))
        width, height = self.o.size
        want = picture.picture(width, height, self.seed, tick, self.text)
        wrong, first = picture.compare(ppm, want)
        need(wrong == 0, f"{wrong} of {width * height} pixels are wrong; "
             f"{first}")
        return f"all {width * height} pixels are right at frame {tick}"

    def screen(self) -> str:
        width, height = self.o.size
        self.line(rf"screen-flushed: {width}x{height} seed {self.seed} tick 0,"
                  r" \d+ us")
        return self.shown(0)

    def partial(self) -> str:
        self.vm.send("t" * TICKS)
        self.vm.expect(rf"^screen-tick: .* tick {TICKS},")
        return self.shown(TICKS)

    def spoilt(self) -> str:
        """What was damaged in memory and not flushed must not be seen."""
        self.vm.send("m")
        self.vm.expect(rf"^screen-spoilt: .* tick {TICKS + 1},")
        return (self.shown(TICKS + 1, self.o.png) +
                ", none outside of what was flushed")

    def fetch(self) -> bytes:
        self.pages += 1
        if self.o.host:
            return tcp_peer.http_get(self.peers["http"])
        if self.pages > PAGES:  # it is up: no second try
            return proofs.http_once(self.port, 10.0)
        return proofs.http_get(self.port)

    def http(self) -> str:
        """The page must be the table that the console has, and its counters
        must count."""
        if self.o.host:
            self.peers["http"].arp()
        table = re.search(r"^found .*\n(.*\n)*?bus: .*\n", self.vm.text, re.M)
        need(table is not None, "the guest never said its table")
        for number in range(PAGES):
            page = self.page(table[0])
            need(page["http"] == number + 1,
                 f"page {number + 1} says it is {page['http']}")
        told = f"{PAGES} pages over TCP, each with the guest's table"
        return told if self.o.pages <= PAGES else self.many(table[0])

    def page(self, table: str) -> dict[str, int]:
        """A page's counters, over all cards."""
        page = self.fetch().decode()
        need(table in page, f"the page lacks the guest's table:\n{page}")
        count: dict[str, int] = {}
        for line in re.findall(r"^nic \d+: (.*)$", page, re.M):
            for name, value in re.findall(r"(\w+) (\d+)", line):
                count[name] = count.get(name, 0) + int(value)
        return count

    def many(self, table: str) -> str:
        """Pages, some at a time: each is counted once, in an order, and the
        other counters never go back."""
        before, start = self.pages, time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(lambda _: self.page(table),
                                 range(before, self.o.pages)))
        took = time.monotonic() - start
        seen.sort(key=lambda page: page["http"])
        need([page["http"] for page in seen] ==
             list(range(before + 1, self.o.pages + 1)),
             f"{len(seen)} pages count {[page['http'] for page in seen]}")
        for one, two in zip(seen, seen[1:]):
            back = [name for name in one if two[name] < one[name]]
            need(not back, f"went back: {back}: {one}, then {two}")
            need(two["in"] > one["in"] and two["out"] > one["out"] and
                 two["tcp"] > one["tcp"], f"nothing moved: {one}, {two}")
        last = seen[-1]
        need(last["bad"] == last["lost"] == 0, f"counted {last}")
        return (f"{self.o.pages} pages over TCP, up to {AT_ONCE} at once, "
                f"{len(seen) / took:.0f} per second")

    def captured(self) -> str:
        """QEMU's capture of the first card beside the guest's counters."""
        # QEMU fills slots from the top: which card of the guest's is it?
        cards = re.findall(r"^net-up: .+?, mac ([0-9a-f:]+)", self.vm.text,
                           re.M)
        number = cards.index(MACS["http"])
        said = re.findall(rf"^nic {number}: (.*)$", self.vm.text, re.M)[-1]
        count = {name: int(value)
                 for name, value in re.findall(r"(\w+) (\d+)", said)}
        mac = bytes.fromhex(MACS["http"].replace(":", ""))
        frames = proofs.frames_of(self.capture)
        out = [f for f in frames if f[6:12] == mac]
        tcp = [f for f in frames if f[:6] == mac and f[12:14] == b"\x08\0"
               and f[23] == tcp_peer.TCP]
        # The last acknowledgements, either way, may have met the link when it
        # was down, or come when the guest had ended.
        need(0 <= count["out"] - len(out) <= AT_ONCE,
             f"{len(out)} frames left the card: {said}")
        need(0 <= len(tcp) - count["tcp"] <= AT_ONCE,
             f"{len(tcp)} segments came to the card:"
             f" {said}")
        need(count["in"] <= len(frames) - len(out), f"{len(frames)} frames: "
             f"{said}")
        return f"{len(out)} frames out and {len(tcp)} TCP segments in"

    def ping(self) -> str:
        peer = self.peers["ping"]
        mac = peer.arp()
        if not self.o.host:
            need(mac == bytes.fromhex("525400000002"), f"MAC {mac.hex(':')}")
        self.pings = peer.ping(count=PINGS)
        self.datagrams = peer.udp_echo()
        return (f"{self.pings} pings and {self.datagrams} datagrams came back "
                "byte for byte")

    def changes(self) -> str:
        """What changes while the guest runs, it hears of."""
        told = ["link down", "link up"]
        for text in told:
            self.vm.link(text == "link up")
            self.vm.expect(rf"^changed: .*, {text}$")
        if not self.o.host:
            self.grown = SECTORS + 8
            self.vm.query("block_resize", node_name="node-disk0",
                          size=self.grown * 512)
            told.append(f"{self.grown} blocks")
            self.vm.expect(rf"^changed: .*, {told[-1]}$")
        return f"the guest heard of {', '.join(told)}"

    def end(self) -> str:
        """The guest's own verdict, and its counters beside ours."""
        self.vm.send("q")
        code = self.vm.wait(10)
        bad = re.findall(r"^(?:FAILED|skipped:|error:) .*$", self.vm.text,
                         re.M)
        need(code == 0 and not bad, f"exit code {code}; {bad}")
        for name, want in (("http", self.pages), ("icmp", self.pings),
                           ("udp", self.datagrams), ("bad", 0), ("lost", 0)):
            last = re.findall(rf"^nic \d.* {name} (\d+)", self.vm.text, re.M)
            need(sum(map(int, last)) == want, f"{name}: counted {last}, "
                 f"expected {want}")
        self.line(r"memory: 0 bytes not given back")
        return "; ".join(["all given back",
                          *([self.rate()] if self.screen_there else []),
                          self.interrupts(),
                          *([self.isr()] if self.o.watch else [])])

    def isr(self) -> str:
        """Messages and polling leave the ISR alone; a line has it read."""
        count = self.number(r"isr: read (\d+) times")
        need((count != 0) == (self.o.mode == "irq"),
             f"the ISR was read {count} times")
        return f"the ISR was read {count} times"

    def rate(self) -> str:
        """Only what lives was moved, once a frame."""
        said = self.line(r"screen-rate: (\d+) frames in \d+ us, (\d+) per "
                         r"second; (\d+) bytes moved of (\d+)")
        frames, rate, moved, whole = map(int, said.groups())
        width, height = self.o.size
        alive = picture.live(width, height, self.text)
        need(frames == TICKS + 1, f"{frames} frames")
        need(moved == frames * sum(4 * w * h for _, _, w, h in alive),
             f"{moved} bytes moved for {frames} x {alive}")
        need(whole == frames * width * height * 4, f"{whole} bytes in all")
        return (f"{rate} frames per second, {100 * moved / whole:.1f} % of "
                "their bytes moved")

    def interrupts(self) -> str:
        seen = {m[1]: int(m[2]) for m in
                re.finditer(r"^irqs: (.+) (\d+)$", self.vm.text, re.M)}
        if self.o.mode == "poll":
            need(not any(seen.values()), f"polled, with interrupts: {seen}")
            return "no interrupt was taken"
        # A split ring's first completion interrupts in any case; of a packed
        # ring only what is waited for does, and a device may be too quick.
        # Frames are waited for, though one card's may come with another's.
        cards = re.findall(r"^net-up: (.+?), mac", self.vm.text, re.M)
        need(any(seen[where] for where in cards)
             if self.o.ring == "packed" else all(seen.values()),
             f"a device never interrupted: {seen}")
        return (f"{sum(seen.values())} interrupts, some of "
                f"{'a card' if self.o.ring == 'packed' else 'each device'}")

    # -- the course

    def run(self) -> bool:
        start = time.monotonic()
        try:
            with self.machine() as self.vm:
                self.equip(self.vm)
                self.vm.start()
                self.course()
        except (VmError, ProofError) as err:
            self.failed += 1
            self.tell(f"FAILED   demo: {err}")
        finally:
            for peer in self.peers.values():
                peer.close()
        self.tell(f"demo: {self.passed} proved, {self.failed} failed, "
                  f"{self.skipped} skipped in {time.monotonic() - start:.1f} s"
                  f" (seed {self.seed})")
        if self.o.png and os.path.exists(self.o.png):
            self.tell(f"demo: the screen is in {self.o.png}")
        return self.failed == 0

    def course(self) -> None:
        self.vm.expect(r"^ready: .*\n", 20)
        self.tell("")
        self.prove("bus", self.bus)
        self.prove("driven", self.driven)
        self.prove("disk, reading", self.disk_read)
        if not self.o.host:  # there, a power cut tells
            self.prove("disk, what QEMU counted", self.disk_asked)
        if self.screen_there:
            self.prove("screen, whole", self.screen)
            self.prove("screen, partial flushes", self.partial)
            self.prove("screen, flushes keep to their rectangle", self.spoilt)
        if self.port or "http" in self.peers:
            self.prove("network, HTTP", self.http)
        else:
            self.skip("network, HTTP", "this QEMU has no user network")
        self.prove("changes", self.changes)
        if "ping" in self.peers:
            self.prove("network, ping and UDP", self.ping)
        else:
            self.skip("network, ping", "this QEMU has no -netdev dgram")
        if self.o.gui:
            self.watch()
        else:
            self.prove("end", self.end)
            if self.capture:
                self.prove("network, a capture", self.captured)
        self.prove("disk, written", self.disk_written)

    def watch(self) -> None:
        self.vm.send("a")
        self.tell(f"the page is at http://127.0.0.1:{self.port}/; "
                  "close the window to end")
        self.vm.proc.wait()


def size(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def options(args: list[str] | None = None) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse
                                .RawDescriptionHelpFormatter)
    p.add_argument("--arch", choices=ARCHES, default="x86_64")
    p.add_argument("--bus", choices=BUSES, default="pci")
    p.add_argument("--interface", choices=INTERFACES, default="modern")
    p.add_argument("--ring", choices=RINGS, default="split")
    p.add_argument("--watch", action="store_true",
                   help="count how often the ISR is read (PCI)")
    p.add_argument("--mode", choices=tuple(HOW), default="irq")
    p.add_argument("--host", action="store_true",
                   help="on the fake device, without QEMU")
    p.add_argument("--machine", help="of QEMU, instead of the usual one")
    p.add_argument("--pci-config", choices=("ecam", "ports"), default="ecam")
    p.add_argument("--dma", choices=("direct", "mapped"), default="direct",
                   help="of the fake: are pointers device addresses?")
    p.add_argument("--pages", type=int, default=PAGES,
                   help="how many are fetched from a guest")
    p.add_argument("--gui", action="store_true", help="open the window")
    p.add_argument("--png", help="where to leave the picture")
    p.add_argument("--size", type=size, default=(1024, 768))
    p.add_argument("--seed", type=int, help="of all that is random here")
    p.add_argument("--quiet", action="store_true", help="no guest's words")
    return p.parse_args(args)


def show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    o = options()
    if not o.host and not shutil.which(f"qemu-system-{o.arch}"):
        print(f"demo: qemu-system-{o.arch} is not installed: make setup run")
        return 1
    return 0 if Demo(o, show).run() else 1


if __name__ == "__main__":
    sys.exit(main())

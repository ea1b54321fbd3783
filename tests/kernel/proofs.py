#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proofs from outside of what a guest did: its disk, its pages, its packets.

Nothing here believes the guest. Whatever is not as it must be raises
ProofError, whose text says what was seen, where, and what was expected.
"""
from __future__ import annotations

import http.client
import os
import random
import socket
import struct
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
MAX_UNIX_PATH = 107  # sun_path, without its final zero


class ProofError(Exception):
    """Something is not as it must be."""


def need(good: bool, text: str) -> None:
    if not good:
        raise ProofError(text)


def first_difference(got: bytes, want: bytes) -> str:
    """Where two byte strings part; empty when they are equal."""
    if got == want:
        return ""
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return f"byte {i} is 0x{a:02x}, expected 0x{b:02x}"
    return f"{len(got)} bytes, expected {len(want)}"


# ---- disk ------------------------------------------------------------------

def pattern(seed: int, sector: int) -> bytes:
    """One sector of what pattern_fill in pattern.c writes."""
    x = (seed ^ sector * 0x9E3779B1 ^ (sector >> 32) * 0x85EBCA77) % 2**32 or 1
    words = []
    for _ in range(SECTOR // 4):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        words.append(x)
    return struct.pack(f"<{len(words)}I", *words)


@dataclass
class Disk:
    """A raw image whose first content follows from a seed."""

    path: Path
    sectors: int
    seed: int
    _content: bytes = field(init=False, repr=False, default=b"")

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self._content = rng.randbytes(self.sectors * SECTOR)

    def create(self) -> None:
        Path(self.path).write_bytes(self._content)

    def crc32(self, first: int, count: int) -> int:
        """Of the first content: what a guest must find before it writes."""
        need(0 <= first and first + count <= self.sectors,
             f"sectors {first}..{first + count - 1} of {self.sectors}")
        return zlib.crc32(self._content[first * SECTOR:
                                        (first + count) * SECTOR])

    def check(self, writes: list[tuple[int, int, int]]) -> None:
        """`writes`: (first, count, pattern seed), later ones on top. All other
        sectors must be as they were made."""
        told: dict[int, int] = {}
        for first, count, seed in writes:
            told.update(dict.fromkeys(range(first, first + count), seed))
        got = Path(self.path).read_bytes()
        need(len(got) == len(self._content), f"{self.path}: {len(got)} bytes, "
             f"expected {len(self._content)}")
        wrong = []
        for n in range(self.sectors):
            seen = got[n * SECTOR:(n + 1) * SECTOR]
            old = self._content[n * SECTOR:(n + 1) * SECTOR]
            if seen != (pattern(told[n], n) if n in told else old):
                wrong.append(n)
        if wrong:
            raise ProofError(self._story(wrong, told, got))

    def _story(self, wrong: list[int], told: dict[int, int],
               got: bytes) -> str:
        n = wrong[0]
        seen = got[n * SECTOR:(n + 1) * SECTOR]
        old = self._content[n * SECTOR:(n + 1) * SECTOR]
        if n not in told:
            what = "was not to be written: " + first_difference(seen, old)
        elif seen == old:
            what = "was never written"
        else:
            what = first_difference(seen, pattern(told[n], n))
        return (f"{self.path}: {len(wrong)} of {self.sectors} sectors are "
                f"wrong; sector {n} {what}")


# ---- HTTP ------------------------------------------------------------------

def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def http_once(port: int, timeout: float, path: str = "/") -> bytes:
    """One GET; the body of a 200 whose length is what it said."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        body = answer.read()  # raises IncompleteRead when it is too short
        length = answer.getheader("Content-Length")
        need(answer.status == 200, f"HTTP status {answer.status} "
             f"{answer.reason}, expected 200")
        need(length == str(len(body)), f"HTTP body of {len(body)} bytes, "
             f"Content-Length {length}")
        return body
    finally:
        link.close()


def http_get(port: int, timeout: float = 20.0, path: str = "/") -> bytes:
    """Asks until there is an answer. QEMU's user network takes a connection
    before the guest is there, and resets it: so all link errors are retried,
    a wrong answer is not."""
    end = time.monotonic() + timeout
    last = "never tried"
    tries = 0
    while (left := end - time.monotonic()) > 0:
        tries += 1
        try:
            return http_once(port, min(left, 5.0), path)
        except (OSError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
            time.sleep(min(0.1, max(end - time.monotonic(), 0)))
    raise ProofError(f"http://127.0.0.1:{port}{path}: no answer in {timeout} s "
                     f"and {tries} tries; last: {last}")


def check_http(port: int, body: bytes, timeout: float = 20.0) -> None:
    """The page must be exactly `body`."""
    text = first_difference(http_get(port, timeout), body)
    need(not text, f"http://127.0.0.1:{port}/: {text}")


# ---- packets ---------------------------------------------------------------

def frames_of(capture: Path) -> list[bytes]:
    """The frames of a pcap file, in this machine's byte order."""
    data = Path(capture).read_bytes()
    need(len(data) >= 24 and
         data[:4] == (0xA1B2C3D4).to_bytes(4, sys.byteorder),
         f"{capture}: no capture, {len(data)} bytes")
    frames, at = [], 24
    while at + 16 <= len(data):
        kept, length = struct.unpack_from("=II", data, at + 8)
        need(kept == length, f"{capture}: {kept} bytes of {length} were kept")
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    need(at == len(data), f"{capture}: cut off in a frame")
    return frames


BROADCAST = b"\xff" * 6
ETH_IP, ETH_ARP = 0x0800, 0x0806
ICMP, UDP = 1, 17


def checksum(data: bytes) -> int:
    """RFC 1071; zero over data that holds its own right checksum."""
    words = struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" *
                          (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_bytes(ip: str) -> bytes:
    return socket.inet_aton(ip)


@dataclass
class Peer:
    """The other end of `-netdev dgram` over unix sockets: QEMU's local.path is
    our `remote`, its remote.path our `local`. One datagram is one frame."""

    local: str
    remote: str
    ip: str = "10.0.2.2"
    guest_ip: str = "10.0.2.15"
    mac: bytes = b"\x52\x55\x0a\x00\x02\x02"
    seed: int = 1
    patience: float = 5.0  # seconds for one answer
    guest_mac: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        for path in (self.local, self.remote):
            need(len(os.fsencode(path)) <= MAX_UNIX_PATH,
                 f"{path}: longer than a unix socket's {MAX_UNIX_PATH} bytes")
        self.rng = random.Random(self.seed)
        self.ident = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.local)

    def close(self) -> None:
        self.sock.close()
        Path(self.local).unlink(missing_ok=True)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- frames

    def send(self, frame: bytes, end: float) -> None:
        """Sends one frame; waits for the other end to exist and to have
        room."""
        while True:
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            try:
                self.sock.sendto(frame.ljust(60, b"\0"), self.remote)
                return
            except (FileNotFoundError, ConnectionRefusedError,
                    TimeoutError) as error:
                if time.monotonic() >= end:
                    raise ProofError(f"{self.remote}: cannot send a frame: "
                                     f"{type(error).__name__}") from error
                time.sleep(0.02)

    def receive(self, end: float) -> bytes | None:
        """The next frame that is not an ARP request for us (which is
        answered), or None when the time is over."""
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                frame = self.sock.recv(65536)
            except TimeoutError:
                return None
            if not self.answer_arp(frame, end):
                return frame
        return None

    def answer_arp(self, frame: bytes, end: float) -> bool:
        if (len(frame) < 42 or frame[12:22] != bytes.fromhex(
                "08060001080006040001") or frame[38:42] != ip_bytes(self.ip)):
            return False
        self.send(frame[6:12] + self.mac + frame[12:20] + b"\0\2" + self.mac +
                  frame[38:42] + frame[22:32], end)
        return True

    def packet(self, proto: int, body: bytes) -> bytes:
        """An Ethernet frame with `body` in an IPv4 packet to the guest."""
        need(bool(self.guest_mac), "the guest's MAC is unknown: arp() first")
        self.ident = (self.ident + 1) % 65536
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body),
                           self.ident, 0, 64, proto, 0, ip_bytes(self.ip),
                           ip_bytes(self.guest_ip))
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        return (self.guest_mac + self.mac + struct.pack(">H", ETH_IP) + head +
                body)

    def pseudo(self, proto: int, size: int) -> bytes:
        return (ip_bytes(self.ip) + ip_bytes(self.guest_ip) +
                struct.pack(">BBH", 0, proto, size))

    def unpack(self, frame: bytes, proto: int, what: str) -> bytes | None:
        """The IP payload of a frame, all of whose headers are checked; None
        for other traffic."""
        if len(frame) >= 14 and frame[12:14] != struct.pack(">H", ETH_IP):
            return None
        need(len(frame) >= 34, f"{what}: a frame of {len(frame)} bytes")
        if frame[23] != proto or frame[30:34] != ip_bytes(self.ip):
            return None
        total, = struct.unpack_from(">H", frame, 16)
        faults = [
            (frame[0:6] != self.mac, f"sent to MAC {frame[0:6].hex(':')}"),
            (frame[6:12] != self.guest_mac,
             f"sent from MAC {frame[6:12].hex(':')}, ARP said "
             f"{self.guest_mac.hex(':')}"),
            (frame[14] != 0x45, f"IP version and length 0x{frame[14]:02x}"),
            (not 20 <= total <= len(frame) - 14,
             f"IP total length {total} in a frame of {len(frame)} bytes"),
            (len(frame) > max(60, total + 14),
             f"{len(frame) - total - 14} bytes behind the IP packet"),
            (checksum(frame[14:34]) != 0,
             f"IP checksum 0x{frame[24:26].hex()} is wrong"),
            (frame[22] == 0, "IP time to live 0"),
            (frame[20] & 0x3F != 0 or frame[21] != 0, "an IP fragment"),
            (frame[26:30] != ip_bytes(self.guest_ip),
             f"sent from {socket.inet_ntoa(frame[26:30])}"),
        ]
        for wrong, text in faults:
            need(not wrong, f"{what}: {text}")
        return frame[34:14 + total]

    # -- proofs

    def arp(self, timeout: float = 20.0) -> bytes:
        """Asks for the guest's MAC until it answers; checks every field."""
        ask = (BROADCAST + self.mac + bytes.fromhex("08060001080006040001") +
               self.mac + ip_bytes(self.ip) + bytes(6) +
               ip_bytes(self.guest_ip))
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.send(ask, end)
            pause = min(end, time.monotonic() + 0.25)
            while (frame := self.receive(pause)) is not None:
                if frame[12:14] == b"\x08\x06":
                    return self.take_arp(frame)
        raise ProofError(f"{self.guest_ip} did not answer ARP in {timeout} s")

    def take_arp(self, frame: bytes) -> bytes:
        mac = frame[22:28]
        want = (self.mac + mac + bytes.fromhex("08060001080006040002") + mac +
                ip_bytes(self.guest_ip) + self.mac + ip_bytes(self.ip))
        text = first_difference(frame[:42], want)
        need(not text, f"ARP reply {frame[:42].hex()}: {text}")
        need(mac[0] & 1 == 0 and any(mac), f"ARP reply: MAC {mac.hex(':')}")
        self.guest_mac = mac
        return mac

    def exchange(self, proto: int, asked: dict[bytes, bytes], wanted,
                 what: str) -> None:
        """Sends all of `asked` (key to body) at once, then collects; `wanted`
        gives the answer's key or raises."""
        end = time.monotonic() + self.patience
        for body in asked.values():
            self.send(self.packet(proto, body), end)
        missing = set(asked)
        while missing:
            frame = self.receive(end)
            need(frame is not None, f"{what}: {len(missing)} of {len(asked)} "
                 f"unanswered in {self.patience} s")
            body = self.unpack(frame, proto, what)
            if body is None:
                continue
            key = wanted(body)
            need(key in missing, f"{what}: an answer twice, or never asked")
            missing.remove(key)

    def ping(self, sizes: tuple[int, ...] = (0, 1, 17, 56, 511, 1472),
             count: int = 10, burst: int = 4) -> int:
        """`count` echo requests of each size, `burst` under way at a time,
        every reply compared byte for byte. Returns how many."""
        ident = self.rng.randbytes(2)
        done = 0
        for size in sizes:
            for first in range(0, count, burst):
                asked = {}
                for _ in range(min(burst, count - first)):
                    key = ident + struct.pack(">H", done % 65536)
                    rest = key + self.rng.randbytes(size)
                    done += 1
                    total = checksum(b"\x08\0\0\0" + rest)
                    asked[key] = struct.pack(">BBH", 8, 0, total) + rest
                self.exchange(ICMP, asked,
                              lambda body: self.echo_key(body, asked, size),
                              f"ping of {size} bytes")
        return done

    @staticmethod
    def echo_key(body: bytes, asked: dict[bytes, bytes], size: int) -> bytes:
        what = f"ping of {size} bytes"
        need(len(body) == 8 + size, f"{what}: reply of {len(body) - 8} bytes")
        need(body[:2] == b"\0\0", f"{what}: ICMP type {body[0]} code {body[1]}")
        key = body[4:8]
        need(key in asked, f"{what}: identifier and sequence {key.hex()} were "
             "never sent")
        text = first_difference(body[8:], asked[key][8:])
        need(not text, f"{what}: payload {text}")
        need(checksum(body) == 0, f"{what}: ICMP checksum 0x{body[2:4].hex()} "
             "is wrong")
        return key

    def udp_echo(self, sizes: tuple[int, ...] = (0, 1, 18, 512, 1472),
                 count: int = 4) -> int:
        """Datagrams to port 7, `count` of each size at once, each from a port
        of its own. Returns how many came back right."""
        for size in sizes:
            asked = {}
            for port in self.rng.sample(range(1024, 65536), count):
                data = self.rng.randbytes(size)
                head = struct.pack(">HHHH", port, 7, 8 + size, 0)
                total = checksum(self.pseudo(UDP, 8 + size) + head + data)
                head = head[:6] + struct.pack(">H", total or 0xFFFF)
                asked[head[:2]] = head + data
            self.exchange(UDP, asked,
                          lambda body: self.udp_key(body, asked, size),
                          f"UDP echo of {size} bytes")
        return count * len(sizes)

    def udp_key(self, body: bytes, asked: dict[bytes, bytes],
                size: int) -> bytes:
        what = f"UDP echo of {size} bytes"
        need(len(body) == 8 + size, f"{what}: reply of {len(body) - 8} bytes")
        source, _, length, total = struct.unpack_from(">HHHH", body)
        need(source == 7, f"{what}: from port {source}")
        need(length == 8 + size, f"{what}: UDP length {length}")
        key = body[2:4]
        need(key in asked, f"{what}: to port {int.from_bytes(key, 'big')}, "
             "which never asked")
        text = first_difference(body[8:], asked[key][8:])
        need(not text, f"{what}: payload {text}")
        need(total != 0 and checksum(self.pseudo(UDP, length) + body) == 0,
             f"{what}: UDP checksum 0x{total:04x} is wrong")
        return key

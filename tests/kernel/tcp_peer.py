# SPDX-License-Identifier: MIT
"""A TCP client of its own on a Peer's wire: one HTTP request, every header of
every segment checked. For where no host's TCP stack reaches the guest."""
from __future__ import annotations

import struct
import time

from proofs import Peer, ProofError, checksum, need

TCP = 6
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
WINDOW = 8192
RESEND = 0.3  # seconds


class Client:
    """One connection to the guest's port 80."""

    def __init__(self, peer: Peer, timeout: float):
        self.peer = peer
        self.end = time.monotonic() + timeout
        self.port = peer.rng.randrange(1024, 65536)
        self.seq = peer.rng.randrange(2**32)
        self.ack = 0
        self.data = b""
        self.closed = False

    def send(self, flags: int, data: bytes = b"", back: int = 0) -> None:
        """`back`: how far behind seq it starts, when it is sent again."""
        head = struct.pack(">HHIIBBHHH", self.port, 80,
                           (self.seq - back) % 2**32, self.ack, 5 << 4, flags,
                           WINDOW, 0, 0)
        total = checksum(self.peer.pseudo(TCP, 20 + len(data)) + head + data)
        head = head[:16] + struct.pack(">H", total) + head[18:]
        self.peer.send(self.peer.packet(TCP, head + data), self.end)

    def segment(self, until: float) -> tuple[int, int, int, bytes] | None:
        """Flags, seq, ack and data of the next one for this connection."""
        while (frame := self.peer.receive(min(until, self.end))) is not None:
            body = self.peer.unpack(frame, TCP, "TCP")
            if body is None:
                continue
            need(len(body) >= 20, f"TCP: a segment of {len(body)} bytes")
            source, port, seq, ack, off, flags = struct.unpack_from(
                ">HHIIBB", body)
            if port != self.port:
                continue
            need(checksum(self.peer.pseudo(TCP, len(body)) + body) == 0,
                 f"TCP: checksum 0x{body[16:18].hex()} is wrong")
            need(source == 80 and 20 <= (size := off >> 4 << 2) <= len(body),
                 f"TCP: from port {source}, header length {off >> 4}")
            need(not flags & RST, "TCP: the connection was reset")
            return flags, seq, ack, body[size:]
        return None

    def ask(self, flags: int, data: bytes, good) -> None:
        """Sends, again and again, until a segment is `good`; moves seq."""
        length = len(data) + (flags & SYN != 0) + (flags & FIN != 0)
        self.seq = (self.seq + length) % 2**32
        while time.monotonic() < self.end:
            self.send(flags, data, length)
            until = time.monotonic() + RESEND
            while (seen := self.segment(until)) is not None:
                if good(*seen):
                    return
        raise ProofError("TCP: no answer")

    def opened(self, flags: int, seq: int, ack: int, _: bytes) -> bool:
        if flags & (SYN | ACK) != SYN | ACK or ack != self.seq:
            return False
        self.ack = (seq + 1) % 2**32
        self.send(ACK)
        return True

    def take(self, flags: int, seq: int, ack: int, data: bytes) -> bool:
        """Keeps what is next, acknowledges; true: ours has arrived."""
        if (data or flags & FIN) and not self.closed:
            if seq == self.ack:
                self.data += data
                self.closed = bool(flags & FIN)
                self.ack = (self.ack + len(data) + self.closed) % 2**32
            self.send(ACK)
        elif flags & FIN:
            self.send(ACK)  # once more: it did not hear
        return ack == self.seq

    def get(self, path: str) -> bytes:
        self.ask(SYN, b"", self.opened)
        self.ask(PSH | ACK, f"GET {path} HTTP/1.1\r\nHost: guest\r\n"
                 "Connection: close\r\n\r\n".encode(), self.take)
        while not self.closed:
            seen = self.segment(self.end)
            need(seen is not None, f"HTTP: {len(self.data)} bytes, then "
                 "nothing more")
            self.take(*seen)
        self.ask(FIN | ACK, b"", self.take)
        return self.data


def http_get(peer: Peer, timeout: float = 10.0, path: str = "/") -> bytes:
    """The body of a 200 whose length is what it says."""
    head, _, body = Client(peer, timeout).get(path).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    need(lines[0].split(" ")[1:2] == ["200"], f"HTTP says {lines[0]!r}")
    length = [v.strip() for k, _, v in (x.partition(":") for x in lines[1:])
              if k.lower() == "content-length"]
    need(length == [str(len(body))], f"HTTP body of {len(body)} bytes, "
         f"Content-Length {length}")
    return body

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Do the proofs of proofs.py hold for what is right, and find what is wrong?

The responder plays the guest, in a host process behind a unix socket, with
faults on demand. Arguments: the program built from responder_peer.c,
responder.c and pattern.c; then, optionally, a QEMU program: its user network
(no guest) then talks TCP with the responder.
"""
from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kernel"))
import proofs  # noqa: E402

PROGRAM = ""
QEMU = ""
MAC = b"\x52\x54\x00\x12\x34\x56"
PAGE = bytes(ord("A") + i % 23 for i in range(7000))


class Skip(Exception):
    """The test cannot run here; the text says why."""


def refuses(action, text: str) -> None:
    """`action` must raise a ProofError that contains `text`."""
    try:
        action()
    except proofs.ProofError as error:
        assert text in str(error), f"says {str(error)!r}, expected {text!r}"
        return
    raise AssertionError(f"nothing found; expected {text!r}")


@contextmanager
def guest(*fault: str):
    """A responder process, and a peer to talk to it."""
    with tempfile.TemporaryDirectory() as place:
        ours, its = f"{place}/host", f"{place}/guest"
        with proofs.Peer(ours, its, patience=2.0) as peer, subprocess.Popen(
                [PROGRAM, its, ours, *fault], stdin=subprocess.PIPE) as child:
            try:
                yield peer
            finally:
                child.stdin.close()
                assert child.wait(5) == 0, "the responder failed"


def test_pattern() -> None:
    for seed, sector in ((0, 0), (1, 0), (0xFFFFFFFF, 7), (5, 2**32 + 3),
                         (0x9E3779B1, 1)):
        done = subprocess.run([PROGRAM, "pattern", str(seed), str(sector)],
                              capture_output=True, check=True, timeout=10)
        data = proofs.pattern(seed, sector)
        want = f"{data.hex()} {zlib.crc32(data):08x}\n"
        assert done.stdout.decode() == want, f"seed {seed} sector {sector}"


def test_disk() -> None:
    with tempfile.TemporaryDirectory() as place:
        disk = proofs.Disk(Path(place) / "disk.img", 2048, 7)
        disk.create()
        data = bytearray(disk.path.read_bytes())
        assert disk.crc32(10, 5) == zlib.crc32(data[5120:7680])
        refuses(lambda: disk.crc32(2047, 2), "of 2048")
        disk.check([])
        writes = [(100, 3, 9), (102, 2, 10), (2047, 1, 11)]
        refuses(lambda: disk.check(writes), "sector 100 was never written")
        for n, seed in ((100, 9), (101, 9), (102, 10), (103, 10), (2047, 11)):
            data[n * 512:(n + 1) * 512] = proofs.pattern(seed, n)
        disk.path.write_bytes(data)
        disk.check(writes)
        for at, text in ((512 * 101 + 3, "sector 101 byte 3 is"),
                         (512 * 104, "sector 104 was not to be written: byte"),
                         (512 * 99 + 511, "1 of 2048 sectors")):
            data[at] ^= 1
            disk.path.write_bytes(data)
            refuses(lambda: disk.check(writes), text)
            data[at] ^= 1
        disk.path.write_bytes(data[:-1])
        refuses(lambda: disk.check(writes), "bytes, expected 1048576")


def test_packets() -> None:
    with guest() as peer:
        assert peer.arp() == MAC
        assert peer.ping(count=20, burst=8) == 120
        assert peer.udp_echo() == 20


def test_silence() -> None:
    with guest("drop") as peer:
        peer.arp()
        peer.ping((900,), 2)
        refuses(lambda: peer.ping((1400,), 2), "2 of 2 unanswered in 2.0 s")
    with guest() as peer:
        peer.guest_ip = "10.0.2.16"
        refuses(lambda: peer.arp(0.6), "10.0.2.16 did not answer ARP")
        refuses(lambda: peer.ping(), "arp() first")
    with tempfile.TemporaryDirectory() as place:
        with proofs.Peer(f"{place}/a", f"{place}/b") as peer:
            refuses(lambda: peer.arp(0.3), "cannot send a frame")
        refuses(lambda: proofs.Peer(f"{place}/{'x' * 120}", "b"),
                "longer than")


def test_damage() -> None:
    """Each byte of a reply matters, and the message names it."""
    ping = {0: "", 3: "MAC", 8: "sent from MAC", 14: "IP version",
            16: "IP total length", 18: "IP checksum", 20: "IP checksum",
            22: "IP checksum", 24: "IP checksum", 28: "IP checksum",
            34: "ICMP type 16", 35: "code 16", 36: "ICMP checksum",
            38: "never sent", 41: "never sent", 42: "payload byte 0 is",
            97: "payload byte 55 is"}
    for at, text in ping.items():
        with guest(str(at)) as peer:
            peer.arp()
            if at == 0:
                peer.ping((56,), 2)
            else:
                refuses(lambda: peer.ping((56,), 2), text)
    udp = {35: "from port 23", 36: "which never asked", 38: "UDP length",
           40: "UDP checksum", 50: "payload byte 8"}
    for at, text in udp.items():
        with guest(str(at)) as peer:
            peer.arp()
            refuses(lambda: peer.udp_echo((18,), 1), text)
    with guest("twice") as peer:
        peer.arp()
        refuses(lambda: peer.ping((56,), 4), "twice, or never asked")


@contextmanager
def server(*answers: bytes):
    """Gives each connection one answer; an empty one is a reset."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        def work() -> None:
            for answer in answers:
                link, _ = door.accept()
                with link:
                    if answer:
                        link.recv(4096)
                        link.sendall(answer)
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            thread.join(5)


def test_http() -> None:
    def reply(body: bytes, length: int, status: str = "200 OK") -> bytes:
        return (f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n"
                "Connection: close\r\n\r\n").encode() + body
    good = reply(b"hello", 5)
    with server(b"", reply(b"hel", 5), b"rubbish\r\n\r\n", good) as port:
        proofs.check_http(port, b"hello", 10)
    with server(good) as port:
        refuses(lambda: proofs.check_http(port, b"hallo", 10),
                "byte 1 is 0x65, expected 0x61")
    with server(good) as port:
        refuses(lambda: proofs.check_http(port, b"hello!", 10),
                "5 bytes, expected 6")
    with server(reply(b"x", 1, "404 Not Found")) as port:
        refuses(lambda: proofs.http_get(port, 10), "status 404 Not Found")
    with server(b"HTTP/1.0 200 OK\r\n\r\nhello") as port:
        refuses(lambda: proofs.http_get(port, 10), "Content-Length None")
    refuses(lambda: proofs.http_get(proofs.free_port(), 0.5),
            "ConnectionRefusedError")


def test_user_network() -> None:
    """QEMU's own TCP fetches the responder's page, eight at a time."""
    if not QEMU:
        raise Skip("no QEMU program was given")
    with tempfile.TemporaryDirectory() as place:
        ours, its, port = f"{place}/host", f"{place}/guest", proofs.free_port()
        args = ["-M", "none", "-nodefaults", "-display", "none", "-monitor",
                "none", "-netdev", "user,id=u,restrict=on,hostfwd="
                f"tcp:127.0.0.1:{port}-10.0.2.15:80", "-netdev",
                f"dgram,id=d,local.type=unix,local.path={ours},"
                f"remote.type=unix,remote.path={its}",
                "-netdev", "hubport,id=h1,hubid=0,netdev=u",
                "-netdev", "hubport,id=h2,hubid=0,netdev=d"]
        child = subprocess.Popen([PROGRAM, its, ours], stdin=subprocess.PIPE)
        qemu = subprocess.Popen(["timeout", "60", QEMU, *args],
                                stderr=subprocess.PIPE)
        try:
            proofs.check_http(port, PAGE, 20)
            bodies: list[bytes] = []
            crowd = [threading.Thread(target=lambda: bodies.append(
                proofs.http_get(port, 20))) for _ in range(8)]
            for one in crowd:
                one.start()
            for one in crowd:
                one.join(25)
            assert bodies == [PAGE] * 8, f"{len(bodies)} of 8 pages"
            for _ in range(40):
                proofs.check_http(port, PAGE, 5)
        except proofs.ProofError as error:
            qemu.terminate()
            raise proofs.ProofError(
                f"{error}; QEMU said {qemu.stderr.read()!r}") from error
        finally:
            qemu.terminate()
            child.stdin.close()
            qemu.communicate(timeout=10)
            assert child.wait(5) == 0, "the responder failed"


TESTS = {
    "proofs: pattern and CRC, C and Python": test_pattern,
    "proofs: disk image": test_disk,
    "proofs: ARP, ping, UDP echo": test_packets,
    "proofs: silence is found": test_silence,
    "proofs: damage is found": test_damage,
    "proofs: HTTP fetch": test_http,
    "proofs: the page through QEMU's user network": test_user_network,
}


def run(name: str, test) -> str:
    try:
        test()
    except Skip as why:
        print(f"skip {name}: {why}", flush=True)
        return "skipped"
    except (AssertionError, proofs.ProofError, OSError,
            subprocess.SubprocessError) as error:
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        return "failed"
    print(f"ok   {name}", flush=True)
    return "passed"


def main() -> int:
    global PROGRAM, QEMU
    PROGRAM, QEMU = (sys.argv[1:] + [""])[:2]
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for name, test in TESTS.items():
        counts[run(name, test)] += 1
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    return counts["failed"] != 0


if __name__ == "__main__":
    sys.exit(main())

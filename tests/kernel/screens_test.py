#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The GPU driver in QEMU: every screendump compared pixel by pixel with what
the seeds say, see screens.c.  Built before: `make kernel ARCH=...`.

Words choose the cases whose names have them; a number is how many dirty
rectangles there are, 10000 otherwise.  The last line is `N passed, N failed,
N skipped`.
"""
from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import sys
import time
from array import array
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import picture  # noqa: E402
from vm import Vm, VmError  # noqa: E402

OUT = os.environ.get("KERNEL_OUT", "build/kernel")
MASK = 0xFFFFFFFF
FORMATS = ("BGRX", "BGRA", "RGBX", "RGBA", "XRGB", "ARGB", "XBGR", "ABGR")
SIZE = (320, 240)  # pixels cost time where the CPU is emulated
ONE = {"xres": SIZE[0], "yres": SIZE[1]}
BOX, SIDE, BATCH = 32, 64, 8
RECTS = next((int(w) for w in sys.argv[1:] if w.isdigit()), 10000)


class Skip(Exception):
    """Why a case cannot run here."""


def need(good: bool, why: str) -> None:
    if not good:
        raise VmError(why)


# ---- What the screen must show ----------------------------------------------

class Chance:
    def __init__(self, seed: int):
        self.state = seed

    def below(self, n: int) -> int:
        self.state = (self.state * 1664525 + 1013904223) & MASK
        return (self.state >> 8) % n


def unpadded(ppm: bytes) -> bytes:
    """QEMU 7.2 ends rows at multiples of four bytes, which PPM does not."""
    head = re.match(rb"P6\n(\d+) (\d+)\n255\n", ppm)
    need(head is not None, f"no PPM: {ppm[:20]!r}")
    width, height = int(head[1]), int(head[2])
    body, long = ppm[head.end():], (3 * width + 3) // 4 * 4
    if len(body) != long * height:
        return ppm
    return head[0] + b"".join(body[y * long:y * long + 3 * width]
                              for y in range(height))


class Canvas:
    """Memory and screen of one head, as 0xRRGGBB."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.memory = array("I", bytes(4 * width * height))
        self.screen = self.memory[:]

    def paint(self, seed: int) -> None:
        at = 0
        for y in range(self.height):
            for x in range(self.width):
                v = (seed + x * 0x9E3779B1) & MASK
                v ^= (y * 0x85EBCA6B) & MASK
                self.memory[at] = (v ^ v >> 15) & 0xFFFFFF
                at += 1
        self.screen = self.memory[:]

    def fill(self, x: int, y: int, w: int, h: int, rgb: int) -> None:
        row = array("I", [rgb]) * w
        for at in range(y * self.width + x, (y + h) * self.width + x,
                        self.width):
            self.memory[at:at + w] = row

    def flush(self, x: int, y: int, w: int, h: int) -> None:
        for at in range(y * self.width + x, (y + h) * self.width + x,
                        self.width):
            self.screen[at:at + w] = self.memory[at:at + w]

    def rects(self, seed: int, count: int) -> None:
        c = Chance(seed)
        for i in range(0, count, BATCH):
            batch = []
            for _ in range(min(BATCH, count - i)):
                x, y = c.below(self.width), c.below(self.height)
                self.memory[y * self.width + x] = c.below(1 << 24)
                x, y = c.below(self.width), c.below(self.height)
                w = 1 + c.below(min(SIDE, self.width - x))
                h = 1 + c.below(min(SIDE, self.height - y))
                self.fill(x, y, w, h, c.below(1 << 24))
                batch.append((x, y, w, h))
            for r in batch:
                self.flush(*r)

    def box(self, head: int, n: int) -> None:
        """The n-th step of the animation, on black."""
        self.screen = array("I", bytes(4 * self.width * self.height))
        self.memory = self.screen
        self.fill(n * (7 + head) % (self.width - BOX),
                  n * (5 + head) % (self.height - BOX), BOX, BOX,
                  n * 0x010305 & 0xFFFFFF)

    def text(self, x: int, y: int, words: str, rgb: int) -> None:
        font = picture.load_font()
        for char in words:
            for j, bits in enumerate(font[ord(char) - 32]):
                for i in range(8):
                    if bits >> (7 - i) & 1:
                        self.screen[(y + j) * self.width + x + i] = rgb
            x += 8

    def compare(self, ppm: bytes) -> None:
        width, height, rgb = picture.read_ppm(unpadded(ppm))
        need((width, height) == (self.width, self.height),
             f"the screendump is {width}x{height}")
        want = bytearray(3 * width * height)
        want[0::3] = bytes(v >> 16 for v in self.screen)
        want[1::3] = bytes(v >> 8 & 255 for v in self.screen)
        want[2::3] = bytes(v & 255 for v in self.screen)
        if bytes(want) == rgb:
            return
        bad = [i // 3 for i in range(0, len(rgb), 3)
               if rgb[i:i + 3] != want[i:i + 3]]
        need(False, f"{len(bad)} of {width * height} pixels are wrong, the "
             f"first at {bad[0] % width},{bad[0] // width}: "
             f"{rgb[3 * bad[0]:3 * bad[0] + 3].hex()}, not "
             f"{self.screen[bad[0]]:06x}")


# ---- The guest --------------------------------------------------------------

class Guest(Vm):
    """A kernel with one GPU, which takes orders."""

    def __init__(self, arch: str = "x86_64", bus: str = "pci",
                 props: dict | None = None, vga: bool = False, **more):
        super().__init__(arch, f"{OUT}/{arch}/screens.elf", bus, **more)
        props = ONE if props is None else props
        if vga:
            words = "".join(f",{k}={v}" for k, v in props.items())
            self.args += ["-device", f"virtio-vga,id=gpu0{words}"]
        else:
            self.gpu(props=props)

    def up(self, form: int = 0, share: int = 0, heads: int = 1,
           maximum: int = 0) -> str:
        if not self.proc:
            self.start().expect(r"^ready: .*\n", 20)
        return self.order("i", form, share, heads, maximum)

    def order(self, letter: str, *numbers: int, timeout: float = 30) -> str:
        """Gives an order and returns what the guest said."""
        begin = self.pos
        self.send(" ".join([letter, *map(str, numbers)]) + "\n")
        end = self.expect(rf"^(done {letter}, \d+ us|FAILED.*)\n", timeout)
        said = self.text[begin:self.pos]
        need(end[1].startswith("done"), f"{letter} {numbers}: {said}")
        return said

    def shows(self, canvas: Canvas, head: int = 0) -> None:
        path = os.path.join(self.dir, f"head{head}.ppm")
        self.screendump(path, "gpu0", head)
        canvas.compare(Path(path).read_bytes())

    def end(self) -> None:
        self.send("q\n")
        need(self.wait(10) == 0, f"the guest failed{self.tail()}")
        need("memory: 0 bytes not" in self.text and "lost" not in self.text,
             f"memory was lost{self.tail()}")
        need("log 0" not in self.text, f"an error was logged{self.tail()}")


# ---- Cases ------------------------------------------------------------------

def device(arch: str, bus: str, vga: bool = False) -> None:
    """One device on one bus: a picture, all of it and in parts."""
    with Guest(arch, bus, vga=vga) as vm:
        vm.up()
        canvas = Canvas(*SIZE)
        vm.shows(canvas)
        vm.order("p", 0, 1)
        canvas.paint(1)
        vm.shows(canvas)
        vm.order("r", 0, 2, 100)
        canvas.rects(2, 100)
        vm.shows(canvas)
        vm.end()


def formats() -> None:
    with Guest() as vm:
        canvas = Canvas(*SIZE)
        for form, name in enumerate(FORMATS):
            vm.up(form)
            vm.order("p", 0, 100 + form)
            canvas.paint(100 + form)
            try:
                vm.shows(canvas)
            except VmError as err:
                raise VmError(f"{name}: {err}") from None
        vm.end()


def dirty() -> None:
    """Between batches, too: what was damaged and not flushed is not seen."""
    with Guest() as vm:
        vm.up()
        canvas = Canvas(*SIZE)
        part = max(RECTS // 10, 1)
        for i in range(0, RECTS, part):
            vm.order("r", 0, 1000 + i, part)
            canvas.rects(1000 + i, part)
            vm.shows(canvas)
        vm.end()


def heads() -> None:
    sizes = [(320, 240), (200, 100), (64, 300), (321, 123)]
    with Guest(props={"max_outputs": 4, **ONE}) as vm:
        need("caps: 4 heads" in vm.up(heads=4, maximum=1), "not four heads")
        canvas = [Canvas(*size) for size in sizes]
        for i, size in enumerate(sizes):
            vm.order("m", i, *size)
            vm.order("p", i, 7 + i)
            canvas[i].paint(7 + i)
        for i in range(4):
            vm.shows(canvas[i], i)
        vm.order("r", 2, 5, 100)
        canvas[2].rects(5, 100)
        for i in range(4):
            vm.shows(canvas[i], i)
        vm.end()


def animate() -> None:
    """Two heads at once, looked at now and then."""
    with Guest(props={"max_outputs": 2, **ONE}) as vm:
        vm.up(heads=2, maximum=1)
        canvas = [Canvas(200, 150), Canvas(300, 100)]
        for i in range(2):
            vm.order("m", i, canvas[i].width, canvas[i].height)
        first = 1
        for count in (1, 50, 333):
            vm.order("a", 0, 1, first, count)
            first += count
            for i in range(2):
                canvas[i].box(i, first - 1)
                vm.shows(canvas[i], i)
        vm.end()


def flips() -> None:
    """Memory of the guest's own, in pieces: flip and pan."""
    with Guest() as vm:
        vm.up()
        for seed, x, y in ((2, 0, 0), (3, 50, 100), (4, 7, 1), (5, 0, 99)):
            vm.order("f", seed, x, y)
            whole, part = Canvas(250, 250), Canvas(200, 150)
            whole.paint(seed)
            for row in range(150):
                at = (y + row) * 250 + x
                part.screen[row * 200:row * 200 + 200] = \
                    whole.screen[at:at + 200]
            vm.shows(part)
        vm.end()


def changes() -> None:
    with Guest() as vm:
        vm.up(maximum=1)
        said = vm.order("c", 0, 3, 1000, timeout=60)
        w, h, left = map(int, re.search(
            r"changes: 1000 to (\d+)x(\d+), memory (\d+)", said).groups())
        need(left == 0, f"{left} bytes more than before")
        canvas = Canvas(w, h)
        vm.shows(canvas)
        vm.order("p", 0, 9)
        canvas.paint(9)
        vm.shows(canvas)
        vm.end()


def edid() -> None:
    with Guest(props={"edid": True, "xres": 1024, "yres": 600}) as vm:
        vm.up()
        said = vm.order("l")
        need("head 0: 1024x600 enabled 1 active 1 edid " in said, said)
        need('monitor 0: RHT "QEMU Monitor"' in said, said)
        modes = re.findall(r"^mode 0: (\d+)x(\d+) (\d+) mHz flags (\d)", said,
                           re.M)
        need(modes[0][:2] == ("1024", "600"), f"{modes}")
        need(len(modes) > 5 and ("1024", "768") in [m[:2] for m in modes],
             f"{modes}")
        vm.end()
    with Guest(props={"edid": False, **ONE}) as vm:
        need("edid 0" in vm.up(), "EDID is on")
        said = vm.order("l")
        need("monitor" not in said, said)
        vm.end()


def sharing() -> None:
    with Guest(props={"blob": True, **ONE}, machine_opts={
            "memory-backend": "ram"}, extra=[
            "-object", "memory-backend-memfd,id=ram,size=128M,share=on"]) as vm:
        try:
            said = vm.up(share=1)
        except VmError:
            if "udmabuf" in vm.errors:
                raise Skip(vm.errors.strip().splitlines()[-1]) from None
            raise
        need("share 1" in said, said)
        canvas = Canvas(*SIZE)
        vm.order("p", 0, 1)
        canvas.paint(1)
        vm.shows(canvas)
        vm.end()


def hostmem() -> None:
    """F71: the device runs out of memory in the middle of a mode change."""
    with Guest(props={"max_hostmem": 2 * 4 * SIZE[0] * SIZE[1], **ONE}) as vm:
        vm.up(maximum=1)
        canvas = Canvas(*SIZE)
        vm.order("p", 0, 4)
        canvas.paint(4)
        for _ in range(20):
            vm.send("m 0 800 600\n")
            said = vm.expect(r"^(FAILED m: .*|done m.*)\n")
            need("memory" in said[1], said[1])
            vm.shows(canvas)
        vm.order("m", 0, 64, 64)
        vm.order("p", 0, 5)
        canvas = Canvas(64, 64)
        canvas.paint(5)
        vm.shows(canvas)
        vm.end()


def panic(arch: str, bus: str, fuse: int, callback: int) -> None:
    with Guest(arch, bus) as vm:
        vm.up()
        vm.send(f"x {fuse} {callback}\n")
        said = vm.expect(r"^(dead: .*|FAILED.*)\n", 30)
        canvas = Canvas(*SIZE)
        canvas.fill(0, 0, *SIZE, 0x0000AA)
        canvas.flush(0, 0, *SIZE)
        canvas.text(16, 16, "panic: the fuse has burnt down", 0xFFFFFF)
        vm.shows(canvas)
        vm.send("q")
        need(vm.wait(10) == 0, f"{said[1]}")


# ---- A viewer, for what only a viewer sees ----------------------------------

RAW, ALPHA_CURSOR, EXT_SIZE = 0, -314, -308


class Viewer:
    """As much of the RFB protocol as is needed."""

    def __init__(self, path: str):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.cursor: tuple[int, int, int, int, bytes] | None = None
        self.size = (0, 0)
        self.take(12)
        self.sock.sendall(b"RFB 003.008\n")
        self.take(self.take(1)[0])
        self.sock.sendall(b"\1")
        need(self.take(4) == bytes(4), "the viewer is not let in")
        self.sock.sendall(b"\1")
        init = self.take(24)
        self.size = struct.unpack(">HH", init[:4])
        self.take(struct.unpack(">I", init[20:])[0])
        kinds = (RAW, ALPHA_CURSOR, EXT_SIZE)
        self.sock.sendall(struct.pack(f">BxH{len(kinds)}i", 2, len(kinds),
                                      *kinds))

    def take(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            need(bool(more), "QEMU closed the viewer's connection")
            data += more
        return data

    def ask(self, again: bool = True) -> None:
        self.sock.sendall(struct.pack(">BBHHHH", 3, again, 0, 0, *self.size))

    def resize(self, width: int, height: int) -> None:
        self.sock.sendall(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1,
                                      0, 0, 0, width, height, 0))

    def update(self) -> None:
        """Reads one message, and what it is made of."""
        kind = self.take(1)[0]
        need(kind == 0, f"message {kind} of the viewer's")
        for _ in range(struct.unpack(">xH", self.take(3))[0]):
            x, y, w, h, form = struct.unpack(">HHHHi", self.take(12))
            if form == RAW:
                self.take(4 * w * h)
            elif form == ALPHA_CURSOR:
                self.take(4)
                self.cursor = (x, y, w, h, self.take(4 * w * h))
            elif form == EXT_SIZE:
                self.size = (w, h)
                self.take(16 * self.take(4)[0])
            else:
                need(False, f"rectangle of kind {form}")

    def until(self, there) -> None:
        end = time.monotonic() + 10
        while not there():
            need(time.monotonic() < end, "the viewer sees nothing of it")
            self.ask()
            self.update()


def watched() -> Guest:
    """A guest whose screen somebody looks at."""
    with Vm("x86_64", "") as vm:
        kinds = os.popen("qemu-system-x86_64 -vnc help 2>&1").read()
    if "options" not in kinds:
        raise Skip(f"this QEMU has no VNC ({vm.arch})")
    guest = Guest()
    guest.display = f"vnc=unix:{guest.dir}/vnc"
    return guest


def cursor() -> None:
    """No screendump shows it: the viewer gets its image."""
    with watched() as vm:
        vm.up()
        viewer = Viewer(os.path.join(vm.dir, "vnc"))
        for seed in (5, 6):
            vm.order("k", 0, seed, 100, 80)
            image = Canvas(64, 64)
            image.paint(seed)
            want = (3, 4, 64, 64,
                    array("I", [0xFF000000 | v for v in image.screen])
                    .tobytes())
            viewer.until(lambda: viewer.cursor == want)
        black = Canvas(*SIZE)
        vm.shows(black)
        vm.order("k", 0, 0)
        vm.end()


def resized() -> None:
    with watched() as vm:
        vm.up(maximum=1)
        viewer = Viewer(os.path.join(vm.dir, "vnc"))
        viewer.ask(False)
        viewer.update()
        for width, height in ((400, 200), (640, 360)):
            vm.send("w 15\n")
            vm.expect(r"^waiting\n")
            viewer.resize(width, height)
            said = vm.expect(r"^head 0: (\d+)x(\d+) [^$]*?^done w", 20)
            need(said.groups() == (str(width), str(height)), said[0])
            vm.order("m", 0, width, height)
            vm.order("p", 0, width)
            canvas = Canvas(width, height)
            canvas.paint(width)
            vm.shows(canvas)
        vm.send("r 0 77 3000\n")  # F72: in the middle of flushes
        for width in (100, 200, 300):
            viewer.resize(width, 256)
        vm.expect(r"^done r, .*\n", 30)
        canvas.rects(77, 3000)
        vm.shows(canvas)
        vm.order("w", 15)
        need("head 0: 300x256" in vm.order("l"), "the last size was not seen")
        vm.end()


def cases():
    for arch, bus in (("x86_64", "pci"), ("x86_64", "mmio"),
                      ("riscv64", "pci"), ("riscv64", "mmio"),
                      ("aarch64", "pci"), ("aarch64", "mmio")):
        kind = "virtio-gpu-" + ("pci" if bus == "pci" else "device")
        yield f"{kind} {arch}", arch, device, (arch, bus)
    yield "virtio-vga x86_64", "x86_64", device, ("x86_64", "pci", True)
    for fn in (formats, dirty, heads, animate, flips, changes, edid, hostmem,
               sharing, cursor, resized):
        yield fn.__name__, "x86_64", fn, ()
    for arch, bus, fuse in (("x86_64", "pci", 1), ("x86_64", "pci", 12),
                            ("x86_64", "mmio", 17), ("riscv64", "mmio", 5),
                            ("aarch64", "pci", 9)):
        yield (f"panic {arch} {bus} interrupt {fuse}", arch, panic,
               (arch, bus, fuse, 0))
    yield ("panic x86_64 pci callback 8", "x86_64", panic,
           ("x86_64", "pci", 8, 1))


def main() -> int:
    count = {"passed": 0, "failed": 0, "skipped": 0}
    only = [w for w in sys.argv[1:] if not w.isdigit()]
    os.chdir(Path(__file__).resolve().parent.parent.parent)
    for name, arch, fn, args in cases():
        if only and not any(word in name for word in only):
            continue
        verdict, why, start = "passed", "", time.monotonic()
        if not shutil.which(f"qemu-system-{arch}"):
            verdict, why = "skipped", f"qemu-system-{arch} is not installed"
        else:
            try:
                fn(*args)
            except Skip as err:
                verdict, why = "skipped", str(err)
            except (VmError, OSError, ValueError) as err:
                verdict, why = "failed", str(err)
        count[verdict] += 1
        mark = ": skipped: " if verdict == "skipped" else ": " if why else ""
        print(f"{verdict:7} {name} ({time.monotonic() - start:.1f} s)"
              f"{mark}{why}", flush=True)
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] or not sum(count.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

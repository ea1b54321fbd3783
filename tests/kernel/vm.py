# SPDX-License-Identifier: MIT
"""Runs a test kernel in QEMU: builds the command line, collects the serial
text, talks QMP, and tells a pass from a failure.

    with Vm("riscv64", "build/kernel/riscv64/hello.elf", bus="mmio") as vm:
        vm.disk("disk.img", props={"num-queues": 1})
        vm.start()
        vm.expect(r"ready")
        vm.screendump("shot.png")
        assert vm.wait(10) == 0

Add devices before start().  Leaving the block always ends QEMU.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Mapping, Sequence

Props = Mapping[str, Any]

ARCHES = ("x86_64", "riscv64", "aarch64", "i386", "arm", "riscv32", "m68k")
BUSES = ("pci", "mmio")
X86 = ("x86_64", "i386")
TAIL = 2000  # characters of serial text in an error


class VmError(Exception):
    """The machine did not do what was asked; the text says what it did."""


def _onoff(val: Any) -> str:
    if isinstance(val, bool):
        return "on" if val else "off"
    return str(val).replace(",", ",,")


def _opts(first: str, props: Props | Sequence[tuple[str, Any]]) -> str:
    pairs = props.items() if isinstance(props, Mapping) else props
    return ",".join([first, *(f"{k}={_onoff(v)}" for k, v in pairs)])


class Qmp:
    """A QMP connection; events are kept in .events."""

    def __init__(self, path: str, timeout: float = 10):
        end = time.monotonic() + timeout
        self.events: list[dict] = []
        self.sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.sock.connect(path)
                break
            except OSError:
                if time.monotonic() > end:
                    raise VmError("QEMU does not answer on its QMP socket")
                time.sleep(0.01)
        self.sock.settimeout(timeout)
        self.file = self.sock.makefile("rb")
        self._read()
        self.command("qmp_capabilities")

    def _read(self) -> dict:
        try:
            line = self.file.readline()
        except TimeoutError:
            raise VmError("QEMU does not answer a QMP command") from None
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise VmError("QEMU closed its QMP socket")
        return json.loads(line)

    def command(self, name: str, /, **args: Any) -> Any:
        msg = {"execute": name, "arguments": args}
        try:
            self.sock.sendall(json.dumps(msg).encode() + b"\n")
        except OSError as err:
            raise VmError(f"QMP {name}: {err}") from None
        while True:
            reply = self._read()
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise VmError(f"QMP {name}: {reply['error']['desc']}")
            self.events.append(reply)

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class Vm:
    """One QEMU.  `bus` is where devices go unless they say otherwise: "pci",
    or "mmio", which on x86 means the microvm machine."""

    def __init__(self, arch: str, kernel: str, bus: str = "pci",
                 append: str = "", machine: str | None = None,
                 machine_opts: Props | None = None, memory: int = 128,
                 accel: str | None = None, display: str = "none",
                 mmio_legacy: bool = False, extra: Sequence[str] = (),
                 echo: Callable[[str], None] | None = None):
        if arch not in ARCHES or bus not in BUSES:
            raise ValueError(f"no machine for {arch} with bus {bus}")
        self.arch, self.kernel, self.bus = arch, kernel, bus
        self.append, self.memory, self.display = append, memory, display
        self.machine = machine or self._default_machine()
        self.machine_opts = dict(machine_opts or {})
        self.accel = self._pick_accel(accel)
        self.mmio_legacy, self.echo = mmio_legacy, echo
        self.args: list[str] = []
        self.extra = list(extra)
        self.text = ""      # all serial output so far
        self.errors = ""    # what QEMU itself says
        self.pos = 0        # expect() has consumed this much
        self.proc: subprocess.Popen | None = None
        self.dir = tempfile.mkdtemp(prefix="vm-")
        self._qmp: Qmp | None = None
        self._news = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._count: dict[str, int] = {}

    def _default_machine(self) -> str:
        if self.arch not in X86:
            return "virt"
        return "q35" if self.bus == "pci" else "microvm"

    def _pick_accel(self, accel: str | None) -> str:
        """ACCEL counts for the host's own architecture only."""
        accel = accel or os.environ.get("ACCEL") or "tcg"
        host = {"AMD64": "x86_64", "arm64": "aarch64"}.get(
            platform.machine(), platform.machine())
        return accel if host == self.arch else "tcg"

    # -- devices ---------------------------------------------------------

    def next_id(self, stem: str) -> str:
        n = self._count.get(stem, 0)
        self._count[stem] = n + 1
        return f"{stem}{n}"

    def device(self, kind: str, bus: str | None = None,
               props: Props | None = None) -> str:
        """Adds virtio-<kind> on a bus; returns its id.  A PCI device has no
        legacy interface unless props say {"disable-legacy": False}."""
        bus = bus or self.bus
        if bus == "mmio" and self.machine in ("q35", "pc"):
            raise ValueError(f"{self.machine} has no virtio-mmio")
        if bus == "pci" and self.machine == "microvm":
            raise ValueError("microvm has no PCI here")
        if bus == "pci" and self.arch == "m68k":
            raise ValueError("m68k has no PCI")
        all_props = {"id": self.next_id(kind)}
        if bus == "pci":
            all_props["disable-legacy"] = "on"
        all_props.update(props or {})
        suffix = "pci" if bus == "pci" else "device"
        self.args += ["-device", _opts(f"virtio-{kind}-{suffix}", all_props)]
        return str(all_props["id"])

    def disk(self, path: str, bus: str | None = None, read_only: bool = False,
             node: Props | None = None, props: Props | None = None) -> str:
        """A raw image as virtio-blk.  Its block node is "node-" + the id that
        is returned; `node` holds further properties of the node, nested."""
        dev = str((props or {}).get("id") or self.next_id("disk"))
        spec = {"driver": "raw", "node-name": "node-" + dev,
                "read-only": read_only,
                "file": {"driver": "file", "filename": os.path.abspath(path)},
                **(node or {})}
        self.args += ["-blockdev", json.dumps(spec)]
        return self.device("blk", bus, {"id": dev, "drive": "node-" + dev,
                                        **(props or {})})

    def _nic(self, backend: str, opts: Sequence[tuple[str, Any]],
             bus: str | None, props: Props | None) -> str:
        dev = str((props or {}).get("id") or self.next_id("nic"))
        net = "net-" + dev
        self.args += ["-netdev", _opts(backend, [("id", net), *opts])]
        return self.device("net", bus, {"id": dev, "netdev": net,
                                        **(props or {})})

    def nic_user(self, forward: Mapping[int, int] | None = None,
                 bus: str | None = None, props: Props | None = None,
                 options: Props | None = None) -> str:
        """User-mode network.  `forward`: TCP ports, host's to guest's, on
        127.0.0.1; the guest is 10.0.2.15 and the gateway 10.0.2.2."""
        rules = [("hostfwd", f"tcp:127.0.0.1:{host}-:{guest}")
                 for host, guest in (forward or {}).items()]
        return self._nic("user", [*(options or {}).items(), *rules], bus,
                         props)

    def nic_dgram(self, local: str, remote: str, bus: str | None = None,
                  props: Props | None = None) -> str:
        """Frames as datagrams: QEMU binds `local`, sends to `remote`."""
        return self._nic("dgram", [
            ("local.type", "unix"), ("local.path", local),
            ("remote.type", "unix"), ("remote.path", remote)], bus, props)

    def gpu(self, bus: str | None = None, props: Props | None = None) -> str:
        return self.device("gpu", bus, props)

    # -- running ---------------------------------------------------------

    def command_line(self) -> list[str]:
        machine = dict(self.machine_opts)
        cmd = [f"qemu-system-{self.arch}", "-nodefaults", "-no-reboot",
               "-no-user-config"]
        if self.arch in ("riscv64", "riscv32"):
            cmd += ["-bios", "none"]
        elif self.arch == "m68k":
            cmd += ["-action", "panic=exit-failure"]
        elif self.arch == "arm":
            machine.setdefault("gic-version", 2)
            # all of PCI below 4 GiB
            machine.setdefault("highmem", False)
            cmd += ["-cpu", "cortex-a15",
                    "-semihosting-config", "enable=on,target=native"]
        elif self.arch == "aarch64":
            machine.setdefault("gic-version", 2)
            cmd += ["-cpu", "host" if self.accel == "kvm" else "cortex-a72",
                    "-semihosting-config", "enable=on,target=native"]
        else:
            if self.machine == "microvm":
                # what QEMU adds would be taken for the caller's words
                machine.setdefault("auto-kernel-cmdline", False)
            cmd += ["-cpu", "max",
                    "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        cmd += ["-M", _opts(self.machine, machine), "-accel", self.accel,
                "-m", str(self.memory), "-display", self.display,
                "-chardev", "stdio,id=console,signal=off",
                "-serial", "chardev:console",
                "-chardev", "socket,id=qmp,server=on,wait=off,path="
                + _onoff(self.qmp_path), "-mon", "chardev=qmp,mode=control",
                "-global", "virtio-mmio.force-legacy="
                + _onoff(self.mmio_legacy), "-kernel", self.kernel]
        if self.append:
            cmd += ["-append", self.append]
        return cmd + self.args + self.extra

    @property
    def qmp_path(self) -> str:
        return os.path.join(self.dir, "qmp")

    def start(self) -> Vm:
        try:
            self.proc = subprocess.Popen(
                self.command_line(), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        except FileNotFoundError as err:
            raise VmError(f"{err.filename} is not installed") from None
        for pipe, sink in ((self.proc.stdout, self._on_text),
                           (self.proc.stderr, self._on_error)):
            t = threading.Thread(target=self._pump, args=(pipe, sink),
                                 daemon=True)
            t.start()
            self._threads.append(t)
        return self

    def _pump(self, pipe: Any, sink: Callable[[str], None]) -> None:
        while data := pipe.read(4096):
            with self._news:
                sink(data.decode("utf-8", "replace").replace("\r", ""))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _on_text(self, text: str) -> None:
        self.text += text
        if self.echo:
            self.echo(text)

    def _on_error(self, text: str) -> None:
        self.errors += text

    def tail(self) -> str:
        """The end of the serial text, for error messages."""
        said = f"\nQEMU says: {self.errors.strip()}" if self.errors else ""
        return f"\n--- serial, last part\n{self.text[-TAIL:]}---{said}"

    def _ended(self) -> bool:
        return not any(t.is_alive() for t in self._threads)

    def expect(self, regex: str, timeout: float = 10) -> re.Match:
        """Waits until the serial text behind the previous match matches."""
        end = time.monotonic() + timeout
        pattern = re.compile(regex, re.M)
        with self._news:
            while True:
                ended = self._ended()
                if m := pattern.search(self.text, self.pos):
                    self.pos = m.end()
                    return m
                left = end - time.monotonic()
                if ended or left <= 0:
                    why = "QEMU ended" if ended else f"{timeout} s passed"
                    raise VmError(f"{why} before /{regex}/{self.tail()}")
                self._news.wait(min(left, 0.2))

    def send(self, text: str) -> None:
        """Types on the guest's console."""
        try:
            self.proc.stdin.write(text.encode())
        except OSError as err:
            raise VmError(f"typing: {err}{self.tail()}") from None

    @property
    def qmp(self) -> Qmp:
        if not self._qmp:
            self._qmp = Qmp(self.qmp_path)
        return self._qmp

    def query(self, command: str, /, **args: Any) -> Any:
        """A QMP command; "_" in argument names stands for "-".  The guest must
        still be there when the answer comes: it may not take the command's
        effect as its cue to exit, but should wait for a key, see send()."""
        return self.qmp.command(
            command, **{k.replace("_", "-"): v for k, v in args.items()})

    def screendump(self, path: str, device: str | None = None,
                   head: int = 0) -> None:
        """Writes what a display shows, as PNG or PPM by the file's name."""
        kind = "png" if path.endswith(".png") else "ppm"
        where = {"device": device, "head": head} if device else {}
        self.query("screendump", filename=os.path.abspath(path), format=kind,
                   **where)

    def wait(self, timeout: float = 10) -> int:
        """Waits for the guest's own end and returns its exit code, 0 for a
        pass.  Raises VmError if QEMU ended for any other reason."""
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            raise VmError(f"{timeout} s passed{self.tail()}") from None
        for t in self._threads:
            t.join(5)
        last = re.search(r"^exit: code (\d+)\n*\Z", self.text, re.M)
        if not last:
            raise VmError(f"QEMU ended with status {status}, and not by the "
                          f"guest{self.tail()}")
        code = int(last[1])
        if status != self._status_of(code):
            raise VmError(f"QEMU's status {status} contradicts the guest's "
                          f"exit code {code}{self.tail()}")
        return code

    def _status_of(self, code: int) -> int:
        """QEMU's exit status for a guest's exit code, see arch.h."""
        if self.arch in X86:
            return (code + 16) << 1 | 1
        if self.arch == "m68k":
            return 1 if code else 0
        if self.arch == "aarch64" and self.accel != "tcg":
            return 0  # no semihosting: the printed line alone tells
        return code

    def quit(self) -> None:
        """Ends QEMU from outside, in order; there is no exit code then."""
        self.query("quit")
        self.proc.wait(5)

    def close(self) -> None:
        if self._qmp:
            self._qmp.close()
            self._qmp = None
        if self.proc:
            if self.proc.poll() is None:
                self.proc.kill()
            self.proc.wait()
            for t in self._threads:
                t.join(5)
            for pipe in (self.proc.stdin, self.proc.stdout, self.proc.stderr):
                pipe.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self) -> Vm:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _print_text(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    p = argparse.ArgumentParser(description="run a test kernel in QEMU")
    p.add_argument("--arch", choices=ARCHES, required=True)
    p.add_argument("--bus", choices=BUSES, default="pci")
    p.add_argument("--kernel", required=True)
    p.add_argument("--append", default="")
    p.add_argument("--machine", help="q35, pc, microvm, virt")
    p.add_argument("--disk", action="append", default=[], metavar="RAW")
    p.add_argument("--nic", action="store_true", help="user-mode network")
    p.add_argument("--gpu", action="store_true")
    p.add_argument("--device", action="append", default=[], metavar="KIND",
                   help="another one, as in virtio-KIND-pci")
    p.add_argument("--display", default="none")
    p.add_argument("--timeout", type=float, default=10)
    p.add_argument("--show", action="store_true", help="print the command")
    o = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Vm(o.arch, o.kernel, o.bus, o.append, o.machine, display=o.display,
            echo=_print_text) as vm:
        for path in o.disk:
            vm.disk(path)
        if o.nic:
            vm.nic_user()
        if o.gpu:
            vm.gpu()
        for kind in o.device:
            vm.device(kind)
        if o.show:
            print(" ".join(vm.command_line()), file=sys.stderr)
        try:
            return vm.start().wait(o.timeout)
        except VmError as err:
            print(f"vm: {err}", file=sys.stderr)
            return 125


if __name__ == "__main__":
    sys.exit(main())

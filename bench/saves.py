"""How fast a guest is saved and restored, beside bare QEMU writing and reading the same state.

The guest carries random bytes, as an initrd that its kernel does not understand, so that nothing
can be left out or made smaller. Bare QEMU migrates to a file and that is synced; it migrates from
the file with nothing of it in the page cache. So do the daemons, through stock virsh.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests import lab

Add = Callable[[str, str, float], None]
CHUNK = 4 << 20


class Bare:
    """A QEMU with nothing but a monitor; *incoming* is a descriptor to load its state from."""

    def __init__(self, place: Path, argv: list[str], incoming: int = -1) -> None:
        path = f"{place}/bare"
        Path(path).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen(1)
            fds = [listening.fileno()]
            more = [] if incoming < 0 else ["-incoming", f"fd:{incoming}"]
            self.process = subprocess.Popen(
                [
                    *[lab.QEMU, "-S", "-nodefaults", "-no-user-config", "-nographic", *argv],
                    *["-chardev", f"socket,id=m,fd={fds[0]},server=on,wait=off"],
                    *["-mon", "chardev=m,mode=control", *more],
                ],
                pass_fds=fds if incoming < 0 else [*fds, incoming],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(path)
        self.lines = self.monitor.makefile("rwb")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        """Run one command of the monitor's."""
        text = json.dumps({"execute": command, "arguments": arguments}).encode()
        self.lines.write(text + b"\n")
        self.lines.flush()
        while True:
            reply = json.loads(self.lines.readline())
            if "return" in reply:
                return reply["return"]
            assert "error" not in reply, reply

    def migrated(self) -> None:
        """Wait until its state is written or loaded."""
        while (status := self.ask("query-migrate").get("status")) != "completed":
            assert status not in {"failed", "cancelled"}, status
            time.sleep(0.002)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.lines.close()
        self.monitor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def definition(place: Path, mib: int) -> Path:
    """Write the guest that carries *mib* MiB of random bytes; its XML."""
    guest = lab.guest_dir()
    initrd = place / "random"
    if not initrd.exists() or initrd.stat().st_size < mib << 20:
        with initrd.open("wb") as file:
            file.write((guest / "initrd.img").read_bytes())
            for _ in range(mib // 4):
                file.write(os.urandom(CHUNK))
    xml = place / "bench-save.xml"
    text = lab.domain_xml("bench-save", guest, memory_mib=memory_of(mib), cmdline="guest=quiet")
    xml.write_text(text.replace(f"{guest}/initrd.img", str(initrd)))
    return xml


def memory_of(mib: int) -> int:
    """How much memory a guest needs to carry that much."""
    return mib + mib // 4 + 192


def loaded(pid: int, mib: int) -> None:
    """Wait until the guest's memory holds what it carries, and for its kernel to look at it."""

    def resident() -> bool:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * 4096 > (2 * mib) << 20

    lab.eventually(resident, f"QEMU {pid} holds {mib} MiB twice", bound_s=120)
    time.sleep(2)


def forget(path: Path) -> None:
    """Have nothing of a file in the page cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def bare(add: Add, place: Path, mib: int) -> None:
    """The floor: QEMU to a file, synced, and from it."""
    guest, path = lab.guest_dir(), place / "bare.state"
    argv = ["-machine", "pc", "-accel", "tcg", "-m", str(memory_of(mib)), "-serial", "null"]
    boot = ["-kernel", f"{guest}/vmlinuz", "-append", "console=ttyS0 quiet guest=quiet"]
    argv += [*boot, "-initrd", str(place / "random")]
    size = f"{mib / 1024:g} GiB"
    with Bare(place, argv) as qemu:
        qemu.ask("cont")
        loaded(qemu.process.pid, mib)
        began = time.perf_counter()
        qemu.ask("stop")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        qemu.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 50})
        socket.send_fds(qemu.monitor, [b" "], [fd])
        qemu.ask("getfd", fdname="state")
        qemu.ask("migrate", uri="fd:state")
        qemu.migrated()
        os.fsync(fd)
        os.close(fd)
        add(f"save {size}", "bare QEMU", time.perf_counter() - began)
    forget(path)
    fd = os.open(path, os.O_RDONLY)
    began = time.perf_counter()
    with Bare(place, argv, incoming=fd) as qemu:
        os.close(fd)
        qemu.migrated()
        qemu.ask("cont")
        add(f"restore {size}", "bare QEMU", time.perf_counter() - began)
    path.unlink()


def through(add: Add, who: str, client: lab.Client, place: Path, mib: int) -> None:
    """A daemon: save to a file through its client, and restore it."""
    path, size = place / "daemon.state", f"{mib / 1024:g} GiB"
    client("create", place / "bench-save.xml")
    try:
        pid = next(
            pid
            for pid in lab.processes("guest=bench-save")
            if "qemu" in Path(f"/proc/{pid}/comm").read_text()
        )
        loaded(pid, mib)
        began = time.perf_counter()
        client("save", "bench-save", path)
        add(f"save {size}", who, time.perf_counter() - began)
        forget(path)
        began = time.perf_counter()
        client("restore", path)
        add(f"restore {size}", who, time.perf_counter() - began)
    finally:
        client("destroy", "bench-save", check=False)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def peak_mib(pid: int) -> float:
    """The most memory that a process has had."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024

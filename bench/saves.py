"""How fast a guest is saved and restored, beside bare QEMU writing and reading the same state.

Each guest fills its memory with random bytes from a disk, so that nothing can be left out or made
smaller, and is then saved and restored in turn with those of the others: only one is in memory at
a time. Bare QEMU migrates to a file, which is synced; and from it, with nothing of it in the page
cache and the kernel told that it is read from front to back, as virtup tells it. A save has ended
when QEMU is gone and its memory free, a restore when the vCPUs were told to run. So do the daemons,
through stock virsh.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tools import make_guest

from tests import lab

Add = Callable[[str, str, float], None]
CHUNK = 4 << 20

FILLING = b"""#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_blk
mkdir /fill
mount -t tmpfs -o size=95% fill /fill
until [ -b /dev/vda ] && [ -b /dev/vdb ]; do sleep 0.1; done
dd if=/dev/vda of=/fill/data bs=1M iflag=direct
echo FILLED | dd of=/dev/vdb bs=512 conv=sync,fsync
while :; do sleep 3600; done
"""
"""What the guest does instead of what the tests' guest does."""

FILL_WAIT_S = 300.0


class Bench:
    """What the guests are made of: *mib* MiB of random bytes, in *place*."""

    def __init__(self, place: Path, mib: int) -> None:
        self.place, self.mib = place, mib
        self.random, self.initrd = place / "random", place / "initrd"
        guest = lab.guest_dir()
        self.kernel = guest / "vmlinuz"
        own = make_guest.pack({"init": FILLING})
        self.initrd.write_bytes((guest / "initrd.img").read_bytes() + own)
        with self.random.open("wb") as file:
            for _ in range(mib * (1 << 20) // CHUNK):
                file.write(os.urandom(CHUNK))
            os.fsync(file.fileno())

    @property
    def memory_mib(self) -> int:
        """How much memory a guest needs to carry the random bytes."""
        return self.mib + self.mib // 8 + 192

    def told(self, name: str) -> Path:
        """Make the disk on which a guest says that it is full."""
        path = self.place / f"{name}.told"
        path.write_bytes(bytes(1 << 20))
        return path


class Qemu:
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


class Kept(Protocol):
    """A guest that somebody saves to ``path`` and restores from it."""

    who: str
    path: Path
    told: Path

    def start(self) -> None:
        """Boot it."""

    def save(self) -> None:
        """Write its state, durably, and end its QEMU."""

    def restore(self) -> None:
        """Have it run on."""

    def end(self) -> None:
        """Leave nothing of it, whatever it does."""


class Bare:
    """The floor: QEMU to a file, synced, and from it."""

    who = "bare QEMU"

    def __init__(self, bench: Bench) -> None:
        self.path, self.told = bench.place / "bare.state", bench.told("bare")
        self._place = bench.place
        self._qemu: Qemu | None = None
        disks = [f"file={bench.random},readonly=on", f"file={self.told}"]
        self._argv = [
            *["-machine", "pc", "-accel", "tcg", "-m", str(bench.memory_mib), "-serial", "null"],
            *["-kernel", str(bench.kernel), "-initrd", str(bench.initrd)],
            *["-append", "console=ttyS0 quiet"],
            *[word for disk in disks for word in ("-drive", f"{disk},format=raw,if=virtio")],
        ]

    def start(self) -> None:
        """Boot it."""
        self._qemu = Qemu(self._place, self._argv)
        self._qemu.ask("cont")

    def save(self) -> None:
        """Write its state, sync it, and end QEMU."""
        qemu = self._qemu
        assert qemu is not None
        qemu.ask("stop")
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        qemu.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 50})
        socket.send_fds(qemu.monitor, [b" "], [fd])
        qemu.ask("getfd", fdname="state")
        qemu.ask("migrate", uri="fd:state")
        qemu.migrated()
        os.fsync(fd)
        os.close(fd)
        self.end()

    def restore(self) -> None:
        """Load it, with the kernel told to read ahead as far as it can."""
        fd = os.open(self.path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self._qemu = Qemu(self._place, self._argv, incoming=fd)
        os.close(fd)
        self._qemu.migrated()
        self._qemu.ask("cont")

    def end(self) -> None:
        """Kill QEMU."""
        if self._qemu is not None:
            self._qemu.end()
        self._qemu = None


class Managed:
    """A daemon's guest, by its client."""

    NAME = "bench-save"

    def __init__(self, bench: Bench, who: str, client: lab.Client, number: int) -> None:
        self.who, self.path = who, bench.place / f"daemon-{number}.state"
        self.told = bench.told(f"daemon-{number}")
        self._client = client
        self._xml = bench.place / f"daemon-{number}.xml"
        guest = lab.guest_dir()
        disks = "".join(
            f"<disk type='file'><driver name='qemu' type='raw'/><source file='{path}'/>"
            f"<target dev='{name}' bus='virtio'/>{more}</disk>"
            for path, name, more in ((bench.random, "vda", "<readonly/>"), (self.told, "vdb", ""))
        )
        text = lab.domain_xml(self.NAME, guest, devices=disks, memory_mib=bench.memory_mib)
        self._xml.write_text(text.replace(f"{guest}/initrd.img", str(bench.initrd)))

    def start(self) -> None:
        """Boot it."""
        self._client("create", self._xml)

    def save(self) -> None:
        """Save it to its file."""
        self._client("save", self.NAME, self.path)

    def restore(self) -> None:
        """Restore it from its file."""
        self._client("restore", self.path)

    def end(self) -> None:
        """Destroy it."""
        self._client("destroy", self.NAME, check=False)


def forget(path: Path) -> None:
    """Have nothing of a file in the page cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(
    add: Add, place: Path, clients: dict[str, lab.Client], *, mib: int, rounds: int
) -> None:
    """Fill everybody's guest and save it; then restore and save each in turn, *rounds* times."""
    bench, size = Bench(place, mib), f"{mib / 1024:g} GiB"
    guests: list[Kept] = [Bare(bench)]
    guests += [Managed(bench, who, clients[who], at) for at, who in enumerate(clients)]
    with contextlib.ExitStack() as stack:
        for guest in guests:
            stack.callback(guest.end)
            guest.start()
            lab.eventually(full(guest), f"the guest of {guest.who} is full", bound_s=FILL_WAIT_S)
            guest.save()
        forget(bench.random)
        for _ in range(rounds):
            for guest in guests:
                forget(guest.path)
                add(f"restore {size}", guest.who, seconds(guest.restore))
                guest.path.unlink()
                add(f"save {size}", guest.who, seconds(guest.save))


def lack(place: Path, mib: int, guests: int) -> str:
    """Return what there is too little of to measure with *mib* MiB, "" for nothing."""
    disk_mib = (mib + mib // 4) * (guests + 1)
    free_mib = shutil.disk_usage(place).free >> 20
    if free_mib < disk_mib:
        return f"{free_mib} MiB of {disk_mib} are free in '{place.parent}'"
    memory_mib = 2 * mib + mib // 2 + 512
    there = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]
    if int(there) >> 10 < memory_mib:
        return f"{int(there) >> 10} MiB of memory of {memory_mib} are available"
    return ""


def full(guest: Kept) -> Callable[[], bool]:
    """Return what tells whether a guest has said that it is full."""
    return lambda: guest.told.read_bytes().startswith(b"FILLED")


def peak_mib(pid: int) -> float:
    """The most memory that a process has had."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024

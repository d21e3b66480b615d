"""Which processes hold a lock, a port or an interface, and what a process is doing."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator

from virtup.model.probe import (
    Holder,
    LockFact,
    LockHolder,
    PortFact,
    PortHolder,
    Process,
    ProcessFact,
)
from virtup.model.probe_system import OpenFiles, OpenFilesFact

_LISTEN = "0A"


def lock_holder(probe: LockHolder) -> LockFact:
    """Return the processes that hold a lock on the file, by the kernel's ``fdinfo``, and what of it.

    A locked file that is open in processes of which the kernel shows no ``fdinfo`` gives none of
    these, and the ranges that ``/proc/locks`` has.
    """
    wanted = os.stat(probe.path)
    found: dict[int, Holder] = {}
    known = [line for line in _read("/proc/locks").splitlines() if f":{wanted.st_ino} " in line]
    if not known:
        return LockFact()  # spares the look through all processes
    node = f"{os.major(wanted.st_dev):02x}:{os.minor(wanted.st_dev):02x}:{wanted.st_ino}"
    ranges = set(_ranges(line for line in known if f" {node} " in line))
    for pid, number in open_files():
        info = _read(f"/proc/{pid}/fdinfo/{number}")
        locks = [line for line in info.splitlines() if line.startswith("lock:")]
        if locks and _is(pid, number, wanted, info):
            ranges.update(_ranges(locks))
            found.setdefault(pid, holder(pid))
    return LockFact(tuple(found.values()), tuple(sorted(ranges)))


def _is(pid: int, number: str, wanted: os.stat_result, info: str) -> bool:
    """Is the open file *wanted*?  *info* is its ``fdinfo``.

    The file system is asked only where the inode's number (Linux 5.14) is the same: that of
    another file may not answer.
    """
    inode = re.search(r"^ino:\s*(\d+)$", info, re.MULTILINE)
    if inode is not None and int(inode[1]) != wanted.st_ino:
        return False
    try:
        seen = os.stat(f"/proc/{pid}/fd/{number}")
    except OSError:
        return False
    return (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino)


def _ranges(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield first and last byte of the byte-range locks in *lines* (proc_locks(5)).

    A lock of another kind (flock, lease) does not keep a byte range from being locked; one that
    only waits (``->``) does not yet.
    """
    for line in lines:
        words = line.split()
        if "->" in words or not {"OFDLCK", "POSIX"} & set(words):
            continue
        first, last = words[-2:]
        yield int(first), sys.maxsize if last == "EOF" else int(last)


def port_holder(probe: PortHolder) -> PortFact:
    """Return who listens on the port, in this network namespace."""
    inodes: set[str] = set()
    addresses: dict[str, None] = {}
    for table in (probe.protocol, probe.protocol + "6"):
        for line in _read(f"/proc/net/{table}").splitlines()[1:]:
            fields = line.split()
            local, _, port = fields[1].rpartition(":")
            if int(port, 16) != probe.port:
                continue
            if probe.protocol == "tcp" and fields[3] != _LISTEN:
                continue
            inodes.add(fields[9])
            addresses[_address(local)] = None
    if not inodes:
        return PortFact()
    return PortFact(True, next(iter(addresses)), of_sockets(inodes), tuple(addresses))


def of_sockets(inodes: Iterable[str]) -> tuple[Holder, ...]:
    """Return the processes that have a socket of one of *inodes* open."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return holding(lambda _pid, _number, target: target in wanted)


def process(probe: Process) -> ProcessFact:
    """Return the state of the process; one that has ended, or is a zombie, is not alive."""
    stat = _read(f"/proc/{probe.pid}/stat")
    if not stat:
        return ProcessFact()
    state = stat.rpartition(")")[2].split()[0]
    children = tuple(
        holder(pid) for pid in pids() if _parent(pid) == probe.pid and pid != probe.pid
    )
    return ProcessFact(
        alive=state not in "ZX",
        state=state,
        command=_read(f"/proc/{probe.pid}/comm").strip(),
        waiting_in=_read(f"/proc/{probe.pid}/wchan").strip("0 \n"),
        children=children,
    )


def holding(wanted: Callable[[int, str, str], bool]) -> tuple[Holder, ...]:
    """Return the processes with an open file for which *wanted*(pid, fd, link target) holds."""
    found: dict[int, Holder] = {}
    for pid, number in open_files():
        if pid in found:
            continue
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if wanted(pid, number, target):
            found[pid] = holder(pid)
    return tuple(found.values())


def files_open(path: str) -> tuple[Holder, ...]:
    """Return the processes that have the file or device node at *path* open.

    A device is known by its name, for the node of a private /dev is another inode of it.
    """
    wanted = os.stat(path)
    if stat.S_ISBLK(wanted.st_mode) or stat.S_ISCHR(wanted.st_mode):
        named = os.path.realpath(path)
        return holding(lambda _pid, _number, target: target == named)
    return holding(
        lambda pid, number, target: (
            target.startswith("/")
            and _is(pid, number, wanted, _read(f"/proc/{pid}/fdinfo/{number}"))
        )
    )


def open_files_of(probe: OpenFiles) -> OpenFilesFact:
    """Return who has the file open."""
    if not os.path.exists(probe.path):
        return OpenFilesFact()
    return OpenFilesFact(True, files_open(probe.path))


def holder(pid: int) -> Holder:
    """Return what is known of process *pid*: its command and, if it is a QEMU, its guest."""
    words = _read(f"/proc/{pid}/cmdline").split("\0")
    name = uuid = ""
    for at, word in enumerate(words[:-1]):
        if word == "-name":
            fields = dict(piece.partition("=")[::2] for piece in words[at + 1].split(","))
            name = fields.get("guest") or words[at + 1].split(",")[0]
        elif word == "-uuid":
            uuid = words[at + 1]
    return Holder(pid, _read(f"/proc/{pid}/comm").strip(), name, uuid)


def pids() -> Iterator[int]:
    """Yield the processes that we see."""
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def open_files() -> Iterator[tuple[int, str]]:
    """Yield (pid, fd) of every open file that we may look at."""
    for pid in pids():
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            yield pid, number


def _parent(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _address(hexed: str) -> str:
    import socket

    raw = bytes.fromhex(hexed)
    words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    family = socket.AF_INET if len(words) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, words)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""

"""TCP ports: which is free to listen on, and who has the one that is not."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass

from virtup.errors import OperationFailed
from virtup.host import proc


class NoFreePort(OperationFailed):
    """Every port of a range is taken."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port; ``pid`` is 0 and ``comm`` empty when this user may not know."""

    address: str
    port: int
    uid: int
    pid: int
    comm: str


def free(address: str, low: int, high: int, *, taken: Collection[int] = ()) -> int:
    """Return the lowest port of *low* to *high* that can be listened on and is not *taken*.

    It is free at this moment; nothing holds it for the caller. Raises NoFreePort, and OSError
    when *address* is none of this host's.
    """
    for port in range(low, high + 1):
        if port not in taken and can_listen(address, port):
            return port
    raise _none_free(address, low, high)


def idle(address: str, low: int, high: int, *, taken: Collection[int] = ()) -> int:
    """Return the lowest such port on which nobody listens, by looking alone.

    Raises NoFreePort.
    """
    for port in range(low, high + 1):
        if port in taken:
            continue
        if not any(_overlap(address, where) for where, _, _ in _listeners(port)):
            return port
    raise _none_free(address, low, high)


def can_listen(address: str, port: int) -> bool:
    """Tell whether a program may listen there now. Raises OSError for a foreign address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as exc:
            if exc.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _none_free(address: str, low: int, high: int) -> NoFreePort:
    return NoFreePort(f"no port between {low} and {high} is free to listen on at '{address}'")


def holder(port: int, address: str | None = None) -> Holder | None:
    """Return who listens on *port*, at *address* or where that overlaps; None when nobody does.

    Looks through /proc; whose sockets are another user's is known to root only.
    """
    for where, inode, uid in _listeners(port):
        if address is None or _overlap(address, where):
            pid = _pid_of(inode)
            stat = proc.stat(pid) if pid else None
            return Holder(where, port, uid, pid, "" if stat is None else stat.comm)
    return None


def _listeners(port: int) -> list[tuple[str, int, int]]:
    """Return address, socket inode and uid of each TCP listener (proc_net_tcp.txt: state 0A)."""
    found = []
    for path, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        try:
            with open(path, encoding="ascii") as file:
                rows = file.read().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for row in rows:
            fields = row.split()
            host, _, number = fields[1].partition(":")
            if fields[3] == "0A" and int(number, 16) == port:
                found.append((_address(host, family), int(fields[9]), int(fields[7])))
    return found


def _address(text: str, family: socket.AddressFamily) -> str:
    """Read an address as the kernel prints it: 32-bit words in the host's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


def _overlap(asked: str, listens: str) -> bool:
    return asked == listens or listens in ("0.0.0.0", "::") or asked in ("0.0.0.0", "::")  # noqa: S104


def _pid_of(inode: int) -> int:
    """Return the process that has a socket open, the first one found; 0 when none shows it."""
    wanted = f"socket:[{inode}]"
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            fds = os.listdir(f"/proc/{name}/fd")
        except OSError:  # ended meanwhile, or another user's
            continue
        for fd in fds:
            try:
                if os.readlink(f"/proc/{name}/fd/{fd}") == wanted:
                    return int(name)
            except OSError:
                continue
    return 0

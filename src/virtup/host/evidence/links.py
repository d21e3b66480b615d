"""Network interfaces of the host."""

from __future__ import annotations

import difflib
import os
import socket

from virtup.host.evidence.holders import holding
from virtup.model.probe import Holder, Link, LinkFact

_NET = "/sys/class/net"
_CAP_NET_ADMIN = 12
_IFF_TUN, _IFF_MULTI_QUEUE = 0x0001, 0x0100
"""Of <linux/if_tun.h>."""


def link(probe: Link) -> LinkFact:
    """Return what the interface is, and which processes hold it when it is a tap."""
    names = [name for _, name in socket.if_nameindex()]
    if probe.name not in names:
        like = difflib.get_close_matches(probe.name, names, 3, 0.6)
        return LinkFact(nearby=tuple(like), ours=_may_open())
    folder = f"{_NET}/{probe.name}"
    what = kind(folder)
    master = (
        os.path.basename(os.path.realpath(f"{folder}/master"))
        if os.path.exists(f"{folder}/master")
        else ""
    )
    flags = int(_read(f"{folder}/tun_flags").strip() or "0", 16)
    return LinkFact(
        exists=True,
        kind=what,
        master=master,
        owner=_read(f"{folder}/owner").strip(),
        holders=_tap_holders(probe.name) if what == "tun" else (),
        ours=_may_open(_read(f"{folder}/owner").strip(), _read(f"{folder}/group").strip()),
        packets=bool(flags & _IFF_TUN),
        queues=bool(flags & _IFF_MULTI_QUEUE),
    )


def _may_open(owner: str = "", group: str = "") -> bool:
    """May we open a tap of that owner and group (-1 for none), or make one (drivers/net/tun.c)?"""
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1:
            return True
    if {owner, group} <= {"", "-1"}:
        return bool(owner)
    mine = owner in {"-1", str(os.geteuid())}
    return mine and group in {"", "-1", str(os.getegid()), *map(str, os.getgroups())}


def kind(folder: str) -> str:
    """Return what the interface with that folder in sysfs is: bridge, tun, bond, its DEVTYPE."""
    for entry, name in (("bridge", "bridge"), ("tun_flags", "tun"), ("bonding", "bond")):
        if os.path.exists(f"{folder}/{entry}"):
            return name
    for line in _read(f"{folder}/uevent").splitlines():
        key, _, value = line.partition("=")
        if key == "DEVTYPE":
            return value
    return "other"


def _tap_holders(name: str) -> tuple[Holder, ...]:
    def holds(pid: int, number: str, target: str) -> bool:
        return target.endswith("/tun") and f"iff:\t{name}\n" in _read(
            f"/proc/{pid}/fdinfo/{number}"
        )

    return holding(holds)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""

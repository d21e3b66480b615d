"""What of the host a start depends on beside the guest's files: so that two starts can be compared.

Plain data, read in a millisecond or two without side effects. What this host or user does not tell
is left out, and never taken for a difference.
"""

from __future__ import annotations

import os
import re
import resource
import socket
from typing import Any

from virtup.host import node
from virtup.host.evidence import links, resources
from virtup.model.probe import Memory

_NET = "/sys/class/net"
_IFF_UP = 0x1
_CPUINFO_BYTES = 16 * 1024
"""Enough for the first processor; the file of a large host takes long to read."""

_PROFILES_MAX = 1 << 20

LIMITS = {
    "memlock": resource.RLIMIT_MEMLOCK,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
    "as": resource.RLIMIT_AS,
    "fsize": resource.RLIMIT_FSIZE,
    "core": resource.RLIMIT_CORE,
}
"""The limits that a QEMU of ours inherits, by the names of ``prlimit``."""


def surroundings() -> dict[str, Any]:
    """Return kernel, boot, processor, KVM, memory, security modules and limits of this host."""
    return {
        "kernel": os.uname().release,
        "boot_id": node.boot_id(),
        "booted_s": _booted_s(),
        "cpu": _cpu(),
        "kvm": {"module": resources.kvm_module(), "nested": resources.nested()},
        "memory": _memory(),
        "security": _security(),
        "limits": {name: _limit(number) for name, number in LIMITS.items()},
    }


def link_state(name: str) -> dict[str, Any]:
    """Return whether the host has the interface *name*, what it is, whether it is up, its MTU."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return {"exists": False}
    folder = f"{_NET}/{name}"
    flags = _read(f"{folder}/flags").strip()
    mtu = _read(f"{folder}/mtu").strip()
    return {
        "exists": True,
        "kind": links.kind(folder),
        "up": bool(int(flags or "0", 16) & _IFF_UP),
        "mtu": int(mtu or 0),
        "owner": _read(f"{folder}/owner").strip(),
    }


def _limit(number: int) -> list[int]:
    """Return the soft and the hard limit; -1 is none."""
    return [
        -1 if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(number)
    ]


def _booted_s() -> int:
    found = re.search(r"^btime (\d+)$", _read("/proc/stat"), re.MULTILINE)
    return int(found[1]) if found else 0


def _cpu() -> dict[str, str]:
    text = _read("/proc/cpuinfo", _CPUINFO_BYTES)
    first = text.partition("\n\n")[0]
    said = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", first, re.MULTILINE))
    flags = said.get("flags") or said.get("Features") or ""
    return {
        "model": said.get("model name", ""),
        "microcode": said.get("microcode", ""),
        "flags": " ".join(sorted(flags.split())),
    }


def _memory() -> dict[str, Any]:
    seen = resources.memory(Memory())
    return {
        "total_kib": seen.total_kib,
        "available_kib": seen.available_kib,
        "swap_free_kib": seen.swap_free_kib,
        "overcommit": seen.overcommit,
        "group_limit_kib": seen.limit_kib,
        "huge": {f"{one.size_kib}": [one.free, one.total] for one in seen.huge},
        "transparent_huge": _chosen(_read("/sys/kernel/mm/transparent_hugepage/enabled")),
    }


def _security() -> dict[str, Any]:
    """Return which security modules hold, and AppArmor's profiles of QEMU with their modes."""
    told: dict[str, Any] = {"modules": _read("/sys/kernel/security/lsm").strip()}
    enforce = _read("/sys/fs/selinux/enforce").strip()
    if enforce:
        told["selinux"] = "enforcing" if enforce == "1" else "permissive"
    profiles = _read("/sys/kernel/security/apparmor/profiles", _PROFILES_MAX)
    named = re.findall(
        r"^(\S*(?:qemu|virtup|virtqemud|libvirtd)\S*) \((\w+)\)$", profiles, re.MULTILINE
    )
    if named:
        told["apparmor"] = dict(sorted(named)[:16])
    return told


def _chosen(text: str) -> str:
    """Return the word in brackets, as sysfs marks the one of several that holds."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""


def _read(path: str, size: int = 1 << 16) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""

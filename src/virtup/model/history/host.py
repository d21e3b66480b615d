"""The hosts of two starts compared: QEMU, kernel, network, limits, and all else around a guest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.history.change import (
    NOT_THERE,
    Change,
    Record,
    about,
    between,
    moment,
    shown,
    size,
)

_LIMITS = {
    "memlock": "memory that may be locked",
    "nofile": "open files",
    "nproc": "processes",
    "as": "address space",
    "fsize": "size of a file",
    "core": "size of a core dump",
}
_BYTES = ("memlock", "as", "fsize", "core")
_LINK = {"kind": "kind", "up": "state", "mtu": "MTU", "owner": "owner"}
_MEMORY = {
    "overcommit": "memory overcommit (vm.overcommit_memory)",
    "transparent_huge": "transparent huge pages",
}
_GROUPS_MAX = 6


def changes(before: Record, after: Record) -> Iterator[Change]:
    """Yield what is different of everything but definition and files."""
    yield from _qemu(before, after)
    if _both(before["kernel"], after["kernel"]):
        yield between("kernel", "the host's kernel", (before["kernel"], after["kernel"]))
    yield from _network(before["network"], after["network"])
    yield from _limits(before, after)
    yield from _environment(before, after)


def _both(was: Any, now: Any) -> bool:
    """Whether both starts know a value, and it is not the same."""
    return bool(was) and bool(now) and bool(was != now)


def _part(record: Record, name: str) -> dict[str, Any]:
    """Return one part of what a start saw of its host; empty when nobody looked."""
    part = record["host"].get(name)
    return part if isinstance(part, dict) else {}


def _qemu(before: Record, after: Record) -> Iterator[Change]:
    paths = before["emulator"], after["emulator"]
    if _both(*paths):
        yield between("qemu", "QEMU's binary", paths, subject=paths[1], weight=1)
    if _both(before["qemu_version"], after["qemu_version"]):
        values = before["qemu_version"], after["qemu_version"]
        yield between("qemu", "QEMU's version", values, weight=2)
    elif _both(before["qemu_package"], after["qemu_package"]):
        values = before["qemu_package"], after["qemu_package"]
        yield between("qemu", "QEMU's package", values, weight=2)


def _network(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for name in (name for name in after if name in before):
        was, now = before[name], after[name]
        what = f"interface '{name}'"
        if was.get("exists") != now.get("exists"):
            states = ["there" if one.get("exists") else "missing" for one in (was, now)]
            yield between("network", what, states, subject=name, weight=0)
            continue
        for key, word in _LINK.items():
            if was.get(key) != now.get(key):
                values = [_link_value(key, one.get(key)) for one in (was, now)]
                yield between("network", f"{what} {word}", values, subject=name)


def _link_value(key: str, value: Any) -> str:
    return shown(value) if key != "up" else "up" if value else "down"


def _limits(before: Record, after: Record) -> Iterator[Change]:
    was, now = _part(before, "limits"), _part(after, "limits")
    for name, word in _LIMITS.items():
        if _both(was.get(name), now.get(name)):
            values = [_limit(name, one[name]) for one in (was, now)]
            lower = _lower(was[name], now[name])
            weight = 1 if lower else 6
            yield between(
                "limits", f"limit of {word} ({name})", values, subject=name, weight=weight
            )
    was, now = _part(before, "memory"), _part(after, "memory")
    if _both(was.get("group_limit_kib"), now.get("group_limit_kib")):
        values = [_kib(one["group_limit_kib"]) for one in (was, now)]
        yield between("limits", "memory limit of virtupd's control group", values, weight=1)
    if _both(was.get("total_kib"), now.get("total_kib")):
        values = [about(one["total_kib"] * 1024) for one in (was, now)]
        if values[0] != values[1]:
            yield between("limits", "memory of the host", values, weight=4)
    for page in sorted(was.get("huge", {}).keys() & now.get("huge", {}).keys()):
        if not _few(before, page) and _few(after, page):
            values = [f"{one['huge'][page][0]} pages" for one in (was, now)]
            yield between("limits", f"huge pages of {_kib(int(page))} free", values, weight=1)
    if not _short(before) and _short(after):
        values = [about(one["available_kib"] * 1024) for one in (was, now)]
        yield between("limits", "memory that is free", values, weight=2)


def _limit(name: str, pair: Any) -> str:
    """Return a soft and a hard limit, as one when they are equal."""
    values = pair if isinstance(pair, list) else [pair]
    texts = ["none" if one == -1 else size(one) if name in _BYTES else str(one) for one in values]
    return " / ".join(dict.fromkeys(texts))


def _lower(was: Any, now: Any) -> bool:
    """Whether a soft limit is lower than it was; -1 is none."""
    infinite = 1 << 64
    first, second = (infinite if one[:1] in ([], [-1]) else one[0] for one in (was, now))
    return bool(second < first)


def _kib(count: int) -> str:
    return "none" if count < 0 else size(count * 1024)


def _short(record: Record) -> bool:
    """Whether the host had less memory free than the guest is to have."""
    memory = _part(record, "memory")
    free = memory.get("available_kib")
    return isinstance(free, int) and free + memory.get("swap_free_kib", 0) < record["memory_kib"]


def _few(record: Record, page: str) -> bool:
    """Whether a guest on huge pages has not enough of those of a size, in KiB."""
    pages = _part(record, "memory").get("huge", {}).get(page) or [0]
    wanted = record["memory_kib"] if "<hugepages" in record["definition"] else 0
    return bool(page.isdecimal() and pages[0] * int(page) < wanted)


def _environment(before: Record, after: Record) -> Iterator[Change]:
    if "kvm" in (before["virt"], after["virt"]):
        yield from _each("environment", "KVM", _part(before, "kvm"), _part(after, "kvm"), weight=1)
    yield from _user(before["user"], after["user"])
    yield from _security(_part(before, "security"), _part(after, "security"))
    yield from _settings(before["settings"], after["settings"])
    was, now = _part(before, "memory"), _part(after, "memory")
    for name, word in _MEMORY.items():
        if name in was and name in now and was[name] != now[name]:
            yield between("environment", word, (shown(was[name]), shown(now[name])))
    yield from _cpu(_part(before, "cpu"), _part(after, "cpu"))
    if _both(before["virtup"], after["virtup"]):
        yield between("environment", "virtup", (before["virtup"], after["virtup"]), weight=7)
    if _both(before["host"].get("boot_id"), after["host"].get("boot_id")):
        times = [_booted(one["host"].get("booted_s")) for one in (before, after)]
        yield between("environment", "the host's boot", times, weight=9)


def _each(
    area: str, noun: str, was: dict[str, Any], now: dict[str, Any], *, weight: int
) -> Iterator[Change]:
    """Yield the members that differ, each by its name behind *noun*."""
    for name in sorted(was.keys() & now.keys()):
        if was[name] != now[name]:
            values = shown(was[name]), shown(now[name])
            yield between(area, f"{noun} {name}", values, weight=weight)


def _user(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    if not was or not now:
        return
    names = [f"{one.get('name') or '?'} ({one.get('uid')})" for one in (was, now)]
    if names[0] != names[1]:
        yield between("environment", "QEMU's user", names, weight=1)
    groups = [_groups(one.get("gids")) for one in (was, now)]
    if groups[0] != groups[1]:
        yield between("environment", "groups of QEMU's user", groups, weight=1)


def _groups(numbers: Any) -> str:
    found = sorted(set(numbers)) if isinstance(numbers, list) else []
    return ", ".join(map(str, found)) or NOT_THERE


def _security(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    if not was or not now:
        return
    for name, word in (("modules", "security modules"), ("selinux", "SELinux")):
        if was.get(name, "") != now.get(name, ""):
            values = shown(was.get(name)), shown(now.get(name))
            yield between("environment", word, values, weight=2)
    profiles = was.get("apparmor") or {}, now.get("apparmor") or {}
    for name in sorted({*profiles[0], *profiles[1]}):
        modes = [one.get(name, "not loaded") for one in profiles]
        if modes[0] != modes[1]:
            what = f"AppArmor's profile '{name}'"
            yield between("environment", what, modes, subject=name, weight=2)


def _settings(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    yield from _each("environment", "virtupd's setting", was, now, weight=3)


def _cpu(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    """Yield another processor, and the features that came and went."""
    for name in ("model", "microcode"):
        if _both(was.get(name), now.get(name)):
            yield between("environment", f"processor's {name}", (was[name], now[name]), weight=4)
    flags = [set(str(one.get("flags", "")).split()) for one in (was, now)]
    if all(flags) and flags[0] != flags[1]:
        lost, gained = sorted(flags[0] - flags[1]), sorted(flags[1] - flags[0])
        texts = [" ".join(one[:_GROUPS_MAX]) or NOT_THERE for one in (lost, gained)]
        yield between("environment", "processor's features", texts, weight=3)


def _booted(seconds: Any) -> str:
    return f"of {moment(seconds)}" if isinstance(seconds, int) and seconds else "another"

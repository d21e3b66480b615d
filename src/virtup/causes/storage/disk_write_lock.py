"""Another process holds the lock of a disk image.

## What it means
QEMU locks every image that it opens, so that two programs do not write to one disk. Another QEMU
(most often the same guest, left over from a crash, or a second guest with the same disk), a
`qemu-nbd`, a backup or a `qemu-img` holds it. Starting anyway would destroy the file system in
the image.

## How to confirm
The finding names the process by the kernel's own list of locks: `/proc/PID/fdinfo/*` of the holder
has a `lock:` line for the image. `lslocks` shows the same, but no pid for QEMU's kind of lock.

## What to do
End the other user in the proper way: shut the other guest down, let the backup finish,
`qemu-nbd --disconnect`. Kill a QEMU only after a look at what it is. Two guests that are meant to
share a disk need `<shareable/>` and a cluster file system, or `<readonly/>`.

## Strings it goes by
- `Failed to get "write" lock` / `Is another process using the image [PATH]?`
- `Failed to get shared "write" lock`, `Failed to get "consistent read" lock`
- `Failed to lock byte 100` (QEMU 2.10)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from virtup.causes import definition
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety, mend
from virtup.causes.paths import access, below
from virtup.causes.usage import FileUse, Role, files, images
from virtup.causes.who import edit, holder, holders
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Holder, LockFact, LockHolder, PathAccess, PathFact, Probe
from virtup.model.repair import ShutDownGuest

CODE = "VU002"
SLUG = "disk-write-lock"

_LOCK = re.compile(
    r"failed to get (?:shared )?\"(?:write|consistent read|resize|write unchanged)\" lock"
    r"|failed to get (?:write|shared|read) lock|failed to lock byte \d+"
    r"|failed to acquire lock: [^\n]*\bheld\b|failed to acquire lock for '(?P<busy>[^'\n]+)'|resource busy: [^\n]*\block",
    re.IGNORECASE,
)
_IMAGE = re.compile(
    r"another process using the (?:image|file)(?: \[(?P<path>[^\]\n]+)\])?", re.IGNORECASE
)
_NAMED = re.compile(r"(?:file=|\"filename\":\s?\")(?P<path>/[^,\"\n]+)")

_WORDS = (
    'qemu-system-x86_64: -blockdev {"node-name":"libvirt-1-format","read-only":false,'
    '"driver":"qcow2","file":"libvirt-1-storage"}: Failed to get "write" lock\n'
    "Is another process using the image [/img/a.qcow2]?\n"
)
POSITIVE = (
    Evidence(stderr=_WORDS),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=none,id=drive-ide0: "
        'Failed to get "write" lock\nIs another process using the image?\n'
    ),
    Evidence(
        stderr=_WORDS,
        host={LockHolder("/img/a.qcow2"): LockFact((Holder(412, "qemu-system-x86", "other"),))},
    ),
    Evidence(
        stderr=_WORDS,
        guest="vm1",
        host={LockHolder("/img/a.qcow2"): LockFact((Holder(412, "qemu-system-x86", "vm1"),))},
    ),
    Evidence(
        stderr=_WORDS,
        guest="vm1",
        pid=500,
        host={
            LockHolder("/img/a.qcow2"): LockFact(
                (Holder(412, "qemu-nbd"), Holder(500, "qemu-system-x86", "vm1"))
            )
        },
    ),
    Evidence(error="Failed to acquire lock: Lease is held by another host"),
    Evidence(
        stderr=_WORDS,
        argv=(
            "/usr/bin/qemu-system-x86_64",
            *("-drive", "file=/img/a.qcow2", "-drive", "file=/img/link.qcow2"),
        ),
        uid=991,
        host={
            PathAccess(path, "write", 991): PathFact(
                exists=True, kind="file", allowed=True, target="/img/a.qcow2"
            )
            for path in ("/img/a.qcow2", "/img/link.qcow2")
        },
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: Could not open '/img/a.qcow2': Permission denied\n"
    ),
    Evidence(
        error="Timed out during operation: cannot acquire state change lock (held by monitor)"
    ),
)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask who locks the image that the words name, else each writable image."""
    seen = said(ev).find(_LOCK)
    if ev.ahead:
        yield from (LockHolder(use.path) for use in _opened(ev))
    if ev.uid is not None and (ev.ahead or seen is not None):
        yield from (access(ev, use) for use in images(ev.argv) if use.path[:1] == "/")
    if seen is not None:
        yield from (LockHolder(path) for path in _paths(ev, seen))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each locked image; without a holder it is only likely."""
    yield from _foreseen(ev)
    seen = said(ev).find(_LOCK)
    if seen is None:
        return
    paths = _paths(ev, seen)
    held = {path: by for path in paths if (by := _others(ev, path))}
    for path, by in held.items():
        yield _finding(ev, seen, path, by)
    twice = [] if held else list(_twice(ev))
    for found in twice:
        yield replace(found, evidence=(seen.quote, *found.evidence), at=seen.at)
    if not held and not twice:
        yield _finding(ev, seen, paths[0] if len(paths) == 1 else "", ())


_READ, _WRITE, _RESIZE = 0, 1, 3
"""Permissions on an image (QEMU's include/block/block-common.h)."""
_TAKEN, _UNSHARED = 100, 200
"""The bytes that tell of the first of them (docs/devel: block/file-posix.c, RAW_LOCK_*_BASE)."""


def _opened(ev: Evidence) -> list[FileUse]:
    """Return the images that QEMU locks, with the backing files by their overlays' headers."""
    named = [use for use in files(ev.argv) if use.role is Role.DISK and not use.block]
    return [*named, *below(ev)]


def _foreseen(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that is locked in a way that keeps QEMU from opening it."""
    if not ev.ahead:
        return
    yield from _twice(ev)
    for use in _opened(ev):
        fact = ev.fact(LockHolder(use.path))
        if fact is not None and any(_inside(byte, fact) for byte in _in_the_way(use)):
            yield _finding(ev, None, use.path, fact.holders)


def _twice(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that the guest itself has twice, and writes to."""
    known: dict[str, FileUse] = {}
    for use in images(ev.argv):
        fact = ev.fact(access(ev, use))
        real = fact.target if fact is not None and fact.lacks != "search" else ""
        first = known.setdefault(real or use.path, use)
        alike = use.shared and first.shared and {use.format, first.format} == {"raw"}
        if first is use or alike or not (use.write or first.write) or not use.path:
            continue
        if first.path == use.path:
            noun, seen = f"'{use.path}'", f"the command line opens '{use.path}' twice"
        else:
            noun = f"'{use.path}', by another name '{first.path}',"
            seen = f"this host: '{use.path}' and '{first.path}' are the same file"
        places = [*_targets(ev, first.path), *_targets(ev, use.path)]
        where = " and ".join(f"'{one}'" for one in dict.fromkeys(places))
        sentence = (
            f"The disk image {noun} is in the guest twice{f' ({where})' if where else ''}, and one "
            "locks the other out."
        )
        fixes = (edit("take one of the two out, or make both <readonly/>"),)
        yield Finding(CODE, SLUG, sentence, use.path, Certainty.PROVEN, (seen,), fixes)


def _targets(ev: Evidence, path: str) -> Iterator[str]:
    """Yield the names that the guest's disks with the image *path* have in the definition."""
    for disk in definition.devices(ev.definition, "disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None and path in source.values():
            yield str(target.get("dev", ""))


def _in_the_way(use: FileUse) -> Iterator[int]:
    """Yield the bytes that nobody else may have locked for QEMU to open the image."""
    yield _UNSHARED + _READ
    wants = (_WRITE, _RESIZE) if use.write else ()
    yield from (_UNSHARED + one for one in wants)
    if not (use.shared and use.format == "raw"):
        yield from (_TAKEN + one for one in (_WRITE, _RESIZE))


def _inside(byte: int, fact: LockFact) -> bool:
    return any(first <= byte <= last for first, last in fact.ranges)


def _others(ev: Evidence, path: str) -> tuple[Holder, ...]:
    """Return who locks the image, the QEMU that failed left out: it may live, with locks of its own."""
    fact = ev.fact(LockHolder(path))
    return tuple(one for one in fact.holders if one.pid != ev.pid) if fact else ()


def _paths(ev: Evidence, seen: Seen) -> list[str]:
    words = said(ev)
    named = [found["path"] for found in words.find_all(_IMAGE) if found["path"]]
    named += [seen["busy"]] if seen["busy"] else []
    named += [found["path"] for found in _NAMED.finditer(seen.before)] if not named else []
    if not named:
        named = [use.path for use in files(ev.argv) if use.role is Role.DISK and use.write]
    return list(dict.fromkeys(named))


def _finding(ev: Evidence, seen: Seen | None, path: str, by: tuple[Holder, ...]) -> Finding:
    noun = f"The disk image '{path}'" if path else "A disk image"
    evidence = [seen.quote] if seen else []
    if by:
        sentence = f"{noun} is in use by {_who(ev, by)}, which holds its lock."
        evidence += [f"pid {one.pid} ({one.command}) has '{path}' locked" for one in by[:2]]
        fixes = _fixes(ev, by[0])
    else:
        sentence = f"{noun} is locked by another process."
        find_out = f"fuser -v '{path}'" if path else "fuser -v IMAGE"
        fixes = (Fix("find who uses the image, and end that", (find_out,)),)
        if seen is None:
            evidence.append(f"this host: '{path}' is locked, and the kernel does not show by whom")
    certainty = Certainty.PROVEN if by or seen is None else Certainty.LIKELY
    at = seen.at if seen else NOWHERE
    return Finding(CODE, SLUG, sentence, path, certainty, tuple(evidence), fixes, at)


def _who(ev: Evidence, by: tuple[Holder, ...]) -> str:
    one = by[0]
    own = bool(ev.guest) and one.guest == ev.guest and one.uuid in {"", ev.uuid}
    if own and all(known.pid != one.pid for known in ev.running):
        return f"a QEMU of this very guest that was left over (pid {one.pid}, {one.command})"
    return holders(by)


def _fixes(ev: Evidence, by: Holder) -> tuple[Fix, ...]:
    managed = any(one.pid == by.pid for one in ev.running)
    if by.guest and managed:
        repair = ShutDownGuest(by.guest, by.uuid)
        return (mend(f"shut {holder(by)} down first", repair, safety=Safety.CONFIRM),)
    look = f"ps -fp {by.pid}"
    return (
        Fix(
            f"look at {holder(by)}; when nobody needs it, stop it",
            (look, f"kill {by.pid}"),
            Safety.CONFIRM,
        ),
    )

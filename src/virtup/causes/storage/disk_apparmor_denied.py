"""A security module (AppArmor, SELinux) denies QEMU a file although modes would allow it.

## What it means
Owner, modes and access lists let QEMU's account use the file, and the kernel refuses all the
same. A security module confines the process: libvirt's AppArmor profile of the guest does not
list the file, or SELinux has another label on it.

## How to confirm
`journalctl -k --grep 'apparmor="DENIED"'` or `ausearch -m avc -ts recent` names the file and the
profile. `aa-status` and `getenforce` say whether a module is active at all.

## What to do
AppArmor: put the image into a directory that the profile knows, or add the path to
`/etc/apparmor.d/local/abstractions/libvirt-qemu`. SELinux: `restorecon -v PATH`, or a label rule
with `semanage fcontext`. Do not switch the module off.

## Strings it goes by
- `Could not open '/img/a.qcow2': Permission denied`
- `apparmor="DENIED" operation="open" profile="libvirt-..." name="/img/a.qcow2"`
- `avc: denied { read } for pid=... comm="qemu-system-x86"`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import denied
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, Trouble, file_probes, troubles
from virtup.causes.proof import here
from virtup.causes.usage import Role
from virtup.causes.who import account
from virtup.causes.words import noted
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, KernelLog, KernelLogFact, PathAccess, PathFact, Probe
from virtup.model.probe_system import System

CODE = "VU016"
SLUG = "disk-apparmor-denied"

ROLES = (Role.DISK, Role.BACKING, Role.KERNEL, Role.INITRD, Role.FIRMWARE, Role.OTHER)
_DENIAL = re.compile(r"apparmor=\"DENIED\"[^\n]*|avc: +denied[^\n]*", re.IGNORECASE)
_OF_QEMU = re.compile(r"profile=\"libvirt-|svirt_t|comm=\"(?:qemu|kvm)", re.IGNORECASE)
"""A denial of a guest's QEMU, whose file may go by another name (a link, a mount, a chain)."""
_SAID = "qemu-system-x86_64: -blockdev {}: Could not open '/img/a.qcow2': Permission denied\n"
_OPEN: dict[Probe[Any], Fact] = {
    PathAccess("/img/a.qcow2", "read", 991): PathFact(exists=True, allowed=True)
}
_AUDIT = (
    'audit: apparmor="DENIED" operation="open" profile="libvirt-1" '
    'name="/img/a.qcow2" pid=77 comm="qemu-system-x86"'
)
ALSO = ("disk-dac-file-mode", "disk-dac-parent-dir")
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, uid=991, host=_OPEN),
    Evidence(
        stderr=_SAID,
        uid=991,
        pid=77,
        host={
            **_OPEN,
            KernelLog(77): KernelLogFact(
                readable=True,
                lines=(_AUDIT,),
            ),
        },
    ),
)
NEGATIVE = (
    Evidence(error="Cannot access storage file '/img/a' (as uid:107, gid:107): Permission denied"),
    Evidence(
        stderr="qemu: could not open kernel file '/boot/vmlinuz': No such file or directory\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the files, and for what the kernel logged of the process."""
    yield from file_probes(ev, ROLES)
    for trouble in troubles(ev, ROLES, {Kind.DENIED_ALTHOUGH}):
        yield System()
        yield denied.asked(ev, trouble.use.path)
        if ev.pid:
            yield KernelLog(ev.pid)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield a finding for each file that is refused although its modes allow it."""
    for trouble in troubles(ev, ROLES, {Kind.DENIED_ALTHOUGH, Kind.DENIED}):
        if trouble.kind is Kind.DENIED and not _by_qemu(trouble):
            continue
        path, noun = trouble.use.path, trouble.use.role.value
        denial = _denial(ev, trouble)
        if not denial and _no_module(ev):
            continue
        allowed = f"this host: modes and lists of '{path}' allow it"
        sentence = f"A security module denies {account(ev)} the {noun} '{path}'"
        if trouble.fact is None:
            sentence = (
                f"{account(ev)} is refused the {noun} '{path}', perhaps by AppArmor or SELinux"
            )
        elif not denial:
            sentence += ", for its modes allow it"
        seen = (denial or allowed) if denial or trouble.fact else ""
        yield _found(
            sentence + ".",
            path,
            _certainty(ev, trouble, denial),
            (*trouble.quotes, *((seen,) if seen else ())),
            (Fix("let the module allow the file", ("journalctl -k --grep 'denied' | tail",)),),
            trouble.at,
        )


def _certainty(ev: Evidence, trouble: Trouble, denial: str) -> Certainty:
    """Proven by this host's own log; a log that was noted elsewhere makes it likely."""
    if not denial:
        return Certainty.POSSIBLE
    return Certainty.LIKELY if ev.notes and trouble.fact is None else Certainty.PROVEN


def _no_module(ev: Evidence) -> bool:
    """Is it known that no module is on that could refuse a file?"""
    host = ev.fact(System())
    modules = {"apparmor", "selinux", "smack", "tomoyo", "landlock"}
    return host is not None and not modules & set(host.lsm) and not host.selinux


def _by_qemu(trouble: Trouble) -> bool:
    """A check of libvirt's of a file is not confined: only QEMU's words may mean a module."""
    disk = trouble.use.role in {Role.DISK, Role.BACKING}
    return disk and trouble.fact is None and "Cannot access" not in trouble.quotes[0]


def _denial(ev: Evidence, trouble: Trouble) -> str:
    log = ev.fact(KernelLog(ev.pid)) if ev.pid else None
    seen_since = ev.fact(denied.asked(ev, trouble.use.path))
    name = trouble.use.path.rpartition("/")[2]
    for line in (*(log.lines if log else ()), *(seen_since.lines if seen_since else ())):
        if _DENIAL.search(line) and name in line:
            return here(f"the log has {denied.shortened(line)}")
    for seen in noted(ev).find_all(_DENIAL):
        if name in seen.line or (ev.notes and trouble.fact is None and _OF_QEMU.search(seen.line)):
            return seen.quote
    return ""

"""/dev/net/tun is not available.

## What it means
Taps are made through `/dev/net/tun`, and it is not there: the `tun` module is not loaded (or is of
another kernel than the one that runs), or QEMU or the daemon runs in a container without the device.

## How to confirm
`ls -l /dev/net/tun`; `modprobe tun`; `uname -r` against `ls /lib/modules`.

## What to do
`modprobe tun`; after a kernel update reboot; pass the device into the container.

## Strings it goes by
- `could not open /dev/net/tun: No such file or directory`
- `warning: could not open /dev/net/tun: no virtual network emulation` (QEMU before 1.3)
- `cannot make the tap 'vnet0': Inappropriate ioctl for device` (it is no device)
- `Unable to open /dev/net/tun, is tun module loaded?: No such device`
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety, mend
from virtup.causes.words import Seen, errno_of, noted, said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact
from virtup.model.repair import LoadModule

CODE = "VU082"
SLUG = "net-tun-missing"
OVER = ("device-without-driver",)
ALSO = ("net-tap-permission",)

DEVICE = "/dev/net/tun"
OPEN = re.compile(
    r"(?:could not (?:open|configure)|unable to open|cannot open|failed to open|cannot access) '?/dev/net/tun'?"
    r"(?:, is tun module loaded\?)?:? ?(?P<err>[^\n]*)",
    re.IGNORECASE,
)
_NO_TUN = re.compile(
    r"cannot make the tap '[^'\n]*': inappropriate ioctl for device|/dev/net/tun'?: no such device",
    re.IGNORECASE,
)
UNSAID = "no virtual network emulation"
"""What QEMU before 1.3 said in place of a reason."""
_NONE = re.compile(r"/dev/net/tun'?: no such[^\n]*", re.IGNORECASE)
_SAID = (
    "qemu-system-x86_64: -netdev tap,id=n,ifname=tap7: could not open /dev/net/tun: "
    "No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(error="Unable to open /dev/net/tun, is tun module loaded?: No such device."),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PathAccess(DEVICE, "write", 991): PathFact(missing="/dev/net/tun")},
    ),
    Evidence(
        stderr="failed to open /dev/net/tun: No such device\nqemu-system-x86_64: -netdev bridge,id=n: bridge helper failed\n"
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace("No such file or directory", "Permission denied")),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PathAccess(DEVICE, "write", 991): PathFact(exists=True, allowed=True)},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the device."""
    if ev.plan.taps or _NO_TUN.search(ev.error):
        yield PathAccess(DEVICE, "write")
    if ev.uid is not None and said(ev).find(OPEN) is not None:
        yield PathAccess(DEVICE, "write", ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the device is not there, or something else has its place."""
    node = ev.fact(PathAccess(DEVICE, "write"))
    if node is not None and node.missing and ev.plan.taps:
        yield _finding(None, node)
    seen = said(ev).find(OPEN)
    if node is not None and node.exists and node.kind not in {"char", ""}:
        yield _misplaced(seen or said(ev).find(_NO_TUN), f"is a {node.kind}, not that device")
        return
    if seen is None:
        return
    unsaid = UNSAID in seen["err"]
    note = noted(ev).find(_NONE) if unsaid else None
    if not unsaid and errno_of(seen["err"]) not in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return
    fact = ev.fact(PathAccess(DEVICE, "write", ev.uid, ev.gids)) if ev.uid is not None else None
    if fact is None or not fact.exists:
        found = _finding(seen, fact)
        if note is not None:
            found = replace(found, evidence=(*found.evidence, note.quote))
        doubt = unsaid and note is None and fact is None
        yield replace(found, certainty=Certainty.POSSIBLE) if doubt else found
    elif not unsaid and fact.kind == "char":
        yield _misplaced(seen, "is a node with no driver behind it (module, or wrong numbers)")


def _misplaced(seen: Seen | None, what: str) -> Finding:
    """The finding of something that is where the device should be."""
    commands = ("modprobe tun", f"rm {DEVICE}", f"mknod -m 0666 {DEVICE} c 10 200")
    return _found(
        f"{DEVICE} {what}.",
        DEVICE,
        Certainty.PROVEN,
        (*((seen.quote,) if seen else ()), f"this host: {DEVICE} {what}"),
        (Fix("load the module tun, and make the node anew", commands, Safety.CONFIRM),),
        seen.at if seen else NOWHERE,
    )


def _finding(seen: Seen | None, fact: PathFact | None) -> Finding:
    return _found(
        f"{DEVICE} does not exist: the kernel module tun is not loaded.",
        DEVICE,
        Certainty.PROVEN if fact else Certainty.LIKELY,
        (
            *((seen.quote,) if seen else ()),
            *((f"this host has no '{fact.missing or DEVICE}'",) if fact else ()),
        ),
        (mend("load the module tun", LoadModule("tun"), safety=Safety.CONFIRM),),
        seen.at if seen else NOWHERE,
    )

"""virtiofsd exits at once; the reason is in its own log.

## What it means
libvirt starts virtiofsd before QEMU, and it ended: an option that this (Rust or C) version does
not know, a directory that it may not open, no user namespaces as a user.

## How to confirm
`/var/log/libvirt/qemu/NAME-fs0-virtiofsd.log`.

## What to do
Follow its log; leave out `<binary path=...>` and let libvirt choose; without root `<idmap>` and
newuidmap are needed.

## Strings it goes by
- `virtiofsd died unexpectedly`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU316"
SLUG = "virtiofsd-died"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="virtiofsd ended at once; its own log says why.",
    subject="virtiofsd",
    phrases=(
        r"virtiofsd (?:died|exited|terminated|failed|quit)[^\n]*",
        r"virtiofsd[^\n]*(?:unexpected(?:ly)? (?:exit|argument)|error: (?:found argument|unrecognized))[^\n]*",
    ),
    doubtful=(r"-device vhost-user-fs[^\n]*failed to (?:read|write) msg[^\n]*",),
    fixes=(Fix("read its log", ("tail /var/log/libvirt/qemu/*-virtiofsd.log",)),),
    proof=hosts.log_says(
        "/var/log/libvirt/qemu/{guest}-fs0-virtiofsd.log",
        r"error|panic|denied|fail|unrecog|no such",
    ),
)
POSITIVE = (Evidence(error="internal error: virtiofsd died unexpectedly"),)
NEGATIVE = (Evidence(error="Unable to find a satisfying virtiofsd"),)

probes = _TOLD.probes
find = _TOLD.find

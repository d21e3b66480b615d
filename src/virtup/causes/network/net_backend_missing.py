"""What carries the guest's network is not built into this QEMU, or not installed.

## What it means
User-mode networking needs libslirp in QEMU, or the program passt; builds of QEMU without
libslirp (some of 7.2 and later, RHEL 9) refuse it. Other kinds are options of the build as
well.

## How to confirm
`qemu-system-x86_64 -netdev help` lists the kinds; `command -v passt`.

## What to do
Install passt, or a QEMU with libslirp, or use a bridge or a network of libvirt's.

## Strings it goes by
- `network backend 'user' is not compiled into this binary`
- `Parameter 'type' expects a netdev backend type`
- `Cannot find 'passt' in path`
"""

from __future__ import annotations

from virtup.causes import known
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU471"
SLUG = "net-backend-missing"
OVER = ("qemu-arg-typo", "qemu-too-old")

_TOLD = Told(
    CODE,
    SLUG,
    sentence="'{subject}', which is to carry the guest's network, is not there.",
    phrases=(
        r"network backend '(?P<subject>[\w-]+)' is not compiled into this binary",
        r"-(?:netdev|nic|net) (?P<subject>[\w-]+)\b[^\n]*: parameter 'type' expects a net(?:dev|work) backend type",
        r"(?:cannot|could not|unable to) find '(?P<subject>passt|slirp-helper)'",
    ),
    fixes=(
        edit("use <interface type='network'> or 'bridge'"),
        Fix("or install passt, or a QEMU with libslirp"),
    ),
    proof=known.NET_BACKEND_MISSING,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -netdev user,id=n: network backend 'user' is not compiled into this binary\n"
    ),
    Evidence(
        stderr="qemu-kvm: -netdev user,id=n: Parameter 'type' expects a netdev backend type\n"
    ),
    Evidence(error="Cannot find 'passt' in path: No such file or directory"),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-kvm: -netdev tap,id=n,ifname=t: could not configure /dev/net/tun (t): Device or resource busy\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

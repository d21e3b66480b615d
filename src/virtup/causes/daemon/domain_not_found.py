"""The connection has no guest of that name, number or UUID.

## What it means
Guests of `qemu:///system` and of `qemu:///session` are apart, and each user has a session of its own. The
guest is defined on the other connection, was transient and is gone, or has another name.

## How to confirm
`virsh -c qemu:///system list --all`, and `virsh -c qemu:///session list --all` as its user.

## What to do
Name the connection (`virsh -c qemu:///system ...`, or `LIBVIRT_DEFAULT_URI`); or define the guest again from
its XML (`virsh define FILE`).

## Strings it goes by
- `failed to get domain 'vm1'`
- `no guest virtual machines are present`
- `Domain not found: no domain with matching name 'vm1'`
- `Domain not found: no domain with matching uuid '...'`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU407"
SLUG = "domain-not-found"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="There is no guest '{subject}' on this connection.",
    otherwise="There is no such guest on this connection.",
    subject="the guest",
    phrases=(
        r"no domain with matching (?:name|uuid|id) '?(?P<subject>[^'\n(]+?)'?(?: \([^)\n]*\))?$",
        r"failed to get domain '(?P<subject>[^'\n]+)'",
        r"no guest (?:virtual )?machines (?:are )?present",
        r"domain not found: (?!no domain)[^\n]*",
    ),
    fixes=(
        Fix(
            "look on both connections",
            ("virsh -c qemu:///system list --all", "virsh -c qemu:///session list --all"),
        ),
    ),
)
POSITIVE = (
    Evidence(error="error: failed to get domain 'vm1'"),
    Evidence(error="Domain not found: no domain with matching name 'vm1'"),
)
NEGATIVE = (
    Evidence(error="samba-tool: ERROR: domain not found"),
    Evidence(error="Network not found: no network with matching name 'default'"),
)

probes = _TOLD.probes
find = _TOLD.find

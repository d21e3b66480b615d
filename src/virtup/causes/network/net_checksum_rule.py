"""The host's firewall has no CHECKSUM target; old guests may get no address.

## What it means
libvirt adds a rule that fills in the checksums of DHCP answers, for guests whose DHCP client wants them (RHEL 5
and older). The host's iptables or kernel has no such target. The network starts all the same: for newer
guests this is noise.

## How to confirm
`modprobe xt_CHECKSUM`; `iptables -t mangle -L POSTROUTING`.

## What to do
Nothing, when the guests get their addresses. Otherwise load the module or update kernel and iptables, or give
the guest another network model (`<model type='e1000'/>`).

## Strings it goes by
- `Could not add rule to fixup DHCP response checksums on network 'default'`
- `May need to update iptables package & kernel to support CHECKSUM rule`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU409"
SLUG = "net-checksum-rule"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The firewall has no CHECKSUM rule for network '{subject}': old guests may get no address.",
    otherwise="The firewall has no CHECKSUM rule: old guests may get no address.",
    subject="iptables",
    doubtful=(
        r"could not add rule to fixup DHCP response checksums on network '?(?P<subject>[\w.-]+)'?",
        r"may need to update iptables package & kernel to support CHECKSUM",
    ),
    fixes=(
        Fix(
            "load the module",
            ("modprobe xt_CHECKSUM",),
            Safety.CONFIRM,
            ("modprobe -r xt_CHECKSUM",),
        ),
    ),
)
POSITIVE = (
    Evidence(
        error="Could not add rule to fixup DHCP response checksums on network 'default'.\nMay need to "
        "update iptables package & kernel to support CHECKSUM rule."
    ),
)
NEGATIVE = (
    Evidence(
        error="Failed to apply firewall rules /usr/sbin/iptables: table `nat' is incompatible"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

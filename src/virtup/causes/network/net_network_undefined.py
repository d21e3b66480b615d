"""The libvirt network is not defined on that connection.

## What it means
`<interface type='network'>` names a network that this connection does not have. The networks of
`qemu:///system` are not those of `qemu:///session`, and a package may come without the network
'default'.

## How to confirm
`virsh -c URI net-list --all` does not list it.

## What to do
Define it (`virsh net-define /usr/share/libvirt/networks/default.xml`), correct the name, or use
the connection that has it.

## Strings it goes by
- `Network not found: no network with matching name 'default'`
- `no network with matching uuid`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU202"
SLUG = "net-network-undefined"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The libvirt network '{subject}' is not defined on this connection.",
    otherwise="The libvirt network is not defined on this connection.",
    subject="the network",
    phrases=(
        r"network not found: no network with matching (?:name|uuid) '(?P<subject>[^'\n]+)'",
        r"no network with matching (?:name|uuid) '(?P<subject>[^'\n]+)'",
        r"network '?(?P<subject>[\w.-]+)'? (?:does not exist|is not defined|not found in libvirt)",
    ),
    doubtful=(r"(?:^|: )network not found\b",),
    unless=r"bridge name '|storage pool",
    fixes=(
        Fix(
            "define it",
            ("virsh net-define /usr/share/libvirt/networks/default.xml",),
            Safety.CONFIRM,
        ),
        edit("or name a network that exists"),
    ),
    proof=nets.NETWORK_UNDEFINED,
)
POSITIVE = (Evidence(error="error: Network not found: no network with matching name 'lab'"),)
NEGATIVE = (
    Evidence(
        error="Network not found: no network with matching name 'default'\ninternal error: bridge name 'virbr0' already in use."
    ),
    Evidence(error="network 'default' is not active"),
)

probes = _TOLD.probes
find = _TOLD.find

"""The bridge name of a virtual network is already in use.

## What it means
A network asks for a bridge by name (`<bridge name='virbr0'/>`), and another network of libvirt
or an interface of the host has that name.

## How to confirm
`virsh net-dumpxml` of each network; `ip -brief link show type bridge`.

## What to do
Give the network another bridge name, or leave the name out; remove the network or the left-over
bridge that has it.

## Strings it goes by
- `internal error: bridge name 'virbr0' already in use.`
- `error creating bridge interface virbr0: File exists`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU203"
SLUG = "net-bridge-name-taken"
OVER = ("net-network-undefined",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The bridge name '{subject}' is in use by another network or interface.",
    phrases=(
        r"bridge name '(?P<subject>[^'\n]+)' (?:is )?already in use",
        r"(?:error|unable|failed|cannot)[^\n]{0,30} creat\w+ (?:the )?bridge (?:interface )?'?(?P<subject>[\w.-]+?)'?: (?:file exists|device or resource busy)",
        r"bridge '?(?P<subject>[\w.-]+)'? already (?:exists|in use by)",
    ),
    fixes=(
        Fix("give the network another bridge name, or leave <bridge name='{subject}'/> out of it"),
    ),
    proof=nets.BRIDGE_TAKEN,
)
POSITIVE = (Evidence(error="internal error: bridge name 'virbr0' already in use."),)
NEGATIVE = (Evidence(error="Cannot get interface MTU on 'virbr0': No such device"),)

probes = _TOLD.probes
find = _TOLD.find

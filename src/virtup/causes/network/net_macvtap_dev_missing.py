"""The host device under a macvtap (direct) interface does not exist.

## What it means
`<interface type='direct'><source dev='eth0'/>` puts the guest on a network card of the host, and
the host has none of that name: it is not plugged in, or was renamed by a new kernel, a new slot
or systemd.

## How to confirm
`ip -brief link show`.

## What to do
Correct the name in `<source dev=.../>`, or plug the device in.

## Strings it goes by
- `Unable to get index for interface enp3s0: No such device`
- `failed to get index for interface eth1: No such device`
- `error creating macvtap interface macvtap0@eth1 (52:54:00:00:00:01): No such device`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU208"
SLUG = "net-macvtap-dev-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host has no network device '{subject}', on which the guest's direct interface sits.",
    phrases=(
        r"cannot get interface (?:flags|mac|type) on '(?P<subject>(?:en[opsx]|eth\d|wl[opsx]|wlan\d|bond\d)[^'\n]*)': no such device",
        r"(?:unable|failed|cannot)(?: to)? (?:get|obtain) (?:the )?(?:interface )?index (?:for|of) (?:the )?interface '?(?P<subject>[\w.@-]+?)'?: ",
        r"(?:index|índice|indice|indeks\w*|индекс\w*|索引)[^\n]{0,60}?\b(?P<subject>[a-z][\w.@-]+)\W{0,2}: no such device",
        r"(?:error|failed|unable)[^\n]*macvtap\d*@(?P<subject>[\w.-]+)[^\n]*no such device",
        r"macvtap[^\n]*interface '?(?P<subject>[\w.-]+)'?[^\n]*no such device",
    ),
    doubtful=(
        r"cannot get interface (?:flags|mac|type) on '(?P<subject>[^'\n]+)': no such device",
    ),
    backed=r"type=['\x22]direct['\x22]",
    fixes=(edit("correct <source dev='{subject}'/>"),),
    proof=nets.DEVICE_MISSING,
)
POSITIVE = (
    Evidence(error="Unable to get index for interface eth7: No such device"),
    Evidence(error="falha ao obter índice para interface enx0: Dispositivo inexistente"),
)
NEGATIVE = (
    Evidence(error="Cannot get interface MTU on 'br0': No such device"),
    Evidence(
        error="error creating macvtap interface macvtap0@eth1 (52:54:00:00:00:01): Device or resource busy"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

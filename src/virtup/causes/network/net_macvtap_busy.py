"""The device under a macvtap interface is already enslaved elsewhere.

## What it means
A network card that belongs to a bridge or a bond, or that has a macvlan of another mode or a
passthrough one, cannot carry another macvtap.

## How to confirm
`ip -d link show DEV` prints `master`; `ip -d link show type macvtap` lists the others.

## What to do
Use the bridge itself (`<interface type='bridge'>`), another card, or one mode for all.

## Strings it goes by
- `error creating macvtap interface macvtap0@eth0 (52:54:00:00:00:01): Device or resource busy`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU209"
SLUG = "net-macvtap-busy"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The device '{subject}' cannot carry another macvtap: it belongs to a bridge, bond or other guest.",
    phrases=(
        r"(?:error|failed|unable)[^\n]*macvtap\w*@(?P<subject>[\w.-]+)[^\n]*: (?:device or resource busy|file exists)",
        r"(?:error|failed|unable) creating macv(?:tap|lan)[^\n]*?(?:interface|on|of) '?(?P<subject>(?!macvtap\d*@)[\w.-]+)'?[^\n]*: (?:device or resource busy|file exists)",
    ),
    fixes=(
        Fix("see who has it", ("ip -d link show {subject}",)),
        edit("use the bridge of '{subject}', or another device,"),
    ),
    proof=nets.DEVICE_TAKEN,
)
POSITIVE = (
    Evidence(
        error="error creating macvtap interface macvtap0@eth0 (52:54:00:00:00:01): Device or resource busy"
    ),
)
NEGATIVE = (Evidence(error="could not configure /dev/net/tun (tap7): Device or resource busy"),)

probes = _TOLD.probes
find = _TOLD.find

"""A spicevmc channel or redirection stays in a domain without SPICE graphics.

## What it means
`<channel type='spicevmc'>`, `<redirdev type='spicevmc'>` and smartcards by SPICE only work
beside `<graphics type='spice'>`; libvirt checks that since 10.x.

## How to confirm
`virtup dumpxml NAME | grep -e spicevmc -e '<graphics'`.

## What to do
Remove the channel and the redirections, or add SPICE graphics.

## Strings it goes by
- `chardev 'spicevmc' not supported without spice graphics`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU297"
SLUG = "config-spice-channel-no-spice"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest has a device of '{subject}', and no SPICE graphics.",
    phrases=(
        r"'?(?P<subject>spice\w+)'?[^\n]{0,40} (?:not supported|requires?|needs?|unsupported|cannot be used)[^\n]*(?:without|spice) (?:spice )?graphics[^\n]*",
        r"(?:redir(?:ected|dev)|channel|smartcard)[^\n]*without (?P<subject>spice)[^\n]*",
    ),
    fixes=(edit("remove the devices of type 'spicevmc'"),),
    proof=contradictions.SPICE_CHANNEL,
)
POSITIVE = (
    Evidence(
        error="unsupported configuration: chardev 'spicevmc' not supported without spice graphics"
    ),
)
NEGATIVE = (Evidence(error="spicevmc not supported in this QEMU binary"),)

probes = _TOLD.probes
find = _TOLD.find

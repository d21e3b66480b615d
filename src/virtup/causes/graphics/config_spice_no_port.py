"""SPICE graphics without port, TLS port or autoport.

## What it means
A SPICE server that listens on an address needs a port, and the definition gives neither a port
nor autoport.

## How to confirm
`virtup dumpxml NAME | grep -A3 '<graphics'`.

## What to do
`<graphics type='spice' autoport='yes'/>`.

## Strings it goes by
- `neither port nor tls-port specified for spice`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU299"
SLUG = "config-spice-no-port"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The SPICE graphics have neither a port nor a TLS port.",
    subject="spice port",
    phrases=(
        r"neither port nor tls-?port specified[^\n]*",
        r"spice[^\n]{0,40}(?:no port|without (?:a )?port|port (?:is )?(?:not set|missing|required))[^\n]*",
    ),
    fixes=(edit("set autoport='yes' on <graphics type='spice'>"),),
    proof=contradictions.SPICE_PORT,
)
POSITIVE = (Evidence(stderr="qemu-kvm: neither port nor tls-port specified for spice\n"),)
NEGATIVE = (
    Evidence(stderr="Spice-WARNING **: reds_init_socket: binding socket to 0.0.0.0:5900 failed\n"),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Have the port chosen."""
    displays = definition.devices(ev.definition, "graphics")
    return revise.given(revise.with_value(displays, "type", "spice"), "autoport", "yes")

"""Two serial devices of the definition are the same ISA port.

## What it means
`<target type='isa-serial' port='N'/>` gives a serial device its number (0 is COM1, ttyS0), and two
devices have the same one: most often one was copied with its `<target>`.

## How to confirm
The message names the port; `virtup dumpxml NAME | grep -A3 '<serial'`.

## What to do
Leave `<target>` of one of them out: it gets the next free port.

## Strings it goes by
- `target port '0' already allocated`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU417"
SLUG = "xml-serial-port-duplicate"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Two serial devices of the definition are ISA port {subject}.",
    subject="the port",
    phrases=(r"target port '(?P<subject>\d+)' already allocated[^\n]*",),
    fixes=(edit("remove <target port='{subject}'> of one of them: it gets the next free port,"),),
    proof=contradictions.SERIAL_PORT_TWICE,
)
POSITIVE = (
    Evidence(error="error: internal error: target port '0' already allocated"),
    Evidence(error="XML error: target port '1' already allocated: two serial devices are it"),
)
NEGATIVE = (
    Evidence(error="virtio serial port 1 on controller 0 is taken or not there"),
    Evidence(error="XML error: attempted double use of PCI Address 0000:00:07.0"),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Leave the port to the first that has it."""
    targets = [one.find("target") for one in definition.devices(ev.definition, "serial")]
    having = [one for one in targets if one is not None and one.get("port") == finding.subject]
    return tuple(change for one in having[1:] for change in revise.given(one, "port", None))

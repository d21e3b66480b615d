"""Two devices have the same PCI address, or function 0 lacks multifunction.

## What it means
Addresses were copied with a device, or several functions share a slot of which function 0 does
not say `multifunction='on'`.

## How to confirm
`virtup dumpxml NAME | grep "address type='pci'" | sort | uniq -d`.

## What to do
Remove the `<address>` of one of the two: a free one is chosen.

## Strings it goes by
- `Attempted double use of PCI Address 0000:00:03.0`
- `PCI: 3.0 indicates single function, but 3.1 is already populated.`
"""

from __future__ import annotations

from virtup.causes import contradictions, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU265"
SLUG = "xml-pci-addr-duplicate"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Two devices have the PCI address {subject}.",
    phrases=(
        r"attempted double use of PCI (?:address|slot) (?P<subject>[\w:.]+)",
        r"PCI: (?P<subject>[\w:.]+) indicates single function, but[^\n]*",
        r"PCI: single function device can't be populated in function (?P<subject>[\w.]+)",
        r"(?:PCI )?address (?P<subject>[\da-f:.]{7,}) is (?:already )?(?:in use|used|occupied)[^\n]*",
    ),
    fixes=(edit("remove the <address> of one of the two"),),
    proof=contradictions.PCI_ADDRESS_TWICE,
)
POSITIVE = (Evidence(error="XML error: Attempted double use of PCI Address 0000:00:03.0"),)
NEGATIVE = (
    Evidence(
        stderr="PCI: slot 2 function 0 not available for e1000, in use by cirrus-vga,id=video0\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Leave the address to the first that has it: the others get free ones."""
    having = revise.at_pci_address(ev.definition, finding.subject)
    return revise.dropped(*(one.find("address") for one in having[1:] or having))

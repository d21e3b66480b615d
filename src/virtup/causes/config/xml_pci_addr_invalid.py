"""A PCI address is out of the range of its bus.

## What it means
A device's `<address>` names a slot or bus that its controller does not have: slot 0 of a bridge,
a slot above 0 of a PCIe port, a bus without controller, a controller on itself.

## How to confirm
`virtup dumpxml NAME | grep -e '<controller' -e "type='pci'"`.

## What to do
Remove the `<address>`: a fitting one is chosen.

## Strings it goes by
- `Invalid PCI address 0000:01:00.0. slot must be >= 1`
- `PCI controller at index 1 (0x01) has bus='0x01', but index must be larger than bus`
"""

from __future__ import annotations

from virtup.causes import revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU266"
SLUG = "xml-pci-addr-invalid"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The PCI address of {subject} is not possible on its bus.",
    subject="a device",
    phrases=(
        r"invalid PCI address (?P<subject>[\w:.]+?)\.? [^\n]*",
        r"(?P<subject>PCI controller at index \d+)[^\n]*must be larger than bus",
        r"(?:the )?(?:device|PCI controller)[^\n]{0,40}at PCI address (?P<subject>[\w:.]+)[^\n]*(?:cannot be plugged|requires|not compatible)[^\n]*",
        r"PCI bus (?:is )?not compatible with the device at (?P<subject>[\w:.]+)[^\n]*",
        r"(?:invalid|unrecogni[sz]ed) PCI (?:slot|address|bus|function)[^\n]*",
        r"a PCI slot is needed to connect a PCI controller[^\n]*",
    ),
    fixes=(edit("remove its <address>"),),
)
POSITIVE = (Evidence(error="XML error: Invalid PCI address 0000:01:00.0. slot must be >= 1"),)
NEGATIVE = (Evidence(error="Attempted double use of PCI Address 0000:00:03.0"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Take the address from what has it."""
    having = revise.at_pci_address(ev.definition, finding.subject)
    return revise.dropped(*(one.find("address") for one in having))

"""The PCI root controller does not fit the machine type.

## What it means
i440FX has `pci-root`, Q35 and `virt` have `pcie-root`. The machine type was changed, and the
controllers of the old one stayed.

## How to confirm
`virtup dumpxml NAME | grep -e machine= -e "controller type='pci'"`.

## What to do
Remove all `<controller type='pci'>` and the `<address type='pci'>` of the devices: they are made
anew.

## Strings it goes by
- `a PCI controller with index=0 must be model='pci-root' for this machine type, but model='pcie-root' was found instead`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU271"
SLUG = "config-pci-root-model"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The controller '{subject}' does not fit the machine type.",
    phrases=(
        r"must be model='(?P<want>pcie?-root)' for this machine type, but model='(?P<subject>[\w-]+)' was found[^\n]*",
        r"(?P<subject>pcie-(?:root|root-port|pci-bridge|to-pci-bridge)|dmi-to-pci-bridge)[^\n]{0,60}(?:not supported|unsupported|cannot be used)[^\n]*machine[^\n]*",
    ),
    fixes=(edit("remove all <controller type='pci'> and the PCI addresses"),),
    proof=contradictions.PCI_ROOT,
)
POSITIVE = (
    Evidence(
        error="must be model='pci-root' for this machine type, but model='pcie-root' was found instead"
    ),
)
NEGATIVE = (Evidence(error="No PCI buses available"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Leave controllers and addresses of PCI to be chosen for the machine."""
    gone = []
    for device in definition.devices(ev.definition):
        if device.tag == "controller" and device.get("type") == "pci":
            gone.append(device)
        elif (address := device.find("address")) is not None and address.get("type") == "pci":
            gone.append(address)
    return revise.dropped(*gone)

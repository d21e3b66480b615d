"""An IDE device on a machine type without IDE.

## What it means
Q35 and `virt` have no IDE controller; a disk with `bus='ide'` came from a definition for i440FX.

## How to confirm
`virtup dumpxml NAME | grep -e machine= -e "bus='ide'"`.

## What to do
`bus='sata'` (Q35) or `virtio`; a target `hda` becomes `sda`.

## Strings it goes by
- `IDE controllers are unsupported for this QEMU binary or machine type`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU267"
SLUG = "config-ide-on-q35"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest has an IDE device, and its machine type has no IDE.",
    subject="IDE",
    phrases=(
        r"(?<!for )(?<!readonly )\bIDE (?:controllers?|disks?|bus|devices?) (?:is|are) (?:unsupported|not supported)[^\n]*",
        r"(?:machine|q35)[^\n]{0,60}(?:does not|doesn't) (?:support|have) IDE[^\n]*",
        r"'?ide'? (?:is )?not supported (?:for|by|on|with)[^\n]*q35[^\n]*",
    ),
    fixes=(edit("use bus='sata' or 'virtio'"),),
    proof=contradictions.IDE_ON_Q35,
)
POSITIVE = (
    Evidence(
        error="unsupported configuration: IDE controllers are unsupported for this QEMU binary or machine type"
    ),
)
NEGATIVE = (
    Evidence(error="SATA is not supported with this QEMU binary"),
    Evidence(
        error="unsupported configuration: Setting wwn for ide disk is not supported by this QEMU"
    ),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Put the disks on SATA, and leave their addresses to be chosen."""
    made: tuple[Change, ...] = ()
    for disk in definition.devices(ev.definition, "disk"):
        target = disk.find("target")
        if target is not None and target.get("bus") == "ide":
            made += revise.given(target, "bus", "sata") + revise.dropped(disk.find("address"))
    old = definition.devices(ev.definition, "controller")
    return made + revise.dropped(*(one for one in old if one.get("type") == "ide"))

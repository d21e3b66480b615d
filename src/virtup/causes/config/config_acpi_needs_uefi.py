"""ACPI on an architecture where it needs UEFI, without UEFI firmware.

## What it means
On ARM the tables of ACPI are handed over by UEFI, so that `<acpi/>` without a UEFI loader cannot
work.

## How to confirm
`virtup dumpxml NAME | grep -e '<acpi' -e '<loader' -e firmware=`.

## What to do
`<os firmware='efi'>`, or remove `<acpi/>`.

## Strings it goes by
- `ACPI requires UEFI on this architecture`
"""

from __future__ import annotations

from virtup.causes import contradictions, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU268"
SLUG = "config-acpi-needs-uefi"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest has <acpi/>, which needs UEFI firmware on this architecture.",
    subject="acpi",
    phrases=(r"ACPI requires UEFI[^\n]*",),
    fixes=(edit("use <os firmware='efi'>, or remove <acpi/>"),),
    proof=contradictions.ACPI_WITHOUT_UEFI,
)
POSITIVE = (Evidence(error="unsupported configuration: ACPI requires UEFI on this architecture"),)
NEGATIVE = (Evidence(error="Secure boot requires SMM feature enabled"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Remove ACPI."""
    return revise.dropped(revise.first(ev.definition, "features/acpi"))

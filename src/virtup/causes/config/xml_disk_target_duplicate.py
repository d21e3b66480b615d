"""Two disks have the same target name.

## What it means
Every `<target dev=.../>` of a guest has to be another one, over all buses that share a prefix
(SATA, SCSI and USB: sd).

## How to confirm
`virtup domblklist NAME`, or `grep '<target dev' FILE`.

## What to do
Give one of the disks another name.

## Strings it goes by
- `target 'sda' duplicated for disk sources '/img/a' and '/img/b'`
- `target vda already exists`
"""

from __future__ import annotations

from string import ascii_lowercase

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU272"
SLUG = "xml-disk-target-duplicate"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Two disks have the target name '{subject}'.",
    phrases=(
        r"target '(?P<subject>\w+)' duplicated for disk sources[^\n]*",
        r"target '?(?P<subject>[hsvx]v?d\w+)'? already exists",
        r"disk '?(?P<subject>[hsvx]v?d\w+)'? (?:is )?(?:specified|defined|used) (?:twice|more than once)",
    ),
    fixes=(edit("give one of the disks '{subject}' another name"),),
    proof=contradictions.TARGET_TWICE,
)
POSITIVE = (
    Evidence(error="XML error: target 'sda' duplicated for disk sources '/img/a' and '/img/b'"),
)
NEGATIVE = (
    Evidence(
        error="Found duplicate drive address for disk with target name 'sda' controller='0' bus='0' target='0' unit='0'"
    ),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Give every disk of that name but the first the next name that is free."""
    targets = [one.find("target") for one in definition.devices(ev.definition, "disk")]
    named = [one for one in targets if one is not None]
    taken = {str(one.get("dev", "")) for one in named}
    head = finding.subject[:2]
    free = iter([head + letter for letter in ascii_lowercase if head + letter not in taken])
    twice = [one for one in named if one.get("dev") == finding.subject][1:]
    return tuple(change for one in twice for change in revise.given(one, "dev", next(free, None)))

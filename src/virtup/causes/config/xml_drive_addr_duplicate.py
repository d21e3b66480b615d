"""Two disks have the same drive address.

## What it means
`<address type='drive'>` (controller, bus, target, unit) is there twice, or is computed from
target names that fall on the same place.

## How to confirm
`virtup dumpxml NAME | grep "type='drive'"`.

## What to do
Remove the `<address>` of one of the two.

## Strings it goes by
- `Found duplicate drive address for disk with target name 'sda' controller='0' bus='0' target='0' unit='0'`
- `IDE unit 0 is in use`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change
from virtup.model.revision import shown

CODE = "VU273"
SLUG = "xml-drive-addr-duplicate"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Two disks have one drive address ({subject}).",
    subject="a disk",
    phrases=(
        r"duplicate drive address for disk with target name '(?P<subject>[^'\n]+)'[^\n]*",
        r"(?:using|has) the same (?:drive )?address[^\n]*disk[^\n]*'(?P<subject>\w+)'",
        r"(?P<subject>IDE unit \d+|lun \d+) (?:is )?(?:already )?(?:in use|used by)[^\n]*",
        r"drive with bus=\d+, unit=\d+ \(index=\d+\) exists",
    ),
    fixes=(edit("remove the <address> of one of the two disks"),),
    proof=contradictions.DRIVE_ADDRESS_TWICE,
)
POSITIVE = (
    Evidence(
        error="XML error: Found duplicate drive address for disk with target name 'sda' controller='0' bus='0' target='0' unit='0'"
    ),
)
NEGATIVE = (Evidence(error="target 'sda' duplicated for disk sources '/img/a' and '/img/b'"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Leave a drive address to the first disk that has it."""
    seen: set[tuple[str, str]] = set()
    later = []
    for disk in definition.devices(ev.definition, "disk"):
        address, target = disk.find("address"), disk.find("target")
        if address is None or address.get("type") != "drive":
            continue
        key = (shown(address), str(target.get("bus")) if target is not None else "")
        later += [address] if key in seen else []
        seen.add(key)
    return revise.dropped(*later)

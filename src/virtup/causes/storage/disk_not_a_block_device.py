"""A path given as block disk is no block device.

## What it means
`<disk type='block'>` (or a device plug-in's path) names a directory, a character device or an
ordinary file.

## How to confirm
`stat -c %F PATH`.

## What to do
`type='file'` for a file, or the block device's own path.

## Strings it goes by
- `Could not refresh total sector count: Illegal seek`
- `'/srv/a.img' is not a block device`
"""

from __future__ import annotations

from collections.abc import Iterator

from virtup.causes import contents, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Ahead, Told
from virtup.causes.usage import files
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess
from virtup.model.repair import Change

CODE = "VU253"
SLUG = "disk-not-a-block-device"


def _block(ev: Evidence) -> Iterator[str]:
    """Yield the disks that are to be block devices."""
    yield from (use.path for use in files(ev.argv) if use.block)


_TOLD = Told(
    CODE,
    SLUG,
    sentence="'{subject}' is given as a disk and is no block device.",
    subject="the disk",
    phrases=(
        r"(?:file=|filename\x22:\x22)?(?P<subject>/[^,\s'\x22]+)?[^\n]{0,200}could not refresh total sector count: illegal seek",
        r"'?(?P<subject>/[^'\s]+)'? is not a block device",
        r"'host_device' driver (?:requires '(?P<subject>[^'\n]+)' to be|expects)[^\n]*",
        r"could not refresh total sector count[^\n]*",
        r"block device required[^\n]*",
    ),
    fixes=(edit("name a block device, or use <disk type='file'>"),),
    proof=contents.NOT_A_BLOCK_DEVICE,
    ahead=Ahead(_block, contents.NOT_A_BLOCK_DEVICE),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/dev/vfio/vfio,format=raw,if=none,id=d: Could not refresh total sector count: Illegal seek\n"
    ),
)
NEGATIVE = (Evidence(error="Could not open '/dev/vg/a': No such file or directory"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Have an ordinary file as what it is."""
    fact = ev.fact(PathAccess(finding.subject))
    for disk in definition.devices(ev.definition, "disk"):
        source = disk.find("source")
        if source is None or disk.get("type") != "block" or source.get("dev") != finding.subject:
            continue
        if fact is not None and fact.kind == "file":
            return (
                *revise.given(disk, "type", "file"),
                *revise.given(source, "file", finding.subject),
                *revise.given(source, "dev", None),
            )
    return ()

"""The overlay file of a transient disk was left over from an earlier run.

## What it means
`<transient/>` puts the guest's writes into an overlay beside the image, which is removed when
the guest stops. After a crash it stays, and libvirt does not write over it.

## How to confirm
`ls -l IMAGE.TRANSIENT*`.

## What to do
Remove the overlay when no guest uses it (`fuser -v FILE`).

## Strings it goes by
- `Overlay file '/img/a.qcow2.TRANSIENT' for transient disk 'vda' already exists`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU255"
SLUG = "disk-transient-overlay-exists"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The overlay '{subject}' of a transient disk is left over from an earlier run.",
    phrases=(
        r"overlay file '(?P<subject>[^'\n]+)' for transient disk '[^'\n]*' already exists",
        r"'?(?P<subject>/\S+\.TRANSIENT[^\s']*)'?[^\n]*(?:already exists|file exists)",
    ),
    fixes=(
        Fix(
            "look who uses it, then remove it",
            (
                "fuser -v {subject}",
                "rm {subject}",
            ),
            Safety.CONFIRM,
        ),
    ),
    proof=programs.path_exists(),
)
POSITIVE = (
    Evidence(
        error="operation failed: Overlay file '/img/a.qcow2.TRANSIENT' for transient disk 'vda' already exists"
    ),
)
NEGATIVE = (Evidence(error="domain 'vm1' already exists with uuid 0"),)

probes = _TOLD.probes
find = _TOLD.find

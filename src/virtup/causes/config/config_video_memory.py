"""A graphics card has an amount of memory that QEMU does not take.

## What it means
`<model vgamem='...'>` and `vram='...'` are in KiB, at least 1024 and, for vgamem, a power of two;
a small number was most often meant in MiB.

## How to confirm
The message names the attribute; `virtup dumpxml NAME | grep -A2 '<video'`.

## What to do
Give at least 1024 (16384 is usual), or remove the attribute: the card then has its default.

## Strings it goes by
- `value for 'vgamem' must be at least 1 MiB (1024 KiB)`
- `value for 'vgamem' must be power of two`
- `value for 'vram' must be less than '4194303'`
"""

from __future__ import annotations

from virtup.causes import definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU418"
SLUG = "config-video-memory"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The video memory '{subject}' of a graphics card has a size that QEMU does not take.",
    subject="video memory",
    phrases=(
        r"value for '(?P<subject>vgamem|vram64|vram|ram)' must be (?:at least|power of two|less than)[^\n]*",
    ),
    fixes=(edit("set {subject} to a power of two of at least 1024 (KiB), or remove it"),),
)
POSITIVE = (
    Evidence(
        error="unsupported configuration: value for 'vgamem' must be at least 1 MiB (1024 KiB)"
    ),
    Evidence(error="unsupported configuration: value for 'vgamem' must be power of two"),
)
NEGATIVE = (
    Evidence(error="unsupported configuration: 'slots' must be at least 1 for memory hotplug"),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Leave the size to QEMU's default."""
    models = [one.find("model") for one in definition.devices(ev.definition, "video")]
    return tuple(
        change
        for one in models
        for change in (revise.given(one, finding.subject, None) if one is not None else ())
    )

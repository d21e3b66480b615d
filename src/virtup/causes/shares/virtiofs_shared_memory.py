"""virtiofs (vhost-user) without shared guest memory.

## What it means
virtiofsd and other vhost-user helpers read the guest's memory, which therefore has to be shared.

## How to confirm
`virtup dumpxml NAME | grep -A4 memoryBacking`.

## What to do
`<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>`.

## Strings it goes by
- `virtiofs requires shared memory`
- `virtiofs requires one or more NUMA nodes`
"""

from __future__ import annotations

from virtup.causes import contradictions, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU315"
SLUG = "virtiofs-shared-memory"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="{subject} needs the guest's memory to be shared, and it is not.",
    phrases=(
        r"(?P<subject>virtiofs|vhost-?user\w*)[^\n]{0,40} requires? (?:shared memory|one or more NUMA|share=on|memory)[^\n]*",
        r"(?P<subject>vhost-user\w*|virtio-?fs)[^\n]*(?:not shared|without shared|mem-share|share=on)[^\n]*",
    ),
    doubtful=(r"waiting for daemon failed: HandleRequest\(InvalidParam\)",),
    fixes=(
        edit("add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"),
    ),
    proof=either(contradictions.NOT_SHARED, contradictions.UNSHARED_LINE),
)
POSITIVE = (
    Evidence(error="unsupported configuration: virtiofs requires shared memory"),
    Evidence(
        stderr="[2024-01-05T10:00:00Z ERROR virtiofsd] Waiting for daemon failed: HandleRequest(InvalidParam)\n"
    ),
)
NEGATIVE = (Evidence(error="virtiofsd died unexpectedly"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Have the guest's memory shared."""
    root = revise.first(ev.definition, ".")
    if root is None:
        return ()
    memory = root.find("memoryBacking")
    if memory is None:
        return (
            Change("memoryBacking/source", "type", None, "memfd"),
            Change("memoryBacking/access", "mode", None, "shared"),
        )
    shared = revise.below(memory, "access", "mode", "shared")
    plain = memory.find("hugepages") is None
    return shared + (revise.below(memory, "source", "type", "memfd") if plain else ())

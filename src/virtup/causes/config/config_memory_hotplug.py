"""Incomplete memory hotplug configuration.

## What it means
`<maxMemory>` needs its `slots`, a size above `<memory>`, and at least one NUMA node in `<cpu>`;
a `<memory>` device needs all of that.

## How to confirm
`virtup dumpxml NAME | grep -e maxMemory -e '<numa' -e '<memory '`.

## What to do
`<maxMemory slots='16' unit='GiB'>32</maxMemory>` with `<numa><cell .../></numa>`.

## Strings it goes by
- `both maximum memory size and memory slot count must be specified`
- `At least one numa node has to be configured when enabling memory hotplug`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU269"
SLUG = "config-memory-hotplug"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's memory hotplug is not described in full.",
    subject="maxMemory",
    phrases=(
        r"both maximum memory size and memory slot[^\n]*",
        r"at least one numa node has to be configured[^\n]*",
        r"(?:cannot use memory device|memory hotplug|maximum memory size)[^\n]*(?:not (?:supported|enabled|set|configured)|must be|requires|without)[^\n]*",
        r"memory (?:device )?slots? count[^\n]*exceed[^\n]*",
        r"'?maxmem'? (?:is )?not set[^\n]*",
        r"invalid value of maxmem[^\n]*",
        r"maxMemory[^\n]*(?:must be|has to be|requires|without)[^\n]*",
        r"a memory device[^\n]*(?:not (?:enabled|allowed)|requires)[^\n]*",
        r"invalid -m option value: missing '?(?:maxmem|slots)[^\n]*",
    ),
    fixes=(edit("give <maxMemory> its slots and <cpu> a <numa> cell, or remove <maxMemory>"),),
    proof=contradictions.MEMORY_HOTPLUG,
)
POSITIVE = (
    Evidence(error="XML error: both maximum memory size and memory slot count must be specified"),
    Evidence(error="error: XML error: both maximum memory size and memory slot..."),
)
NEGATIVE = (Evidence(error="cannot set up guest memory 'pc.ram': Cannot allocate memory"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Remove the limit of a memory that cannot grow, unless the guest has memory devices."""
    if definition.has(ev.definition, "devices/memory"):
        return ()
    return revise.dropped(revise.first(ev.definition, "maxMemory"))

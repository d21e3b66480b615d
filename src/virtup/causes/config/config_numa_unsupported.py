"""Guest NUMA in a form that the machine type does not support.

## What it means
Not every machine type has NUMA, and `-numa node,mem=` went away for machine types from 5.1 on,
in favour of memory backends.

## How to confirm
`virtup dumpxml NAME | grep -A6 '<numa'`.

## What to do
Another machine type, or a newer libvirt, which writes backends; or remove `<numa>`.

## Strings it goes by
- `NUMA is not supported by this machine-type`
- `Parameter -numa node,mem is not supported by this machine type`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU270"
SLUG = "config-numa-unsupported"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's NUMA layout is in a form that its machine type does not take.",
    subject="numa",
    phrases=(
        r"NUMA (?:is )?not supported by[^\n]*",
        r"-numa node,mem[^\n]*(?:not supported|deprecated|removed)[^\n]*",
        r"(?:disjoint NUMA cpu ranges|per-node memory binding|NUMA memory (?:tuning|backend)\w*)[^\n]*not supported[^\n]*",
        r"(?:total memory for NUMA nodes|(?<!target )NUMA nodes?)[^\n]*(?:should equal|must be|do not match|doesn't match)[^\n]*",
    ),
    fixes=(edit("change the machine type, or remove <numa>"),),
    proof=contradictions.NUMA_SUM,
)
POSITIVE = (Evidence(stderr="qemu-system-arm: NUMA is not supported by this machine-type\n"),)
NEGATIVE = (
    Evidence(error="At least one numa node has to be configured when enabling memory hotplug"),
    Evidence(
        error="unsupported configuration: Processor mask of target NUMA node 1 doesn't match source"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

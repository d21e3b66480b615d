"""A guest's memory is bound to a NUMA node that the host does not have.

## What it means
`<numatune>` names NUMA nodes by the host's numbers. The definition came from another host, or a
node's memory is offline.

## How to confirm
`cat /sys/devices/system/node/online`; `numactl --hardware`.

## What to do
Name nodes that are there in `<numatune>`, or remove it.

## Strings it goes by
- `NUMA node 3 is unavailable`
- `cannot bind memory to host NUMA nodes: Invalid argument` (QEMU)
- `unable to set NUMA policy`, `Unable to write to '.../cpuset.mems'`
"""

from __future__ import annotations

from virtup.causes import revise
from virtup.causes.finding import Finding, Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import Proof, Shown, here
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe_system import Setting, SettingFact
from virtup.model.repair import Change
from virtup.model.scalar import parse_cpuset

CODE = "VU382"
SLUG = "host-numa-node-missing"

_ONLINE = Setting("/sys/devices/system/node/online")


def _judge(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(_ONLINE)
    if fact is None or not subject:
        return None
    there = fact.value if fact.exists else "0"
    return Shown(
        holds=not set(parse_cpuset(subject)) <= set(parse_cpuset(there)),
        facts=(here(f"its NUMA nodes are {there}"),),
        fixes=(
            edit(f"name one of the nodes that are there ({there}) in <numatune>, or remove it,"),
        ),
    )


def _asks(_ev: Evidence, _subject: str) -> tuple[Setting, ...]:
    return (_ONLINE,)


_TOLD = Told(
    CODE,
    SLUG,
    sentence="<numatune> binds the guest's memory to NUMA node {subject}, which the host has not.",
    otherwise="<numatune> binds the guest's memory to NUMA nodes that the host does not have.",
    subject="numatune",
    phrases=(
        r"NUMA node (?P<subject>[\d,-]+) is (?:unavailable|out of range)[^\n]*",
        r"cannot bind memory to host NUMA nodes[^\n]*",
        r"(?:unable to write|invalid value)[^\n]*cpuset\.mems[^\n]*",
        r"(?:host-nodes|nodeset)[^\n]*: Invalid argument",
    ),
    fixes=(
        Fix("see which are there", ("cat /sys/devices/system/node/online",)),
        edit("name nodes that are there in <numatune>, or remove it,"),
    ),
    proof=Proof(_judge, _asks),
)
_SAID = (
    "unsupported configuration: NUMA node 3 is unavailable: <numatune> names it, and this host has "
    "node 0 (/etc/vm.xml, line 6)"
)
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(error=_SAID, uid=0, host={_ONLINE: SettingFact(exists=True, value="0")}),
    Evidence(error="unsupported configuration: NUMA node 3 is unavailable"),
    Evidence(
        stderr="qemu-system-x86_64: cannot bind memory to host NUMA nodes: Invalid argument\n"
    ),
)
NEGATIVE = (
    Evidence(error="Per-node memory binding is not supported with this QEMU"),
    Evidence(error="cannot set CPU affinity on process 1234: Invalid argument"),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Leave the memory to be placed by the host."""
    return revise.dropped(revise.first(ev.definition, "numatune"))

"""A guest is pinned to a processor that the host does not have, or that is off.

## What it means
`<vcpupin>`, `<emulatorpin>`, `<iothreadpin>` or `<vcpu cpuset=...>` names processors by the host's
numbers. The definition came from a larger host, or the processor was switched off (by hand, by
`nosmt`, or by a cpuset that a container or a service runs in).

## How to confirm
`cat /sys/devices/system/cpu/online`; `lscpu -e`.

## What to do
Pin to processors that are online, or switch the one that is meant on:
`echo 1 > /sys/devices/system/cpu/cpuN/online`.

## Strings it goes by
- `names the host's CPU 63, which is not there or off`
- `cannot set CPU affinity on process 1234: Invalid argument`
- `Unable to write to '.../cpuset.cpus': Permission denied` (libvirt 1 to 10, with cgroups)
- `Numerical result out of range` for a cpuset
"""

from __future__ import annotations

import re

from virtup.causes import revise
from virtup.causes.finding import Finding, Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import Proof, Shown, here
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe_system import Setting, SettingFact
from virtup.model.repair import Change
from virtup.model.scalar import parse_cpuset

CODE = "VU381"
SLUG = "host-cpu-not-online"

_BY = re.compile(r"(<[^>\n]+>) names the host's CPUs?")
_ONLINE = Setting("/sys/devices/system/cpu/online")
_SAID = (
    "<vcpupin vcpu='0'> names the host's CPU 63, which is not there or off: online are 0-1 "
    "(/etc/vm.xml, line 6)"
)


def _judge(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(_ONLINE)
    if fact is None or not fact.exists or not subject:
        return None
    by = _BY.search(ev.error)
    return Shown(
        holds=not set(parse_cpuset(subject)) <= set(parse_cpuset(fact.value)),
        facts=(here(f"the CPUs {fact.value} are online"),),
        sentence=f"{by[1]} pins the guest to the host's CPU {subject}, which is not there or off."
        if by
        else "",
        fixes=(edit(f"pin to CPUs that are online ({fact.value})"),),
    )


def _asks(_ev: Evidence, _subject: str) -> tuple[Setting, ...]:
    return (_ONLINE,)


_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest is pinned to a CPU that the host does not have: {subject}.",
    otherwise="The guest is pinned to CPUs that the host does not have, or may not use.",
    subject="cpuset",
    phrases=(
        r"names the host's CPUs? (?P<subject>[\d,-]+), which (?:is|are) not there or off[^\n]*",
        r"cannot set CPU affinity on process \d+: Invalid argument[^\n]*",
        r"(?:unable to write|invalid value)[^\n]*cpuset\.cpus[^\n]*",
    ),
    fixes=(
        Fix("see which are online", ("cat /sys/devices/system/cpu/online",)),
        edit("pin to CPUs that are online"),
    ),
    proof=Proof(_judge, _asks),
)
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(error=_SAID, uid=0, host={_ONLINE: SettingFact(exists=True, value="0-1")}),
    Evidence(error="cannot set CPU affinity on process 1234: Invalid argument"),
    Evidence(
        error="Unable to write to '/sys/fs/cgroup/cpuset/machine/qemu-1-vm/vcpu0/cpuset.cpus': "
        "Numerical result out of range"
    ),
)
NEGATIVE = (
    Evidence(error="NUMA node 3 is unavailable"),
    Evidence(error="Unable to write to '/sys/fs/cgroup/cpu/machine/cpu.shares': Invalid argument"),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Drop what pins the guest to the CPUs that are missing: it runs on any."""
    missing = set(parse_cpuset(finding.subject)) if finding.subject[:1].isdigit() else set()
    root = revise.first(ev.definition, ".")
    pins = list(root.iterfind("cputune/*[@cpuset]")) if root is not None else []
    pinned = [one for one in pins if missing & set(parse_cpuset(str(one.get("cpuset"))))]
    vcpu = root.find("vcpu[@cpuset]") if root is not None else None
    all_of_them = vcpu is not None and missing & set(parse_cpuset(str(vcpu.get("cpuset"))))
    return revise.dropped(*pinned) + (revise.given(vcpu, "cpuset", None) if all_of_them else ())

"""More vCPUs than the machine type allows.

## What it means
`<vcpu>` is above what the machine type can have: 255 on i440FX and older Q35, 288 or more on newer
Q35 with an IOMMU.

## How to confirm
The message names both numbers; `query-machines` of the monitor gives `cpu-max`.

## What to do
Lower `<vcpu>`, or use the newest Q35 with `<iommu model='intel'><driver intremap='on' eim='on'/>`.

## Strings it goes by
- `Invalid SMP CPUs 300. The max CPUs supported by machine 'pc-i440fx-7.2' is 255`
- `Number of SMP CPUs requested (300) exceeds max CPUs supported by machine 'pc' (255)`
- `Maximum CPUs greater than specified machine type limit 255`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import contradictions, revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe
from virtup.model.repair import Change

CODE = "VU113"
SLUG = "config-vcpu-limit"
XAPIC_MAX = "255"
"""So many vCPUs are there without an IOMMU that remaps interrupts."""

_WORDS = re.compile(
    r"(?:invalid smp cpus (?P<a>\d+)\. the max cpus supported by machine '(?P<m>[^'\n]+)' is (?P<x>\d+)"
    r"|number of smp cpus requested \((?P<b>\d+)\) exceeds max cpus supported by machine [`'](?P<n>[^'\n]+)' \((?P<y>\d+)\)"
    r"|number of (?:smp|hotpluggable) cpus requested \((?P<c>\d+)\) exceeds the maximum cpus supported by kvm \((?P<w>\d+)\)"
    r"|current -smp configuration requires extended interrupt mode enabled"
    r"|more than (?P<v>\d+) vcpus (?:are only supported on q35-based machine types|require extended interrupt mode)"
    r"|maximum cpus greater than specified machine type limit (?P<z>\d+))[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Invalid SMP CPUs 300. The max CPUs supported by machine "
        "'pc-i440fx-7.2' is 255\n"
    ),
    Evidence(
        error="unsupported configuration: Maximum CPUs greater than specified machine type limit 255"
    ),
    Evidence(
        stderr="qemu-kvm: Number of hotpluggable cpus requested (1000) exceeds the maximum cpus supported by KVM (710)\n"
    ),
    Evidence(
        error="unsupported configuration: more than 255 vCPUs are only supported on q35-based machine types"
    ),
    Evidence(
        stderr="qemu-kvm: current -smp configuration requires Extended Interrupt Mode enabled. You can add an IOMMU using: -device intel-iommu,intremap=on,eim=on\n"
    ),
    Evidence(
        error="unsupported configuration: more than 255 vCPUs require extended interrupt mode enabled on the iommu device"
    ),
)
NEGATIVE = (
    Evidence(error="unsupported configuration: CPU topology doesn't match maximum vcpu count"),
    Evidence(
        stderr="qemu-kvm: warning: Number of SMP cpus requested (64) exceeds the recommended cpus supported by KVM (16)\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the command line has the number that QEMU refuses."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when there are too many vCPUs."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    asked = seen["a"] or seen["b"] or seen["c"]
    limit = seen["x"] or seen["y"] or seen["z"] or seen["w"] or seen["v"] or XAPIC_MAX
    machine = seen["m"] or seen["n"]
    noun = f"machine type '{machine}'" if machine else "KVM" if seen["w"] else "machine type"
    wants = f", and the guest has {asked}" if asked else ""
    found = _found(
        f"The {noun} allows at most {limit} vCPUs{wants}.",
        asked or limit,
        Certainty.LIKELY,
        (seen.quote,),
        (edit(f"lower <vcpu> to {limit} or less"),),
        seen.at,
    )
    yield from contradictions.TOO_MANY_VCPUS.settled(ev, found, asked)


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Lower the number to the limit; a topology that made the other number goes."""
    limit = re.search(r"at most (\d+) vCPUs", finding.sentence)
    vcpu = revise.first(ev.definition, "vcpu")
    if limit is None or vcpu is None:
        return ()
    lower = revise.written(vcpu, limit[1]) + revise.given(vcpu, "current", None)
    return lower + revise.dropped(revise.first(ev.definition, "cpu/topology"))

"""CPU topology and vCPU maximum do not match.

## What it means
sockets x dies x cores x threads of `<topology>` must be the number of `<vcpu>`, and is not.

## How to confirm
`virtup dumpxml NAME | grep -e '<vcpu' -e '<topology'`.

## What to do
Correct one of them, or drop `<topology>`.

## Strings it goes by
- `CPU topology doesn't match maximum vcpu count`
- `Invalid CPU topology: product of the hierarchy must match maxcpus: sockets (1) * ... != maxcpus (4)`
- `cpu topology: sockets (1) * cores (1) * threads (1) < smp_cpus (4)` (QEMU 2.x)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import contradictions, revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.proof import either
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe
from virtup.model.repair import Change

CODE = "VU114"
SLUG = "config-cpu-topology"

_WORDS = re.compile(
    r"(?:cpu topology doesn't match maximum vcpu count|invalid cpu topology|must equal product of (?:the )?topology"
    r"|cpu topology: sockets \(\d+\)|maxcpus must be equal to or greater than smp)[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Invalid CPU topology: product of the hierarchy must match maxcpus: "
        "sockets (1) * dies (1) * cores (1) * threads (1) != maxcpus (4)\n"
    ),
    Evidence(error="unsupported configuration: CPU topology doesn't match maximum vcpu count"),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: Invalid SMP CPUs 300. The max CPUs supported is 255\n"),
)

_PROOF = either(contradictions.TOPOLOGY, contradictions.SMP_PRODUCT)
_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the definition contradicts itself."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the two do not match."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    found = _found(
        "The CPU topology (sockets x dies x cores x threads) is not the number of vCPUs.",
        "topology",
        Certainty.LIKELY,
        (seen.quote,),
        (edit("make <topology> multiply to <vcpu>, or drop <topology>,"),),
        seen.at,
    )
    yield from _PROOF.settled(ev, found, "")


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Drop the topology: the number of vCPUs stays what it is."""
    return revise.dropped(revise.first(ev.definition, "cpu/topology"))

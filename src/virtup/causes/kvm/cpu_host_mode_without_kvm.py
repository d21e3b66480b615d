"""host-passthrough or host-model in a domain that runs without KVM.

## What it means
`<cpu mode='host-passthrough'/>` hands the host's processor to the guest, which only KVM can do. The
domain is of `type='qemu'`, so QEMU emulates the processor.

## How to confirm
`virtup dumpxml NAME | grep -e '<domain' -e '<cpu'`.

## What to do
Make it `<domain type='kvm'>` where the host has KVM; else name a model that QEMU emulates: leave
`<cpu>` out, or `<cpu mode='maximum'/>`.

## Strings it goes by
- `CPU model 'host' requires KVM`, `CPU model 'host' requires KVM or HVF`
- `CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported by hypervisor`
- `unable to find CPU model 'host'` (QEMU without KVM)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import contradictions, revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe
from virtup.model.repair import Change

CODE = "VU066"
SLUG = "cpu-host-mode-without-kvm"
OVER = ("cpu-model-unknown",)

_WORDS = re.compile(
    r"(?:cpu model 'host' requires|unable to find cpu (?:model|definition):? '?host\b"
    r"|cpu mode '(?P<mode>host-\w+)' for \w+ qemu domain[^\n]*not supported)[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(stderr="qemu-system-x86_64: CPU model 'host' requires KVM or HVF\n"),
    Evidence(
        error="unsupported configuration: CPU mode 'host-passthrough' for x86_64 qemu domain on "
        "x86_64 host is not supported by hypervisor"
    ),
    Evidence(
        stderr="qemu-system-x86_64: unable to find CPU model 'host'\n",
        argv=("/usr/bin/qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "host"),
    ),
    Evidence(phase="check", argv=("/q", "-machine", "pc", "-cpu", "host")),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: unable to find CPU model 'Hostile'\n"),
    Evidence(stderr="qemu-system-x86_64: failed to initialize kvm: Permission denied\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the definition contradicts itself."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the host's CPU is asked for without KVM."""
    seen = said(ev).find(_WORDS)
    mode = (seen["mode"] if seen is not None else "") or "host-passthrough"
    if seen is None:
        shown = contradictions.HOST_MODEL.judges(ev, "") if ev.ahead else None
        if shown is not None:
            yield _found(_sentence(mode), mode, Certainty.PROVEN, shown.facts, _fixes(mode))
        return
    found = _found(
        _sentence(mode),
        mode,
        Certainty.LIKELY,
        (seen.quote,),
        _fixes(mode),
        seen.at,
    )
    yield from contradictions.HOST_MODEL.settled(ev, found, "")


def _sentence(mode: str) -> str:
    return f"The CPU mode '{mode}' needs KVM, and the guest runs without it."


def _fixes(mode: str) -> tuple[Fix, ...]:
    return (edit(f"change <domain type='qemu'> to 'kvm', or remove mode='{mode}'"),)


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Drop the CPU that cannot be had without KVM: QEMU's own default takes its place."""
    return revise.dropped(revise.first(ev.definition, "cpu"))

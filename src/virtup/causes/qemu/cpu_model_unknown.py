"""The CPU model does not exist in the installed QEMU.

## What it means
`<cpu><model>` names a model that this QEMU does not know: a typing error, a model of a newer QEMU,
or a name of another hypervisor.

## How to confirm
`qemu-system-x86_64 -cpu help`; the finding names the nearest.

## What to do
Correct the name. `<cpu mode='host-passthrough'/>` gives the guest the host's own CPU when it never
moves to another host; `qemu64` runs everywhere.

## Strings it goes by
- `unable to find CPU model 'Skylake-Sever'`
- `Unable to find CPU definition: Skylake-Sever` (QEMU before 2.5)
- `Unknown CPU model Skylake-Sever`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import revise
from virtup.causes.finding import NOWHERE, Certainty, Finding
from virtup.causes.known import answers, asked
from virtup.causes.usage import cpu_model
from virtup.causes.who import edit, nearest
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Asked, CpuModels, NamesFact
from virtup.model.repair import Change

CODE = "VU036"
SLUG = "cpu-model-unknown"

_WORDS = re.compile(
    r"unable to find (?:x86 )?cpu (?:model|definition)[: ]+'?(?P<a>[\w.-]+)'?"
    r"|unable to find x86 cpu definition(?!:)"
    r"|unknown cpu model '?(?P<b>[\w.-]+)'?"
    r"|(?<!required by )cpu model '?(?P<c>[\w.-]+)'? (?:is )?(?:not supported|unknown|not known|not found)",
    re.IGNORECASE,
)
_QEMU = "/usr/bin/qemu-system-x86_64"
_SAID = "qemu-system-x86_64: unable to find CPU model 'Skylake-Sever'\n"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr="Unable to find CPU definition: Skylake-Sever\n"),
    Evidence(
        stderr=_SAID,
        emulator=_QEMU,
        uid=991,
        host={CpuModels(_QEMU, 991): NamesFact(("qemu64", "Skylake-Client", "Skylake-Server"))},
    ),
    Evidence(error="The CPU model 'kvm65' not found"),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: CPU model 'host' requires KVM or HVF\n"),
    Evidence(stderr="qemu-system-x86_64: Property 'qemu64-x86_64-cpu.frob' not found\n"),
)
_ALIKE = 0.75
"""A model less like the one that is asked for is shown, and not put in its place."""

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Asked]:
    """Ask the emulator for its CPU models when one was refused."""
    wanted = said(ev).find(_WORDS) is not None or (ev.ahead and cpu_model(ev.argv))
    if wanted:
        yield from asked(ev, CpuModels)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the nearest models that this QEMU has."""
    seen = said(ev).find(_WORDS)
    wanted = cpu_model(ev.argv) if ev.ahead else ""
    if seen is not None:
        wanted = seen["a"] or seen["b"] or seen["c"] or cpu_model(ev.argv)
    known = answers(ev, CpuModels)
    if not wanted or (known is not None and wanted in known.names):
        return
    if seen is None and known is None:
        return
    near = nearest(wanted, known.names) if known else []
    sentence = f"This QEMU has no CPU model '{wanted}'"
    evidence = [seen.quote] if seen else []
    if known:
        evidence.append(f"this host: '{wanted}' is not among the {len(known.names)} models it has")
    if near:
        sentence += f"; the nearest that it has: {', '.join(near[:2])}"
    listed = f"`{ev.emulator or 'qemu-system-x86_64'} -cpu help` lists them"
    look = edit(f"change <model>{wanted}</model> to one that QEMU has ({listed})")
    alike = nearest(wanted, near, 1, _ALIKE)
    fix = edit(f"change <model>{wanted}</model> to '{alike[0]}'") if alike else look
    certainty = Certainty.PROVEN if known else Certainty.LIKELY
    yield _found(
        sentence + ".", wanted, certainty, tuple(evidence), (fix,), seen.at if seen else NOWHERE
    )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Name the nearest model that there is."""
    near = revise.named_in(finding, r"change <model>.*</model> to '(.*)'")
    model = revise.first(ev.definition, "cpu/model")
    return revise.written(model, near) if near else ()

"""A Hyper-V enlightenment lacks another one that it needs.

## What it means
The `<hyperv>` features build on one another: synic needs vpindex, stimer needs synic and time,
tlbflush and ipi need vpindex. QEMU checks that since 3.0.

## How to confirm
The message names both.

## What to do
Add the one that is missing to `<hyperv>`, or remove the one that needs it.

## Strings it goes by
- `Hyper-V SynIC (requested by 'hv-synic' cpu flag) requires Hyper-V VP_INDEX ('hv-vpindex')`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU221"
SLUG = "cpu-hyperv-flag-dependency"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The Hyper-V feature '{subject}' needs another one that is not switched on.",
    phrases=(
        r"hyper-?v [^\n]*?\('?(?:requested by )?'?(?P<subject>hv-[\w-]+)[^\n]*?requires[^\n]*",
        r"hyper-?v (?P<subject>[\w ]{3,40}?) requires hyper-?v [^\n]*",
        r"(?P<subject>hv[-_][\w-]+)[^\n]{0,60}\brequires?\b[^\n]*",
        r"'?(?P<subject>\w+)'? hyper-?v (?:feature|enlightenment)[^\n]*\brequires?\b[^\n]*",
        r"hyper-?v (?:feature|enlightenment) '?(?P<subject>[\w-]+)'?[^\n]*\brequires?\b[^\n]*",
    ),
    fixes=(edit("add what '{subject}' needs to <hyperv>"),),
    proof=contradictions.HYPERV,
)
POSITIVE = (
    Evidence(
        stderr="Hyper-V SynIC (requested by 'hv-synic' cpu flag) requires Hyper-V VP_INDEX ('hv-vpindex')\n"
    ),
)
NEGATIVE = (Evidence(error="CPU model 'host' requires KVM or HVF"),)

probes = _TOLD.probes
find = _TOLD.find

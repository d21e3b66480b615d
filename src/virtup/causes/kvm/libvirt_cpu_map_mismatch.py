"""The CPU map files of libvirt are inconsistent with the library.

## What it means
libvirt reads its CPU models from `/usr/share/libvirt/cpu_map/`. After a partial update, or with
two installations, a model there names a feature that the other files do not define.

## How to confirm
`grep -rl FEATURE /usr/share/libvirt/cpu_map/`; compare the versions of libvirt's packages.

## What to do
Install all of libvirt from one build, remove left-over files of another one, restart the daemon.

## Strings it goes by
- `Feature amx-bf16 required by CPU model SapphireRapids not found`
- `cannot load CPU map`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU223"
SLUG = "libvirt-cpu-map-mismatch"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt's CPU map is inconsistent ({subject}): its files are of another version than the library.",
    subject="the CPU map",
    phrases=(
        r"feature '?(?P<subject>[\w.-]+)'? required by cpu model \S+ not found",
        r"(?:cannot|failed to|unable to|couldn't) (?:load|find|parse|open) (?:the )?cpu map[^\n]*",
        r"\bcpu_?map\b[^\n]{0,80}(?:unknown|duplicate|missing|invalid|no such file)[^\n]*",
        r"(?:ancestor|base) (?:cpu )?model '?(?P<subject>[\w.-]+)'? not found[^\n]*",
        r"(?:unknown|undefined) (?:cpu )?vendor '?\S+'? referenced by cpu model '?(?P<subject>[\w.-]+)",
    ),
    fixes=(Fix("install all of libvirt from one build, then restart the daemon"),),
    proof=programs.path_missing("/usr/share/libvirt/cpu_map/index.xml", refutes=False),
)
POSITIVE = (
    Evidence(
        error="internal error: Feature amx-bf16 required by CPU model SapphireRapids not found"
    ),
)
NEGATIVE = (
    Evidence(stderr="libbpf: cpu_map__new: invalid cpu list\n"),
    Evidence(error="Host CPU does not provide required features: svm"),
)

probes = _TOLD.probes
find = _TOLD.find

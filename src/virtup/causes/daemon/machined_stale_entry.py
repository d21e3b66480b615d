"""systemd-machined still has a stale entry of the domain.

## What it means
Each running guest is registered with systemd-machined. After a crash an entry, or the scope of
its processes, stays behind, and a new one of that name is refused.

## How to confirm
`machinectl list`; `systemctl list-units 'machine-qemu*'`.

## What to do
`machinectl terminate NAME`, or stop the left-over scope after a look at what runs in it.

## Strings it goes by
- `error from service: CreateMachine: Machine 'qemu-1-vm1' already exists`
- `Unit machine-qemu-1-vm1.scope already exists`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU219"
SLUG = "machined-stale-entry"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="systemd-machined still has an entry '{subject}' of an earlier run.",
    subject="the machine",
    phrases=(
        r"machine '(?P<subject>[^'\n]+)' already exists",
        r"unit (?P<subject>machine-\S+\.scope) (?:already exists|was already loaded)",
        r"error from service: (?:org\.freedesktop\.machine1\.)?(?:machineexists|createmachine(?![^\n]*(?:controller|denied|timed? ?out|cgroup)))[^\n]*",
    ),
    unless=r"domain '[^'\n]+' already exists",
    fixes=(
        Fix(
            "look, then end it",
            (
                "machinectl status {subject}",
                "machinectl terminate {subject}",
            ),
            Safety.CONFIRM,
        ),
    ),
    proof=programs.path_exists("/run/systemd/machines/{subject}"),
)
POSITIVE = (
    Evidence(error="error from service: CreateMachine: Machine 'qemu-1-vm1' already exists"),
)
NEGATIVE = (Evidence(error="operation failed: domain 'vm1' already exists with uuid 0"),)

probes = _TOLD.probes
find = _TOLD.find

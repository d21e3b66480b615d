"""One row of the table of proofs: what makes a cause proven, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virtup.model.probe import (
    Fact,
    PathAccess,
    Probe,
)
from virtup.model.probe_files import (
    SavedState,
    SavedStateFact,
)
from virtup.model.probe_system import (
    Denials,
    DenialsFact,
    Program,
    ProgramFact,
    System,
    SystemFact,
)

UID = 991
QEMU = "/usr/bin/qemu-system-x86_64"
Facts = Mapping[Probe[Any], Fact]


@dataclass(frozen=True)
class Row:
    """How a cause is proven: by what is seen on the host, or by what the guest itself says.

    ``fact`` is a part of the line of evidence that says so; ``against`` is the host that speaks
    against the cause.
    """

    slug: str
    fact: str
    host: Facts = field(default_factory=dict)
    against: Facts = field(default_factory=dict)
    definition: str = ""
    argv: tuple[str, ...] = ()
    at: int = 0
    words: str = ""
    guest: str = "g"


def domain(inside: str, machine: str = "q35", arch: str = "x86_64", top: str = "") -> str:
    kind = f"<os><type arch='{arch}' machine='{machine}'>hvm</type></os>"
    if "<os" in top:
        kind = ""
    return f"<domain type='kvm'><name>g</name>{kind}{top}<devices>{inside}</devices></domain>"


def os(inside: str, machine: str = "q35", arch: str = "x86_64") -> str:
    return f"<os><type arch='{arch}' machine='{machine}'>hvm</type>{inside}</os>"


def path(name: str, need: str = "read") -> PathAccess:
    return PathAccess(name, need, UID)


def line(*words: str) -> tuple[str, ...]:
    return (QEMU, *words)


APT: Facts = {System(): SystemFact(packager="apt", lsm=("apparmor",))}
PCI = "0000:01:00.0"
NO_LSM: Facts = {System(): SystemFact(lsm=("capability", "landlock"))}
DENIAL = 'audit: type=1400 apparmor="DENIED" operation="open" name="{}" comm="qemu-system-x86"'
SNAPSHOTS = line("-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
OLD = domain("<disk/>", top="<memory>1048576</memory>", machine="pc-i440fx-2.11")
NEW = domain("<disk/><interface/>", top="<memory>2097152</memory>", machine="pc-i440fx-4.2")
SAVE = "/save/g.save"
ASIDE = "/save/g.save.x"


def denied(model: str, *words: str) -> Facts:
    text = (
        DENIAL.format(words[0]) if model == "apparmor" else f"avc:  denied  {{ read }} {words[0]}"
    )
    return {
        System(): SystemFact(lsm=(model,), selinux="enforcing" if model == "selinux" else ""),
        Denials(words): DenialsFact(readable=True, lines=(text,)),
    }


def program(name: str, there: str) -> dict[Probe[Any], Fact]:
    return {Program(name): ProgramFact(there, executable=bool(there)), **APT}


def state(where: str = SAVE, **fields: Any) -> Facts:
    return {SavedState(where): SavedStateFact(exists=True, size=9, **fields)}

"""Proofs by storage pools and what is in their directories: virtup's own pools, and libvirt's.

Of a guest of virtup's own, the evidence says where its daemon keeps its pools; of any other
evidence, the places are libvirt's. What virtup can start, it offers to.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from lxml import etree

from virtup.causes import definition
from virtup.causes.finding import Fix, Safety, mend
from virtup.causes.nets import not_among
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.revise import given
from virtup.causes.who import edit, nearest
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, Probe
from virtup.model.probe_network import Pool, PoolFact
from virtup.model.repair import Change, StartPool


def _seen(ev: Evidence, name: str) -> PoolFact | None:
    return ev.fact(Pool(name, *ev.pools)) if name else None


def _pool(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    return (Pool(subject, *ev.pools),) if subject else ()


def _directory(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    """Ask for the pool, and for its directory as soon as that is known."""
    yield from _pool(ev, subject)
    fact = _seen(ev, subject)
    if fact is not None and fact.path:
        yield PathAccess(fact.path)


def _program(ev: Evidence) -> str:
    """Return what commands a person uses: virtup's are for its own guests."""
    return "virtup" if ev.phase else "virsh"


# -- pools -----------------------------------------------------------------------------------------


def _missing(ev: Evidence, subject: str) -> Shown | None:
    fact = _seen(ev, subject)
    if fact is None:
        return None
    if fact.defined or fact.active:
        return refuted(f"the pool '{subject}' is there")
    shown = not_among("storage pool", subject, fact.others)
    near = nearest(subject, fact.others, 1)
    fixes = [
        edit(f"change '{subject}' to '{one}'", *_changed(ev, "pool", subject, one)) for one in near
    ]
    who, name = _program(ev), shlex.quote(subject)
    commands = (f"{who} pool-define-as {name} dir --target DIRECTORY", f"{who} pool-start {name}")
    fixes.append(Fix("define it, with the directory of its volumes", commands, Safety.MANUAL))
    return Shown(True, shown.facts, fixes=tuple(fixes))


def _changed(ev: Evidence, attribute: str, old: str, new: str) -> tuple[Change, ...]:
    """Return the changes that give *new* to the disks whose source has *old* as *attribute*."""
    return tuple(
        change
        for source in _sources(ev)
        if source.get(attribute) == old
        for change in given(source, attribute, new)
    )


def _sources(ev: Evidence) -> list[etree._Element]:
    """Return the sources of the disks of the definition."""
    found = (disk.find("source") for disk in definition.devices(ev.definition, "disk"))
    return [source for source in found if source is not None]


def _inactive(ev: Evidence, subject: str) -> Shown | None:
    fact = _seen(ev, subject)
    if fact is None or not fact.defined:
        return None
    if fact.active:
        return refuted(f"the pool '{subject}' is active now")
    boots = "" if fact.autostart else ", and the next boot does not start it"
    seen = f"the pool '{subject}' is defined and not active{boots}"
    folder = ev.fact(PathAccess(fact.path)) if fact.path else None
    who, name = _program(ev), shlex.quote(subject)
    if folder is not None and not folder.exists:
        return holds(
            seen,
            f"there is no '{folder.missing or fact.path}'",
            sentence=f"The storage pool '{subject}' is not active, and its directory "
            f"'{fact.path}' does not exist (is its file system mounted?).",
            fixes=(
                Fix(f"mount what belongs at '{fact.path}', and start the pool"),
                Fix(
                    "or make the directory, empty",
                    (f"{who} pool-build {name}", f"{who} pool-start {name}"),
                    Safety.MANUAL,
                ),
            ),
        )
    start = Fix("start it", (f"virsh pool-start {name}",), Safety.CONFIRM)
    fixes = [mend("start it", StartPool(subject), safety=Safety.AUTO) if ev.phase else start]
    if not fact.autostart:
        later = "and have it start with the host"
        fixes.append(Fix(later, (f"{who} pool-autostart {name}",), Safety.MANUAL))
    return holds(seen, fixes=tuple(fixes))


MISSING = Proof(_missing, _pool)
"""There is no storage pool of the name."""
INACTIVE = Proof(_inactive, _directory)
"""A storage pool is defined and not active."""


# -- volumes ---------------------------------------------------------------------------------------


def _path(ev: Evidence, subject: str) -> str:
    """Return where the volume *subject* would lie: it is a path, or a disk's in a known pool."""
    if subject.startswith("/"):
        return subject
    fact = _seen(ev, _pool_of(ev, subject))
    return f"{fact.path}/{subject}" if fact is not None and fact.path and subject else ""


def _pool_of(ev: Evidence, volume: str) -> str:
    """Return the pool in which a disk of the definition has the volume, "" for none."""
    pools = (one.get("pool", "") for one in _sources(ev) if one.get("volume") == volume)
    return next(pools, "")


def _of_volume(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    yield from _pool(ev, _pool_of(ev, subject))
    path = _path(ev, subject)
    if path:
        yield PathAccess(path)


def _no_volume(ev: Evidence, subject: str) -> Shown | None:
    path = _path(ev, subject)
    fact = ev.fact(PathAccess(path)) if path else None
    if fact is None:
        return None
    if fact.exists:
        return refuted(f"'{path}' is there")
    pool = _pool_of(ev, subject)
    seen = f"there is no '{fact.missing or path}'"
    if not pool:
        return holds(seen)
    if fact.missing not in ("", path):
        return holds(
            seen,
            sentence=f"The storage pool '{pool}' has no volume '{subject}': its directory does not "
            f"exist (is its file system mounted?).",
            fixes=(Fix(f"mount what belongs at '{path.rpartition('/')[0]}'"),),
        )
    put = Fix(f"put the image at '{path}', or correct the volume's name in the definition")
    return holds(
        seen,
        sentence=f"The storage pool '{pool}' has no volume '{subject}'.",
        fixes=(*_meant(ev, subject, fact.nearby[:1]), put),
    )


def _meant(ev: Evidence, volume: str, nearby: Iterable[str]) -> Iterable[Fix]:
    for path in nearby:
        name = path.rpartition("/")[2]
        text = f"did you mean '{name}'? Correct the volume"
        yield edit(text, *_changed(ev, "volume", volume, name))


NO_VOLUME = Proof(_no_volume, _of_volume)
"""There is no file of the volume's name in the pool's directory, or none at its path."""

"""Proofs by the host's programs, kernel modules, settings and paths."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from virtup.causes import packages
from virtup.causes.finding import Fix, Safety
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.who import account, grant, mode
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact, Probe
from virtup.model.probe_system import Module, Program, Setting


def program_missing(
    *names: str, package: str, places: tuple[str, ...] = (), by_name: bool = False
) -> Proof:
    """Return the proof that one of the programs *names* is not there, or is not executable.

    *by_name*: the words may name the program, by a path or its bare name.
    """

    def wanted(subject: str) -> tuple[str, ...]:
        bare = subject.rpartition("/")[2]
        return (subject,) if by_name and bare and bare in {*names, "qemu-bridge-helper"} else names

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        yield from (Program(name, places) for name in wanted(subject))
        yield from packages.system(ev)

    def judges(ev: Evidence, subject: str) -> Shown | None:
        there = []
        for name in wanted(subject):
            fact = ev.fact(Program(name, places))
            if fact is None:
                return None
            if not fact.path:
                fix = packages.install(ev, package)
                return holds(f"no program '{name}' in any of the usual directories", fixes=(fix,))
            if not fact.executable:
                path = shlex.quote(fact.path)
                fix = Fix("make it executable", (f"chmod a+x {path}",), Safety.CONFIRM)
                return holds(f"'{fact.path}' is not executable", fixes=(fix,))
            there.append(f"'{fact.path}'")
        return refuted(f"{' and '.join(there)} can be run")

    return Proof(judges, asks)


def module_missing(name: str, fix: Fix | None = None) -> Proof:
    """Return the proof that the kernel module *name* is not loaded."""

    def judges(ev: Evidence, _subject: str) -> Shown | None:
        fact = ev.fact(Module(name))
        if fact is None:
            return None
        if fact.loaded:
            return refuted(f"the kernel module {name} is loaded")
        return holds(f"the kernel module {name} is not loaded", fixes=(fix,) if fix else ())

    return Proof(judges, lambda _ev, _subject: (Module(name),))


def setting(path: str, wrong: tuple[str, ...], *, absent: bool = False) -> Proof:
    """Return the proof that the file *path* says one of *wrong*, or is *absent*."""

    def judges(ev: Evidence, _subject: str) -> Shown | None:
        fact = ev.fact(Setting(path))
        if fact is None:
            return None
        if not fact.exists:
            return holds(f"there is no {path}") if absent else None
        said = f"{path} says '{fact.value}'"
        return holds(said) if fact.value in wrong else refuted(said)

    return Proof(judges, lambda _ev, _subject: (Setting(path),))


def path_closed(need: str, path: str = "", *, missing: bool = False) -> Proof:
    """Return the proof that QEMU's account may not use the subject, or *path* when there is none.

    *need* is as in `PathAccess`; *missing*: it also holds when the path is not there.
    """

    def asked(ev: Evidence, subject: str) -> PathAccess | None:
        wanted = subject if subject.startswith("/") else path
        return PathAccess(wanted, need, ev.uid, ev.gids) if wanted else None

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        probe = asked(ev, subject)
        return (probe,) if probe else ()

    def judges(ev: Evidence, subject: str) -> Shown | None:
        probe = asked(ev, subject)
        fact = ev.fact(probe) if probe else None
        if probe is None or fact is None:
            return None
        if fact.missing:
            return holds(f"'{fact.missing}' does not exist") if missing else None
        return closed(ev, fact) or (refuted(f"{account(ev)} may use '{probe.path}'"))

    return Proof(judges, asks)


def closed(ev: Evidence, fact: PathFact) -> Shown | None:
    """Return that the account may not use what *fact* is of, None when it may."""
    if fact.blocked:
        fixes = (grant(ev, fact),)
        return holds(f"'{fact.blocked}' has {mode(fact)}", fixes=fixes)
    if fact.readonly and not fact.allowed:
        return holds(f"'{fact.readonly}' is mounted read-only")
    return None


def path_missing(path: str = "", *, refutes: bool = True) -> Proof:
    """Return the proof that the subject, or *path*, does not exist."""

    def asked(ev: Evidence, subject: str) -> PathAccess | None:
        wanted = path or (subject if subject.startswith("/") else "")
        return PathAccess(wanted, "read", ev.uid, ev.gids) if wanted else None

    def judges(ev: Evidence, subject: str) -> Shown | None:
        probe = asked(ev, subject)
        fact = ev.fact(probe) if probe else None
        if probe is None or fact is None:
            return None
        if fact.missing:
            return holds(f"'{fact.missing}' does not exist")
        return refuted(f"'{probe.path}' exists") if fact.exists and refutes else None

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        probe = asked(ev, subject)
        return (probe,) if probe else ()

    return Proof(judges, asks)


def path_exists() -> Proof:
    """Return the proof that the subject is there: it was to be made, and cannot be."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        fact = ev.fact(PathAccess(subject))
        if fact is None:
            return None
        return holds(f"'{subject}' is there") if fact.exists else refuted(f"no '{subject}' now")

    return Proof(
        judges, lambda _ev, subject: (PathAccess(subject),) if subject.startswith("/") else ()
    )

"""Proofs by the host's programs, kernel modules, settings and paths."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

from virtup.causes import packages
from virtup.causes.finding import Fix, Safety
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.who import account, grant, mode
from virtup.model.evidence import Evidence
from virtup.model.probe import Account, Emulator, PathAccess, PathFact, Probe
from virtup.model.probe_system import Program, Setting


def program_missing(
    *names: str, package: str, places: tuple[str, ...] = (), refutes: bool = True
) -> Proof:
    """Return the proof that one of the programs *names* is not there, or is not executable.

    *refutes*: that all of them are there speaks against the cause.
    """

    def asks(ev: Evidence, _subject: str) -> Iterable[Probe[Any]]:
        yield from (Program(name, places) for name in names)
        yield from packages.system(ev)

    def judges(ev: Evidence, _subject: str) -> Shown | None:
        there = []
        for name in names:
            fact = ev.fact(Program(name, places))
            if fact is None:
                return None
            if not fact.path:
                return _no_program(ev, name, package)
            if not fact.executable:
                return _not_executable(fact.path)
            there.append(f"'{fact.path}'")
        return refuted(f"{' and '.join(there)} can be run") if refutes else None

    return Proof(judges, asks)


def _no_program(ev: Evidence, name: str, package: str) -> Shown:
    fix = packages.install(ev, package)
    return holds(f"no program '{name}' in any of the usual directories", fixes=(fix,))


def _not_executable(path: str) -> Shown:
    fix = Fix("make it executable", (f"chmod a+x {shlex.quote(path)}",), Safety.CONFIRM)
    return holds(f"'{path}' is not executable", fixes=(fix,))


FIREWALL_TOOLS = {
    "nft": "nft",
    "nftables": "nft",
    "iptables": "iptables",
    "ip6tables": "iptables",
    "firewall-cmd": "firewall-cmd",
}
"""Tools with which libvirt programs the firewall, and the package of each."""


def _tools(subject: str) -> tuple[str, ...]:
    """Return the tool that the words name, else those of which libvirt takes one."""
    if subject not in FIREWALL_TOOLS:
        return ("nft", "iptables")
    return ("nft",) if subject == "nftables" else (subject,)


def _no_firewall_tool(ev: Evidence, subject: str) -> Shown | None:
    names = _tools(subject)
    seen = [ev.fact(Program(name)) for name in names]
    if any(fact is None or fact.path for fact in seen):
        return None
    fix = packages.install(ev, FIREWALL_TOOLS[names[0]])
    return holds(f"no {' and no '.join(names)} in any of the usual directories", fixes=(fix,))


def _ask_firewall_tool(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    yield from (Program(name) for name in _tools(subject))
    yield from packages.system(ev)


NO_FIREWALL_TOOL = Proof(_no_firewall_tool, _ask_firewall_tool)
"""The tool that programs the firewall is not installed."""


def _closed_to_exec(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Program(subject)) if subject.startswith("/") else None
    if fact is None or not fact.path:
        return None
    return refuted(f"'{subject}' is executable") if fact.executable else _not_executable(subject)


NOT_EXECUTABLE = Proof(
    _closed_to_exec, lambda _ev, subject: (Program(subject),) if subject[:1] == "/" else ()
)
"""The file that the words name is not executable."""


def script_broken(path: str) -> Proof:
    """Return the proof that the script, the subject or *path*, cannot be run by its first line."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        script = subject if subject.startswith("/") else path
        fact = ev.fact(Emulator(script))
        if fact is None or not fact.exists:
            return None
        if fact.kind == "script" and not fact.interpreter_exists:
            return holds(
                f"the first line of '{script}' names {fact.interpreter!r}, which is not there"
            )
        if fact.kind in {"other", "empty"}:
            return holds(f"'{script}' does not begin with #! and its program")
        return None

    def asks(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        return (Emulator(subject if subject.startswith("/") else path),)

    return Proof(judges, asks)


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


def _closed_directory(ev: Evidence, subject: str) -> Shown | None:
    inside, made = _in_directory(ev, subject)
    fact = ev.fact(inside)
    if fact is not None and fact.missing:
        fact = ev.fact(made)
    if fact is None or fact.missing:
        return None
    return closed(ev, fact) or refuted(f"{account(ev)} may make files in '{subject}'")


def _in_directory(ev: Evidence, subject: str) -> tuple[PathAccess, PathAccess]:
    """Return the probes of a directory that QEMU makes a file in, and of one that it makes."""
    return (
        PathAccess(subject, "write", ev.uid, ev.gids),
        PathAccess(subject, "create", ev.uid, ev.gids),
    )


DIRECTORY_CLOSED = Proof(
    _closed_directory,
    lambda ev, subject: _in_directory(ev, subject) if subject.startswith("/") else (),
)
"""QEMU's account may make no file in the directory that the words name."""


def _no_directory(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(PathAccess(subject, "create"))
    if fact is None:
        return None
    if fact.missing:
        return holds(f"'{fact.missing}' does not exist")
    return refuted(f"the directory of '{subject}' exists")


DIRECTORY_MISSING = Proof(
    _no_directory,
    lambda _ev, subject: (PathAccess(subject, "create"),) if subject.startswith("/") else (),
)
"""The directory in which the daemon is to make the subject is not there."""


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


def path_exists(template: str = "{subject}", *, wanted: bool = True) -> Proof:
    """Return the proof that the subject, as *template* makes a path of it, is there.

    Not *wanted*: that it is not there.
    """

    def path(subject: str) -> str:
        made = template.replace("{subject}", subject)
        return made if made.startswith("/") and subject and " " not in subject else ""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        fact = ev.fact(PathAccess(path(subject))) if path(subject) else None
        if fact is None:
            return None
        seen = f"'{path(subject)}' is there" if fact.exists else f"there is no '{path(subject)}'"
        return holds(seen) if fact.exists is wanted else refuted(seen)

    def asks(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        return (PathAccess(path(subject)),) if path(subject) else ()

    return Proof(judges, asks)


def _by_mode(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(PathAccess(subject, "write", ev.uid, ev.gids))
    if fact is None:
        return None
    if fact.missing:
        return refuted(f"'{fact.missing}' does not exist")
    return refuted(f"'{fact.blocked}' has {mode(fact)}") if fact.blocked else None


NOT_BY_MODE = Proof(
    _by_mode,
    lambda ev, subject: (
        (PathAccess(subject, "write", ev.uid, ev.gids),) if subject[:1] == "/" else ()
    ),
)
"""Refutes what is said to be refused by something else than the path's own modes."""

SWTPM_ACCOUNTS = ("tss", "swtpm")
"""The account that distributions run swtpm with."""


def _swtpm_closed(ev: Evidence, subject: str) -> Shown | None:
    for probe, name in _swtpm_probes(ev, subject):
        fact = ev.fact(probe)
        if fact is not None and fact.blocked:
            said = (
                f"'{fact.blocked}' has {mode(fact)}; the account '{name}' may not {fact.lacks} it"
            )
            command = f"chown -R {name} {shlex.quote(probe.path)}"
            fix = Fix(f"give it to swtpm's account '{name}'", (command,))
            return holds(said, fixes=(fix,))
    return None


def _swtpm_probes(ev: Evidence, subject: str) -> Iterable[tuple[PathAccess, str]]:
    path = subject if subject.startswith("/") else "/var/lib/swtpm-localca"
    for name in SWTPM_ACCOUNTS:
        account_seen = ev.fact(Account(name))
        if account_seen is not None and account_seen.exists:
            yield PathAccess(path, "write", account_seen.uid, (account_seen.gid,)), name


def _ask_swtpm(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    yield from (Account(name) for name in SWTPM_ACCOUNTS)
    yield from (probe for probe, _ in _swtpm_probes(ev, subject))


SWTPM_CLOSED = Proof(_swtpm_closed, _ask_swtpm)
"""swtpm's account may not use its directory."""


def _servers(ev: Evidence, subject: str) -> tuple[str, ...]:
    """Return the sockets of the audio server that QEMU's account would look for."""
    named = re.findall(r"server=(?:unix:)?(/[^,\s]+)", " ".join(ev.argv))
    if named:
        return tuple(named)
    home = f"/run/user/{ev.uid}"
    own = {"pa": f"{home}/pulse/native", "pipewire": f"{home}/pipewire-0"}
    return (own[subject],) if subject in own else ()


def _no_server(ev: Evidence, subject: str) -> Shown | None:
    for path in _servers(ev, subject):
        fact = ev.fact(PathAccess(path, "write", ev.uid, ev.gids))
        if fact is not None and fact.missing:
            return holds(f"'{fact.missing}' does not exist, so {account(ev)} has no audio server")
        if fact is not None and fact.blocked:
            return holds(f"'{fact.blocked}' has {mode(fact)}")
    return None


NO_AUDIO_SERVER = Proof(
    _no_server,
    lambda ev, subject: (
        PathAccess(path, "write", ev.uid, ev.gids) for path in _servers(ev, subject)
    ),
)
"""QEMU's account reaches no audio server."""


def readable(paths: Callable[[Evidence, str], tuple[str, ...]]) -> Proof:
    """Return the proof that one of *paths* is there and closed to QEMU's account.

    That none of them is there refutes it.
    """

    def probes(ev: Evidence, subject: str) -> list[PathAccess]:
        return [PathAccess(path, "read", ev.uid, ev.gids) for path in paths(ev, subject)]

    def judges(ev: Evidence, subject: str) -> Shown | None:
        facts = [fact for probe in probes(ev, subject) if (fact := ev.fact(probe)) is not None]
        for fact in facts:
            shown = closed(ev, fact)
            if shown is not None:
                return shown
        if facts and not any(fact.exists for fact in facts):
            return refuted(f"'{facts[0].missing}' does not exist")
        return None

    return Proof(judges, probes)

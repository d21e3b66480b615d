"""Proofs by what the security modules logged: AppArmor, SELinux, seccomp."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.probe_system import Denials, Label, System

_UUID = re.compile(r"<uuid>\s*([\da-fA-F-]{36})\s*</uuid>")
_LINE = 160


def by(model: str, *words: str) -> Proof:
    """Return the proof that *model* (``apparmor``, ``selinux``) refused one of *words*.

    What is looked for as well is the subject, the guest's UUID, in AppArmor's profile for it, and
    QEMU's process. That the module is off refutes it; a readable log without such a refusal only
    leaves it open, for a module need not log what it refuses.
    """

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        return (System(), asked(ev, subject, *words))

    def judges(ev: Evidence, subject: str) -> Shown | None:
        host, seen = ev.fact(System()), ev.fact(asked(ev, subject, *words))
        if host is None:
            return None
        if not is_on(host.lsm, host.selinux, model):
            return refuted(f"{NAMES[model]} is not on")
        mark = "apparmor=" if model == "apparmor" else "avc:"
        lines = [line for line in seen.lines if mark in line] if seen else []
        return holds(f"the log has {shortened(lines[-1])}") if lines else None

    return Proof(judges, asks)


def asked(ev: Evidence, subject: str, *words: str) -> Denials:
    """Return the probe of what was refused of *subject* and *words*, to the guest and its QEMU."""
    pid = f"pid={ev.pid}" if ev.pid else ""
    named = (*words, subject.rpartition("/")[2], profile(ev), pid)
    return Denials(tuple(dict.fromkeys(word for word in named if word)))


NAMES = {"apparmor": "AppArmor", "selinux": "SELinux"}


def is_on(lsm: tuple[str, ...], selinux: str, model: str) -> bool:
    """Is the security module on?"""
    return model in lsm or (model == "selinux" and bool(selinux))


def profile(ev: Evidence) -> str:
    """Return the name of the guest's own AppArmor profile, ``""`` without its UUID."""
    found = _UUID.search(ev.definition)
    uuid = ev.uuid or (found[1].lower() if found else "")
    return f"libvirt-{uuid}" if uuid else ""


def shortened(line: str) -> str:
    """Return a log line from where it says what was refused, short enough to quote."""
    at = max(line.find("apparmor="), line.find("avc:"), 0)
    text = line[at:]
    return text if len(text) <= _LINE else text[: _LINE - 2] + " …"


def module_off(model_of: str = "") -> Proof:
    """Return the proof that the security module that the subject names is off here."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        host = ev.fact(System())
        model = (subject or model_of).lower()
        if host is None or model not in NAMES:
            return None
        if is_on(host.lsm, host.selinux, model):
            return refuted(f"{NAMES[model]} is on")
        return holds(f"{NAMES[model]} is not among its security modules ({', '.join(host.lsm)})")

    return Proof(judges, lambda _ev, _subject: (System(),))


def wrong_label(directory: str, expected: str) -> Proof:
    """Return the proof that *directory* has another SELinux type than *expected*."""

    def judges(ev: Evidence, _subject: str) -> Shown | None:
        host, seen = ev.fact(System()), ev.fact(Label(directory))
        if host is None or seen is None:
            return None
        if not is_on(host.lsm, host.selinux, "selinux"):
            return refuted("SELinux is not on")
        if not seen.label:
            return None
        said = f"'{directory}' has the label {seen.label}"
        return refuted(said) if f":{expected}:" in seen.label else holds(said)

    return Proof(judges, lambda _ev, _subject: (System(), Label(directory)))


def remembered(model: str) -> Proof:
    """Return the proof that libvirt remembers the subject as in use for *model* (``dac``...)."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        seen = ev.fact(Label(subject))
        if seen is None or not seen.exists:
            return None
        count = dict(seen.remembered).get(model, 0)
        if not count:
            return refuted(f"nothing is remembered with '{subject}'")
        guests = "a guest" if count == 1 else f"{count} guests"
        return holds(f"trusted.libvirt.security.ref_{model} of '{subject}' counts {guests}")

    return Proof(judges, lambda _ev, subject: (Label(subject),) if subject[:1] == "/" else ())

"""The last start of a guest of a stock libvirtd on this host, from what the daemon wrote down.

A guest's log has QEMU's words; what failed before there was a QEMU stands in the daemon's own log
or journal alone, without the guest's name: that counts for this guest only as far as the host
proves it. Nothing is changed.
"""

from __future__ import annotations

from dataclasses import replace

from virtup.causes import elsewhere
from virtup.causes.catalogue import UNKNOWN_CODE
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.host.accounts import AccountMissing, lookup
from virtup.host.libvirtd import Places
from virtup.machine.diagnose import look_and_judge
from virtup.model.evidence import Evidence

ACCOUNTS = ("libvirt-qemu", "qemu")
"""The users that the distributions build libvirt to run QEMU as."""
DEADLINE_S = 2.0


def findings(where: Places, name: str, definition: str) -> list[Finding]:
    """Return the findings on the last start of the guest *name*, best first.

    Empty when nothing tells of a failure: its last start went well, or it has not been started.
    Raises OSError where its log may not be read.
    """
    log = where.guest_log(name)
    end = elsewhere.ending(log)
    told: list[Finding] = []
    if log and (end is None or not end.is_good):
        ev = elsewhere.evidence(log=log, xml=definition, guest=name)
        told = look_and_judge(_on_this_host(where, ev), DEADLINE_S)
        if told[0].code != UNKNOWN_CODE:
            return told
        told = [replace(told[0], fixes=(_again(name),))]
    since = "" if end is None else end.moment if end.is_good else end.before
    said = elsewhere.complaints(where.daemon_log(), since)
    ev = elsewhere.evidence(said, xml=definition, guest=name)
    found = look_and_judge(_on_this_host(where, ev), DEADLINE_S) if said.strip() else []
    return [_unless_proven(one) for one in found if one.code != UNKNOWN_CODE] or told


def _again(name: str) -> Fix:
    """Of a network, a pool or a guest that is missing or not active libvirtd logs no error."""
    commands = (f"virsh start {name} 2>FILE", "virtup diagnose --error FILE")
    return Fix("start it once more, and diagnose what is said", commands, Safety.CONFIRM)


def _unless_proven(one: Finding) -> Finding:
    if one.certainty is Certainty.PROVEN:
        return one
    return replace(one, certainty=Certainty.POSSIBLE)


def _on_this_host(where: Places, ev: Evidence) -> Evidence:
    """The evidence with the account that libvirt's QEMU runs as, so that the host is asked."""
    ev = replace(ev, emulator=ev.argv[0] if ev.argv else "")
    for name in ACCOUNTS if where.of_system else ():
        try:
            account = lookup(name)
        except AccountMissing:
            continue
        return replace(ev, user=account.name, uid=account.uid, gids=account.groups)
    return ev

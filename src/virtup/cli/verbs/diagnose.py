"""diagnose: the cause of a failure on another host, or under another manager."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtup.cli.grammar import Failure, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import is_socket, text_of

if TYPE_CHECKING:
    from virtup.causes.finding import Finding
    from virtup.model.evidence import Evidence

SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
"""Where a stock libvirtd, or its virtqemud, listens on this host."""
LOGS = "/var/log/libvirt/qemu"
"""Where a stock libvirtd of the system keeps the logs of its guests."""
ACCOUNTS = ("libvirt-qemu", "qemu")
"""The users that the distributions build libvirt to run QEMU as."""
SHOWN = 3
"""So many findings are printed; JSON has all."""


@verb(
    "diagnose",
    "tell the cause from the messages and logs of any host",
    text(
        "message", "an error message; with -c URI, the domain of that libvirtd", completes="guest"
    ),
    text("error", "file with what the manager said", positional=False, completes="file"),
    text("log", "file with the guest's log or QEMU's words", positional=False, completes="file"),
    text("xml", "file with the definition", positional=False, completes="file"),
    text(
        "host-evidence",
        "file with lines of that host's kernel log, audit log or ls -l",
        positional=False,
        completes="file",
    ),
    description=(
        "Needs no daemon and changes nothing; '-' is standard input. Of text alone nothing is\n"
        "proven. With -c qemu:///system and a domain its last start is diagnosed on this host."
    ),
    connects=False,
)
def diagnose(
    run: Run,
    *,
    message: str | None,
    error: str | None,
    log: str | None,
    xml: str | None,
    host_evidence: str | None,
) -> None:
    """Print the findings on some text, or on a guest of a stock libvirtd, best first."""
    files = (error, log, xml, host_evidence)
    if run.settings.uri is not None:
        if message is None or any(files):
            raise Failure("with -c, name a domain and no files")
        _to_libvirtd(run)
        _show(run, _of_guest(run, message))
        return
    if sum(name == "-" for name in files) > 1:
        raise Failure("standard input can be one of the files only")
    if message is None and not any(files):
        if sys.stdin.isatty():
            raise Failure("nothing to diagnose: give a message, or --error, --log, --xml")
        log = "-"
    from virtup.causes import elsewhere

    said = "\n".join(part for part in (message, _read(error)) if part)
    ev = elsewhere.evidence(said, log=_read(log), xml=_read(xml), notes=_read(host_evidence))
    _show(run, elsewhere.judged(ev))


def _read(name: str | None) -> str:
    return "" if name is None else text_of(name)


def _to_libvirtd(run: Run) -> None:
    """Have ``qemu:///system`` mean the stock daemon where one listens: it is the one in question."""
    if run.settings.uri == "qemu:///system":
        listening = [path for path in SOCKETS if is_socket(path)]
        if listening:
            run.settings.uri = f"qemu+unix:///system?socket={listening[0]}"


def _of_guest(run: Run, domain: str) -> list[Finding]:
    """The findings on the last start of a guest of a libvirtd on this host."""
    from virtup.causes import elsewhere
    from virtup.machine.diagnose import look_and_judge

    handle = run.guest(domain)
    definition = run.conn.call("DOMAIN_GET_XML_DESC", dom=handle, flags=0)["xml"]
    if handle["id"] != -1:
        raise Failure(f"domain '{handle['name']}' is running: there is nothing to diagnose")
    log = text_of(f"{LOGS}/{handle['name']}.log")
    ev = elsewhere.evidence(log=log, xml=definition, guest=handle["name"])
    return look_and_judge(_on_this_host(ev), 2.0)


def _on_this_host(ev: Evidence) -> Evidence:
    """The evidence with the account that the distribution's QEMU runs as, so that files are asked."""
    from virtup.host.accounts import AccountMissing, lookup

    emulator = ev.argv[0] if ev.argv else ""
    for name in ACCOUNTS:
        try:
            account = lookup(name)
        except AccountMissing:
            continue
        return replace(
            ev, user=account.name, uid=account.uid, gids=account.groups, emulator=emulator
        )
    return replace(ev, emulator=emulator)


def _show(run: Run, findings: Sequence[Finding]) -> None:
    if run.json:
        items: list[dict[str, Any]] = [finding.to_dict() for finding in findings]
        run.document(items)
        return
    from shutil import get_terminal_size

    from virtup.causes.render import record

    width = max(60, min(get_terminal_size((80, 24)).columns, 120))
    for finding in findings[:SHOWN]:
        run.out("".join(f"{line}\n" for line in [*record(finding, width), ""]))
    if len(findings) > SHOWN:
        others = ", ".join(finding.slug for finding in findings[SHOWN:])
        run.line(f"less likely: {others}")

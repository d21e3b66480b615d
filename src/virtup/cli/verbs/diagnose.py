"""diagnose: the cause of a failure on another host, or under another manager."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from virtup.cli.grammar import Failure, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import is_socket, text_of

if TYPE_CHECKING:
    from virtup.causes.finding import Finding

SESSION = ("qemu:///session", "qemu+unix:///session")
SOCKETS = ("libvirt/libvirt-sock", "libvirt/virtqemud-sock")
"""Where a stock libvirtd, or its virtqemud, listens below the folder for what runs."""
LOOKED_AT = 4096
ODD_MAX = 0.2
"""With more of its first characters that no text has, a file is none."""
SHOWN = 3
"""So many findings are printed; JSON has all."""


@verb(
    "diagnose",
    "tell the cause from the messages and logs of any host",
    text(
        "message",
        "an error message, or a file with one; with -c URI, the domain of that libvirtd",
        completes="guest",
    ),
    text("connect", "the libvirtd to ask, as -c before the command", positional=False),
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
        "Needs no daemon and changes nothing; '-' is standard input. Of text alone nothing is "
        "proven. With -c qemu:///system and a domain its last start is diagnosed on this host."
    ),
    connects=False,
)
def diagnose(
    run: Run,
    *,
    message: str | None,
    connect: str | None,
    error: str | None,
    log: str | None,
    xml: str | None,
    host_evidence: str | None,
) -> None:
    """Print the findings on some text, or on a guest of a stock libvirtd, best first."""
    run.settings.uri = connect or run.settings.uri
    if run.settings.uri is not None:
        if message is None or any((error, log, xml, host_evidence)):
            raise Failure("with -c, name a domain and no files")
        _to_libvirtd(run)
        _show(run, _of_guest(run, message))
        return
    if message is not None and log is None and os.path.isfile(message):
        message, log = None, message
    if message is not None and len(message.split()) == 1:
        raise Failure(
            f"'{message}' is neither a file nor a message; of a guest of virtup's, "
            f"'virtup why {message}' tells the cause"
        )
    files = (error, log, xml, host_evidence)
    if sum(name == "-" for name in files) > 1:
        raise Failure("standard input can be one of the files only")
    if message is None and not any(files):
        if sys.stdin.isatty():
            raise Failure("nothing to diagnose: give a message, or --error, --log, --xml")
        log = "-"
    from virtup.causes import elsewhere

    said = "\n".join(part for part in (message, _read(error)) if part)
    words, definition, notes = _read(log), _read(xml), _read(host_evidence)
    if not any(part.strip() for part in (said, words, definition, notes)):
        raise Failure("nothing to diagnose: what was given is empty")
    ev = elsewhere.evidence(said, log=words, xml=definition, notes=notes)
    _show(run, elsewhere.judged(ev))


def _read(name: str | None) -> str:
    words = "" if name is None else text_of(name)
    start = words[:LOOKED_AT]
    odd = sum(one == "\ufffd" or (one < " " and not one.isspace()) for one in start)
    if odd > ODD_MAX * len(start):
        raise Failure(f"'{name}' is no text: messages, logs and definitions can be diagnosed")
    return words


def _to_libvirtd(run: Run) -> None:
    """Have ``qemu:///system`` mean the stock daemon where one listens: it is the one in question."""
    kind = (run.settings.uri or "").removeprefix("qemu:///")
    if kind not in {"system", "session"}:
        return
    folder = os.environ.get("XDG_RUNTIME_DIR", "") if kind == "session" else "/run"
    places = [f"{folder}/{name}" for name in SOCKETS]
    listening = [path for path in places if is_socket(path)]
    if not listening:
        raise Failure(f"no libvirtd listens at {places[0]}: give its logs by --log and --error")
    run.settings.uri = f"qemu+unix:///{kind}?socket={listening[0]}"


def _of_guest(run: Run, domain: str) -> list[Finding]:
    """The findings on the last start of a guest of a libvirtd on this host."""
    from virtup.host.libvirtd import Places
    from virtup.machine import stock

    handle = run.guest(domain)
    name = handle["name"]
    definition = run.conn.call("DOMAIN_GET_XML_DESC", dom=handle, flags=0)["xml"]
    if handle["id"] != -1:
        raise Failure(f"domain '{name}' is running: there is nothing to diagnose")
    where = Places.of(session=(run.settings.uri or "").startswith(SESSION))
    try:
        found = stock.findings(where, name, definition)
    except OSError as exc:
        raise Failure(f"the log of domain '{name}' cannot be read: {exc.strerror}") from exc
    if not found:
        raise Failure(f"nothing in libvirt's logs tells of a failed start of domain '{name}'")
    return found


def _show(run: Run, findings: Sequence[Finding]) -> None:
    if run.json:
        items: list[dict[str, Any]] = [finding.to_dict() for finding in findings]
        run.document(items)
        return
    from shutil import get_terminal_size

    from virtup.causes.render import record

    width = max(60, min(get_terminal_size((80, 24)).columns, 120))
    shown = ("\n".join(record(finding, width)) for finding in findings[:SHOWN])
    run.out("\n\n".join(shown) + "\n")
    if len(findings) > SHOWN:
        others = ", ".join(finding.slug for finding in findings[SHOWN:])
        run.line(f"\nless likely: {others}")

"""create, start."""

from __future__ import annotations

from collections.abc import Sequence

from virtup.cli.grammar import Failure, Option, flag, guest, text
from virtup.cli.report import warn
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read
from virtup.cli.verbs.save import tell_loss
from virtup.client.exchange import ConnectionLost
from virtup.client.guests import Handle, format_uuid
from virtup.errors import VirtError

PAUSED, AUTODESTROY, BYPASS_CACHE, FORCE_BOOT, VALIDATE, RESET_NVRAM = 1, 2, 4, 8, 16, 32
"""``virDomainCreateFlags``."""

_FLAGS: tuple[Option, ...] = (
    flag("console", "attach to the console after the start"),
    flag("paused", "leave the guest paused after the start"),
    flag("autodestroy", "destroy the guest when this command ends"),
)
_PASS_FDS = text("pass-fds", "file descriptors to hand to the guest (not supported)")
_RESET_NVRAM = flag("reset-nvram", "make the NVRAM anew from its template")


@verb(
    "create",
    "start a domain from an XML file",
    text("file", "file with the domain's XML", required=True, completes="file"),
    *_FLAGS,
    _PASS_FDS,
    flag("validate", "check the XML against the schema"),
    _RESET_NVRAM,
    description="The domain is gone when it stops, unless it was defined before.",
)
def create(run: Run, *, file: str, console: bool, pass_fds: str | None, **given: bool) -> int:
    """Start the guest in *file*, which is kept only as long as it runs."""
    xml = read(file)
    _refuse_fds(pass_fds)
    with run.trying(f"Failed to create domain from {file}", document=file):
        handle = run.conn.call("DOMAIN_CREATE_XML", xml_desc=xml, flags=_flags(given))["dom"]
    return _started(run, handle, f"created from {file}", console=console)


@verb(
    "start",
    "start a defined domain",
    guest("name or uuid of the domain"),
    *_FLAGS,
    flag("bypass-cache", "read saved state past the file system's cache"),
    flag("force-boot", "drop the saved state and boot"),
    _PASS_FDS,
    _RESET_NVRAM,
    description="From its saved state, where there is one; otherwise it boots.",
)
def start(run: Run, *, domain: str, console: bool, pass_fds: str | None, **given: bool) -> int:
    """Start a guest that is defined."""
    handle = run.guest(domain, ("uuid", "name"))
    if handle["id"] >= 0:
        raise Failure("Domain is already active")
    _refuse_fds(pass_fds)
    flags = _flags(given)
    if flags & FORCE_BOOT:
        tell_loss(run, handle)
    # virsh says nothing of its own when a forced boot fails
    complaint = None if flags & FORCE_BOOT else f"Failed to start domain '{handle['name']}'"
    with run.trying(complaint):
        if flags:
            run.conn.call("DOMAIN_CREATE_WITH_FLAGS", dom=handle, flags=flags)
        else:
            run.conn.call("DOMAIN_CREATE", dom=handle)
    return _started(run, handle, "started", console=console, notes=_notes(run, handle))


def _started(
    run: Run, handle: Handle, act: str, *, console: bool, notes: Sequence[str] = ()
) -> int:
    name = handle["name"]
    facts = {"notes": list(notes)} if notes else {}
    run.say(f"Domain '{name}' {act}", domain=name, uuid=format_uuid(handle["uuid"]), **facts)
    for note in () if run.json else notes:
        warn(note)
    if not console:
        return 0
    from virtup.cli.terminal import attach

    return attach(run, handle)


def _notes(run: Run, handle: Handle) -> list[str]:
    """What a person should know of the start that went well, e.g. that saved state was lost."""
    try:
        last = run.conn.call_virtup("WHY", {"domain": format_uuid(handle["uuid"])})["attempt"]
    except ConnectionLost:
        raise
    except VirtError:
        return []  # not virtupd, which keeps no record
    return [str(note) for note in last.get("notes", ())] if last is not None else []


def _flags(given: dict[str, bool]) -> int:
    bits = {
        "paused": PAUSED,
        "autodestroy": AUTODESTROY,
        "bypass_cache": BYPASS_CACHE,
        "force_boot": FORCE_BOOT,
        "validate": VALIDATE,
        "reset_nvram": RESET_NVRAM,
    }
    return sum(bits[name] for name, on in given.items() if on)


def _refuse_fds(given: str | None) -> None:
    if given is not None:
        raise Failure(
            f"--pass-fds {given} is not supported: virtup hands no file descriptors to a guest"
        )

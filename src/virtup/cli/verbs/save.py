"""managedsave, managedsave-remove, restore, save."""

from __future__ import annotations

import os

from virtup.cli.grammar import Option, flag, guest, text
from virtup.cli.progress import follow
from virtup.cli.report import warn
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read
from virtup.client.guests import Handle

BYPASS_CACHE, RUNNING, PAUSED, RESET_NVRAM = 1, 2, 4, 8
"""``virDomainSaveRestoreFlags``."""


def after(when: str) -> tuple[Option, Option]:
    """The options that say what the guest does once its memory is back."""
    return (
        flag("running", f"have the domain run on {when}"),
        flag("paused", f"have the domain paused on {when}"),
    )


_XML = text("xml", "file with changed XML for the domain", positional=False, completes="file")
_VERBOSE = flag("verbose", "print how far the save is")


@verb(
    "save",
    "save a running domain to a file and stop it",
    guest(),
    text("file", "file to save to", required=True, completes="file"),
    flag("bypass-cache", "write past the file system's cache"),
    _XML,
    *after("restore"),
    _VERBOSE,
    description=(
        "'restore' brings it back. When this ends well the file survives a power cut; when it "
        "fails the domain runs on. Ctrl-C aborts it."
    ),
)
def save(
    run: Run, *, domain: str, file: str, xml: str | None, verbose: bool, **given: bool
) -> None:
    """Save a guest to a file."""
    handle = run.guest(domain)
    name = handle["name"]
    document = read(xml) if xml is not None else None
    flags = save_flags(given)
    path = absolute(file)
    label = "Save" if verbose else None
    with run.trying(f"Failed to save domain '{name}' to {file}"):
        if flags or document is not None:
            follow(
                run.conn,
                "DOMAIN_SAVE_FLAGS",
                handle,
                label=label,
                to=path,
                dxml=document,
                flags=flags,
            )
        else:
            follow(run.conn, "DOMAIN_SAVE", handle, label=label, to=path)
    _gap(run)
    run.say(f"Domain '{name}' saved to {file}", domain=name, file=path)


@verb(
    "restore",
    "start a domain from the file that it was saved to",
    text("file", "file with the saved domain", required=True, completes="file"),
    flag("bypass-cache", "read past the file system's cache"),
    _XML,
    *after("restore"),
    flag("reset-nvram", "make the NVRAM anew from its template"),
    description=(
        "The memory is checked before it runs, where virtup saved it, and the disks against what "
        "they were. The same state is not run twice."
    ),
)
def restore(run: Run, *, file: str, xml: str | None, **given: bool) -> None:
    """Restore a guest from a file."""
    document = read(xml) if xml is not None else None
    flags = save_flags(given)
    path = absolute(file)
    with run.trying(f"Failed to restore domain from {file}"):
        if flags or document is not None:
            args = {"from": path, "dxml": document, "flags": flags}
            run.conn.call("DOMAIN_RESTORE_FLAGS", **args)
        else:
            run.conn.call("DOMAIN_RESTORE", **{"from": path})
    run.say(f"Domain restored from {file}", file=path)


@verb(
    "managedsave",
    "save a running domain and stop it till its next start",
    guest(),
    flag("bypass-cache", "write past the file system's cache"),
    *after("next start"),
    _VERBOSE,
    description=(
        "When this ends well the state survives a power cut; when it fails the domain runs on. "
        "Ctrl-C aborts it."
    ),
)
def managedsave(run: Run, *, domain: str, verbose: bool, **given: bool) -> None:
    """Save a guest where its next start finds it."""
    handle = run.guest(domain)
    name = handle["name"]
    label = "Managedsave" if verbose else None
    with run.trying(f"Failed to save domain '{name}' state"):
        follow(run.conn, "DOMAIN_MANAGED_SAVE", handle, label=label, flags=save_flags(given))
    _gap(run)
    run.say(f"Domain '{name}' state saved by libvirt", domain=name)


@verb(
    "managedsave-remove",
    "give up the saved state of a domain",
    guest(),
    description="Its next start boots from its disks, as after a power cut.",
)
def managedsave_remove(run: Run, *, domain: str) -> None:
    """Remove the managed save of a guest, if it has one."""
    handle = run.guest(domain)
    name = handle["name"]
    there = tell_loss(run, handle)
    if there:
        with run.trying(f"Failed to remove managed save image for domain '{name}'"):
            run.conn.call("DOMAIN_MANAGED_SAVE_REMOVE", dom=handle, flags=0)
        said = f"Removed managedsave image for domain '{name}'"
    else:
        said = f"Domain '{name}' has no manage save image; removal skipped"
    if run.json:
        run.document({"domain": name, "removed": there, "message": said})
    elif not run.settings.quiet:
        run.out(said)  # the line ends where the output does


def tell_loss(run: Run, handle: Handle) -> bool:
    """Say that a guest's saved state is about to be lost; whether it has one."""
    with run.trying("Failed to check for domain managed save image"):
        there = run.conn.call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=handle, flags=0)["result"]
    if there and not (run.settings.quiet or run.json):
        warn(
            f"the saved state of domain '{handle['name']}' is given up: what ran in it and was not "
            "on its disks is lost, as after a power cut"
        )
    return bool(there)


def save_flags(given: dict[str, bool]) -> int:
    """The flags of a save or a restore that the options ask for."""
    bits = {
        "bypass_cache": BYPASS_CACHE,
        "running": RUNNING,
        "paused": PAUSED,
        "reset_nvram": RESET_NVRAM,
    }
    return sum(bits[name] for name, on in given.items() if on)


def absolute(path: str) -> str:
    """The path as the daemon has to name it, whose folder is another."""
    return os.path.join(os.getcwd(), path)


def _gap(run: Run) -> None:
    """Begin a line of its own below the progress, as virsh does with and without one."""
    if not (run.settings.quiet or run.json):
        run.line("")

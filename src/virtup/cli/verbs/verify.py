"""save-verify."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from virtup.cli.grammar import Failure, flag, text
from virtup.cli.report import complain
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.save import absolute
from virtup.errors import Code, Origin, VirtError

CHANGED = "disks changed"
STATUS = {"consumed": 2, CHANGED: 3, "cannot run here": 4}
"""The exit status for a file that is whole, and is not restored, by the daemon's verdict."""

_MIB = 1024 * 1024


@verb(
    "save-verify",
    "check the file of a saved domain; tell what is in it",
    text("image", "file with a saved domain", required=True, completes="file"),
    flag("accept-disks", "have it restored beside its disks as they are now, changed as they are"),
    flag("yes", "do not ask"),
    description=(
        "Reads all of it. Files of libvirt's own carry no digests: of their memory nothing can be "
        "told. The exit status is 0 for a file that would be restored, 1 for a damaged one or one "
        "that cannot be read; and for a whole one 2 when it was restored before, 3 when its disks "
        "changed since, 4 when its machine or CPU is not here."
    ),
)
def save_verify(run: Run, *, image: str, accept_disks: bool, yes: bool) -> int:
    """Print what an image holds and whether it is whole; or accept that its disks changed."""
    path = absolute(image)
    if accept_disks:
        return _accept(run, path, yes=yes)
    found = verified(run, path)
    if run.json:
        run.document(found)
    else:
        run.out("".join(f"{label + ':':<15} {value}\n" for label, value in _rows(found)))
        if found["sentence"]:
            complain(found["sentence"])
        if found["verdict"] == CHANGED:
            way = f"virtup save-verify {shlex.quote(path)} --accept-disks"
            click.echo(f"It can be restored after '{way}'; read what that asks.", err=True)
    return STATUS.get(found["verdict"], 1 if found["damage"] else 0)


def verified(run: Run, path: str) -> dict[str, Any]:
    """What virtupd says of the image at *path*."""
    try:
        found: dict[str, Any] = run.conn.call_virtup("VERIFY_IMAGE", {"path": path})
    except VirtError as exc:
        if exc.code == Code.RPC and exc.origin == Origin.RPC:
            raise Failure("this daemon checks no saved domains: it is not virtupd", exc) from exc
        raise
    return found


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    verdict = found["verdict"]
    if verdict in STATUS:
        verdict += "; the file is whole"
    elif found["damage"]:
        verdict += f" ({found['damage']})"
    held = found["contents"]
    rows = [("Image", found["path"]), ("Verdict", verdict)]
    if not held:
        return rows
    if "name" in held:
        rows += [("Name", held["name"]), ("UUID", held["uuid"])]
        rows.append(("Saved", f"{str(held['saved']).replace('T', ' ')[:19]} UTC"))
    rows.append(("After restore", "running" if held["runs"] else "paused"))
    rows += [("Size", _size(held["size"])), ("Format", held["format"])]
    if "name" in held:
        rows += [
            ("Memory", _size(held["memory_bytes"])),
            ("QEMU", held["qemu"]),
            ("Machine", held["machine"]),
            *(("Disk", disk) for disk in held["disks"]),
            ("Restored", "yes" if held["restored"] else "no"),
        ]
    else:
        rows.append(("Digests", "none: libvirt's own; only both ends of its memory are checked"))
    return rows


def _size(size: int) -> str:
    return f"{size / _MIB:.1f} MiB" if size >= _MIB else f"{size} bytes"


def _accept(run: Run, path: str, *, yes: bool) -> int:
    """Put the disks as they are now into the image, once a person has said yes."""
    from virtup.cli.accept import accept, examine

    changed = examine(path)
    if not changed.disks:
        run.say(f"The disks of '{path}' are as they were when it was saved", path=path, disks=[])
        return 0
    for disk in changed.disks:
        click.echo(f"'{disk.path}' changed: {', '.join(disk.how)}", err=True)
    if not yes:
        _ask(run, path)
    accept(changed)
    names = [disk.path for disk in changed.disks]
    run.say(f"The disks of '{path}' are accepted as they are now", path=path, disks=names)
    return 0


def _ask(run: Run, path: str) -> None:
    """Have a person at a terminal say yes; raises Failure for anything else."""
    what = (
        f"The memory in '{path}' does not know of these changes: a guest that is restored from it "
        "may destroy what is on its disks"
    )
    if run.json or sys.stdin is None or not sys.stdin.isatty():
        raise Failure(f"{what}. Nothing was changed; --yes accepts that")
    click.echo(f"{what}.", err=True)
    if not click.confirm("Accept the disks as they are?", err=True):
        raise Failure("Nothing was changed")

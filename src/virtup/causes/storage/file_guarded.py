"""A rule of the kernel's beside modes and lists closes a file: a private FUSE mount, a sticky link.

## What it means
A FUSE mount (sshfs, rclone, a desktop's network folder) is open to the user who mounted it and to
nobody else, root neither, unless it has the option `allow_other`. And in a directory like `/tmp`
(sticky, writable by all) nobody follows a symbolic link of somebody else's
(`fs.protected_symlinks`).

## How to confirm
`findmnt -T PATH -o TARGET,FSTYPE,OPTIONS`: no `allow_other`; or `namei -l PATH`: a link of another
owner in a directory with mode `drwxrwxrwt`.

## What to do
Mount it with `-o allow_other` (`user_allow_other` in `/etc/fuse.conf` for a user). Name the file
itself in the definition instead of the link, or keep links out of `/tmp`.

## Strings it goes by
- `Could not open '/mnt/ssh/a.qcow2': Permission denied`
- `Could not open '/tmp/a.qcow2': Permission denied`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, Trouble, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import account, edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU522"
SLUG = "file-guarded"

ROLES = tuple(Role)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/mnt/a.qcow2,format=qcow2,if=virtio")
_SAID = (
    "qemu-system-x86_64: -drive file=/mnt/a.qcow2,format=qcow2,if=virtio: Could not open "
    "'/mnt/a.qcow2': Permission denied\n"
)
_MOUNT = PathFact(
    exists=True,
    blocked="/mnt",
    lacks="search",
    owner="ann",
    filesystem="fuse.sshfs",
    guarded="private mount",
)
_LINK = PathFact(
    exists=True,
    blocked="/mnt/a.qcow2",
    lacks="search",
    target="/mnt",
    owner="root",
    group="root",
    mode="1777",
    guarded="sticky link",
)
POSITIVE = (
    Evidence(
        stderr=_SAID, argv=_ARGV, uid=991, host={PathAccess("/mnt/a.qcow2", "write", 991): _MOUNT}
    ),
    Evidence(argv=_ARGV, uid=991, host={PathAccess("/mnt/a.qcow2", "write", 991): _LINK}),
)
NEGATIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={
            PathAccess("/mnt/a.qcow2", "write", 991): PathFact(
                exists=True, blocked="/mnt", lacks="search", mode="0700"
            )
        },
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each file that such a rule closes."""
    for trouble in troubles(ev, ROLES, {Kind.GUARDED}):
        if trouble.fact is not None:
            told = _mount if trouble.fact.guarded == "private mount" else _link
            sentence, seen, fixes = told(ev, trouble, trouble.fact)
            evidence = (*trouble.quotes, f"this host: {seen}")
            yield _found(sentence, trouble.use.path, Certainty.PROVEN, evidence, fixes, trouble.at)


def _mount(ev: Evidence, trouble: Trouble, fact: PathFact) -> tuple[str, str, tuple[Fix, ...]]:
    at, path, noun = fact.blocked, trouble.use.path, trouble.use.role.value
    sentence = (
        f"The FUSE mount '{at}' is open to user '{fact.owner}' alone (no allow_other), so "
        f"{account(ev)} cannot reach the {noun} '{path}'."
    )
    fix = Fix(f"mount '{at}' once more with '-o allow_other' (see user_allow_other in fuse.conf)")
    return sentence, f"'{at}' is {fact.filesystem}, mounted without allow_other", (fix,)


def _link(ev: Evidence, trouble: Trouble, fact: PathFact) -> tuple[str, str, tuple[Fix, ...]]:
    link, path, noun = fact.blocked, trouble.use.path, trouble.use.role.value
    sentence = (
        f"{account(ev)} may not follow the symbolic link '{link}', another user's in the sticky "
        f"directory '{fact.target}' (fs.protected_symlinks), to the {noun} '{path}'."
    )
    seen = f"'{fact.target}' has mode {fact.mode}, and neither its owner nor QEMU's made the link"
    return sentence, seen, (edit(f"name the file itself instead of the link '{link}'"),)

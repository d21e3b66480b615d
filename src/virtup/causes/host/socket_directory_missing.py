"""The directory in which QEMU is to make a socket does not exist.

## What it means
`<serial type='unix'>` (or a channel, a monitor, a VNC display) names a socket path, and its directory
is not there. Directories below `/run` are gone after every boot.

## How to confirm
`ls -ld DIR`.

## What to do
Make the directory, for QEMU's account to write to; below `/run` by a line in `/etc/tmpfiles.d`, so
that it is there after the next boot.

## Strings it goes by
- `Failed to bind socket to /run/x/serial.sock: No such file or directory`
- `cannot listen on the socket '/run/x/serial.sock': No such file or directory`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import sockets
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import make_directory
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU105"
SLUG = "socket-directory-missing"

_SAID = (
    "qemu-system-x86_64: -chardev socket,id=c,path=/srv/sock/a,server=on,wait=off: Failed to bind "
    "socket to /srv/sock/a: No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PathAccess("/srv/sock/a", "create", 991): PathFact(missing="/srv/sock")},
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Failed to bind socket to /srv/sock/a: Permission denied\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: Failed to connect to '/srv/sock/a': No such file or directory\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the socket's directory."""
    return sockets.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each socket without a directory."""
    for socket in sockets.unbound(ev):
        fact = socket.fact
        if fact.missing == "" if fact else socket.errno != errno.ENOENT:
            continue
        directory = socket.path.rpartition("/")[0] or "/"
        missing = fact.missing if fact else directory
        yield _found(
            f"The directory '{missing}' of the socket '{socket.path}' does not exist.",
            directory,
            Certainty.PROVEN if fact else Certainty.LIKELY,
            (*socket.quotes, *((f"this host has no '{missing}'",) if fact else ())),
            (make_directory(ev, directory),),
            socket.at,
        )

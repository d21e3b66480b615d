"""A UNIX socket path exceeds the length limit.

## What it means
The kernel's socket address holds 108 bytes, the last one a NUL: a path may have at most 107. Deep
home directories, sandboxes (Flatpak's `~/.var/app/...`), long guest names and long `--root` folders
go beyond it.

## How to confirm
`printf %s PATH | wc -c` is above 107.

## What to do
Shorten the path: a shorter guest name, a shorter `--root` or `--socket-dir`, `XDG_RUNTIME_DIR` set to
`/run/user/UID`; in the definition, a shorter `<source path=.../>`.

## Strings it goes by
- `UNIX socket path '...' too long`
- `UNIX socket path '...' is too long` / `Path must be less than 108 bytes`
- `the socket path '...' is too long`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.usage import sockets
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU104"
SLUG = "socket-path-too-long"
LIMIT = 107

_WORDS = re.compile(
    r"[^\n]*?(?:socket (?:path )?'(?P<path>[^'\n]+)' (?:is )?too long"
    r"|(?:monitor|socket) path (?P<monitor>/\S+) too big for destination|path (?P<bare>/\S+) too long for unix socket)[^\n]*",
    re.IGNORECASE,
)
_PATH = "/home/user/.var/app/" + "x" * 100 + "/monitor.sock"
POSITIVE = (
    Evidence(error=f"internal error: UNIX socket path '{_PATH}' too long"),
    Evidence(
        stderr=f"qemu-system-x86_64: -chardev socket,id=c,path={_PATH},server=on: UNIX socket path "
        f"'{_PATH}' is too long\nPath must be less than 108 bytes\n"
    ),
    Evidence(phase="prepare", error=f"the socket path '{_PATH}' is too long: 133 bytes"),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Failed to bind socket to /run/a.sock: Permission denied\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the path itself proves it."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a path that does not fit."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        yield _finding(seen["path"], seen)
    for path in (*ev.plan.sockets, *(sockets(ev.argv) if ev.ahead else ())):
        if len(path.encode("utf-8", "surrogateescape")) > LIMIT:
            yield _finding(path, None)


def _finding(path: str, seen: Seen | None) -> Finding:
    length = len(path.encode("utf-8", "surrogateescape"))
    counted = (f"the path has {length} bytes, and {LIMIT} fit",) if length > LIMIT else ()
    return _found(
        f"The path of a socket is too long ({length} bytes, and at most {LIMIT} fit): '{path}'.",
        path,
        Certainty.PROVEN if counted else Certainty.LIKELY,
        (*((seen.quote,) if seen else ()), *counted),
        (
            Fix(
                "use a shorter guest name, --root or --socket-dir, or a shorter path for the socket"
            ),
        ),
        seen.at if seen else NOWHERE,
    )

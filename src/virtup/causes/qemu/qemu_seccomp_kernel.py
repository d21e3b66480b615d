"""The kernel does not accept the seccomp filter of QEMU.

## What it means
QEMU confines itself with a filter of system calls (`-sandbox on`), and the kernel refused it: the
kernel is too old, built without seccomp, or this is a container that forbids it.

## How to confirm
`zgrep SECCOMP /proc/config.gz`; `grep Seccomp /proc/self/status`.

## What to do
Update the kernel, or allow seccomp in the container. As a last resort switch the sandbox off in the
daemon's configuration: QEMU then runs with less protection.

## Strings it goes by
- `failed to install seccomp syscall filter in the kernel`
- `seccomp support is disabled`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import hosts
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe

CODE = "VU041"
SLUG = "qemu-seccomp-kernel"

_WORDS = re.compile(
    r"(?:failed to install seccomp syscall filter|seccomp support is disabled"
    r"|-sandbox support is not enabled)[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -sandbox on,obsolete=deny: failed to install seccomp syscall "
        "filter in the kernel\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -sandbox on,frob=deny: Invalid parameter 'frob'\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the kernel's filters."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        yield from hosts.NO_SECCOMP.probes(ev, [""])


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the filter was refused."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    found = _found(
        "The kernel does not accept QEMU's sandbox (seccomp filter).",
        "-sandbox",
        Certainty.LIKELY,
        (seen.quote,),
        (Fix("update the kernel, or allow seccomp in the container", ("uname -r",)),),
        seen.at,
    )
    yield from hosts.NO_SECCOMP.settled(ev, found, "")

"""The account that QEMU is to run as does not exist.

## What it means
virtup never runs QEMU as root. The account in the daemon's configuration (`qemu_user`), or the
default one, is not there: it was removed, or the name is misspelled, or the image of the host was
made without it.

## How to confirm
`getent passwd virtup-qemu`.

## What to do
Make the account; it needs no password, no shell and no home, and the group `kvm` where there is one.

## Strings it goes by
- `The user 'virtup-qemu' does not exist on this host.`
- `The user 'virtup-qemu' is missing and could not be made`
- `Failed to parse user 'qemu'` (libvirt)
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Account, AccountFact

CODE = "VU100"
SLUG = "qemu-user-missing"

_WORDS = re.compile(
    r"(?:the user '(?P<a>[^'\n]+)' (?:does not exist|is missing)"
    r"|failed to parse (?:user|uid and gid) '(?P<b>[^'\n:]+)"
    r"|(?:unknown|no such|invalid) user:? '?(?P<c>[\w.-]+)'?)[^\n]*",
    re.IGNORECASE,
)
_THEIRS = re.compile(r"qemu|libvirt|kvm|-runas|virt", re.IGNORECASE)
"""Whose user it is: other programs say of theirs that it is unknown, too."""
_SAID = "The user 'virtup-qemu' does not exist on this host."
POSITIVE = (
    Evidence(phase="prepare", error=_SAID),
    Evidence(phase="prepare", error=_SAID, host={Account("virtup-qemu"): AccountFact()}),
    Evidence(stderr="chown: invalid user: deploy\n"),
)
NEGATIVE = (
    Evidence(phase="prepare", error="The group 'kvm' does not exist on this host."),
    Evidence(phase="prepare", error=_SAID, host={Account("virtup-qemu"): AccountFact(exists=True)}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Account]:
    """Ask for the account that the words name."""
    seen = said(ev).find(_WORDS)
    if seen is not None and ev.phase:
        yield Account(_name(seen))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the account is missing."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    name = _name(seen)
    fact = ev.fact(Account(name))
    if fact is not None and fact.exists:
        return
    quoted = shlex.quote(name)
    make = f"useradd --system --no-create-home --shell /usr/sbin/nologin {quoted}"
    yield _found(
        f"The account '{name}', which QEMU is to run as, does not exist.",
        name,
        Certainty.PROVEN if fact else _certainty(seen),
        (seen.quote, *((f"this host has no account '{name}'",) if fact else ())),
        (
            Fix(
                "make the account, and let it use KVM",
                (make, f"usermod -aG kvm {quoted}"),
                Safety.CONFIRM,
                (f"userdel {quoted}",),
            ),
        ),
        seen.at,
    )


def _certainty(seen: Seen) -> Certainty:
    sure = not seen["c"] or _THEIRS.search(seen.line) is not None
    return Certainty.LIKELY if sure else Certainty.POSSIBLE


def _name(seen: Seen) -> str:
    return seen["a"] or seen["b"] or seen["c"]

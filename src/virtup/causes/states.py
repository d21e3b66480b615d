"""Saved guests: which image the words are about, and how to get on without what is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

_IMAGE = re.compile(
    r"(?:saved states?|state|file|in|image) '(?P<path>/[^'\n]+)'|^'(?P<bare>/[^'\n]+)' is not a ",
    re.MULTILINE,
)
SYMPTOMS = (
    "restore-not-a-stream",
    "restore-device-state-mismatch",
    "restore-device-set-changed",
    "restore-ram-size-mismatch",
)
"""What QEMU says of an image that is damaged, by slug: damage is the better word."""

GOOD_COPY = Fix(
    "restore a good copy of the image, if a backup has one", ("virtup save-verify {image}",)
)
ACCEPT_DISKS = Fix(
    "accept the disks as they are, if you know that the change does no harm",
    ("virtup save-verify {image} --accept-disks",),
    Safety.CONFIRM,
)
_ASIDE = re.compile(r"set aside as '(?P<path>/[^'\n]+)'")
_FILE = re.compile(r"the file is left as it is(?:; 'start (?P<guest>[^'\n]+)' boots)?")


def probes(_ev: Evidence) -> Iterator[Probe[Fact]]:
    """Ask nothing of the host: whoever read the image has said what is wrong with it."""
    yield from ()


def image(ev: Evidence) -> str:
    """Return the path of the image that a failure is about, "" when nothing names it."""
    if ev.phase == "load" and ev.path:
        return ev.path
    seen = said(ev).find(_IMAGE)
    return (seen["path"] or seen["bare"]) if seen is not None else ""


def ways_out(ev: Evidence) -> tuple[Fix, ...]:
    """Return how the guest boots again, and what is lost by that; none for one not known here."""
    guest = ev.guest or "NAME"
    file = said(ev).find(_FILE)
    if file is not None and not file["guest"]:
        return ()
    if file is not None or said(ev).find(_ASIDE) is not None:
        text = "boot from its disks: what was in the saved memory and not on them is lost"
        return (Fix(text, (f"virtup start {guest}",), Safety.CONFIRM),)
    text = "give the saved state up and boot from the disks: what was only in memory is lost"
    return (Fix(text, (f"virtup start --force-boot {guest}",), Safety.CONFIRM),)


def finding(
    ev: Evidence, words: re.Pattern[str], named: tuple[str, str], sentence: str, *more: Fix
) -> Iterator[Finding]:
    """Yield the finding *named* (code, slug) when *words* are said; *more* are other fixes.

    ``{image}`` in *sentence* and in the commands is the image, other names are groups of *words*,
    ``{first}`` the first that is there.
    """
    seen = said(ev).find(words)
    if seen is None:
        return
    path = image(ev)
    fixes = tuple(
        Fix(fix.text, tuple(one.format(image=path or "IMAGE") for one in fix.commands), fix.safety)
        for fix in more
    )
    code, slug = named
    noun = f"saved state '{path}'" if path else "saved state"
    yield Finding(
        code,
        slug,
        sentence.format(image=noun, **_groups(seen)),
        path,
        Certainty.LIKELY,
        (seen.quote,),
        (*ways_out(ev), *fixes),
        seen.at,
    )


def _groups(seen: Seen) -> dict[str, str]:
    named = {name: value for name, value in seen.match.groupdict().items() if value}
    return {"first": next(iter(named.values()), ""), **named}

"""Saved guests: which image the words are about, and how to get on without what is in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from virtup.causes import definition
from virtup.causes.finding import Certainty, Finding, Fix, Safety, mend
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.probe_files import SavedState, SavedStateFact
from virtup.model.repair import SetSaveAside

INCOMPLETE = Evidence(
    error="operation failed: the saved state '/save/g.save' is incomplete; its "
    "memory is lost. It was set aside as '/save/g.save.x': start the guest "
    "again and it boots from its disks"
)
"""An example: what virtup says of an image whose save was cut short."""
ZEROED = Evidence(
    error="operation failed: the saved state '/save/g.save' is filled with zeros; "
    "its memory is lost. It was set aside as '/save/g.save.x': start the "
    "guest again and it boots from its disks"
)
"""An example: what virtup says of an image that has its length and not its content."""
NO_STREAM = Evidence(stderr="qemu-system-x86_64: Not a migration stream\n", phase="load")
"""An example: what QEMU says of an image that holds no state of a guest."""

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
COMPARE = Fix(
    "compare the guest in the image with the definition", ("virtup save-image-dumpxml {image}",)
)
ACCEPT_DISKS = Fix(
    "accept the disks as they are, if you know that the change does no harm",
    ("virtup save-verify {image} --accept-disks",),
    Safety.CONFIRM,
)
_ASIDE = re.compile(r"set aside as '(?P<path>/[^'\n]+)'")
_AND_NOW = re.compile(r"; (?:its memory is lost|the file is left as it is)")
"""What virtup's own sentences go on with after what is wrong with an image."""
_FILE = re.compile(r"the file is left as it is(?:; 'start (?P<guest>[^'\n]+)' boots)?")


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
        text = "drop the saved state and boot from the disks: what was only in memory is lost"
        return (Fix(text, (f"virtup start {guest}",), Safety.CONFIRM),)
    text = "give the saved state up and boot from the disks: what was only in memory is lost"
    if ev.guest:
        text = "set the saved state aside and boot from the disks: what was only in memory is lost"
        return (mend(text, SetSaveAside(), safety=Safety.CONFIRM),)
    return (Fix(text, (f"virtup start --force-boot {guest}",), Safety.CONFIRM),)


def where(ev: Evidence) -> str:
    """Return where the image that a failure is about lies now: it may have been set aside."""
    aside = said(ev).find(_ASIDE)
    return aside["path"] if aside is not None else image(ev)


@dataclass(frozen=True, slots=True)
class Unrestored:
    """A way in which a saved guest is not restored, told by ``words``.

    ``{image}`` in the sentence and in the commands is the image, other names are groups of the
    words, ``{first}`` the first that is there. ``fixes`` follow the ways to boot without it.
    """

    code: str
    slug: str
    words: re.Pattern[str]
    sentence: str
    fixes: tuple[Fix, ...] = ()
    proof: Proof | None = None

    def probes(self, ev: Evidence) -> Iterable[Probe[Any]]:
        """Ask for the image when the words are about one."""
        if self.proof is None or said(ev).find(self.words) is None:
            return ()
        return self.proof.probes(ev, [where(ev)])

    def find(self, ev: Evidence) -> Iterator[Finding]:
        """Yield the finding when the words are said, with what is lost by each way out."""
        seen = said(ev).find(self.words)
        if seen is None:
            return
        path, lies = image(ev), where(ev)
        fixes = tuple(
            replace(fix, commands=tuple(one.format(image=lies or "IMAGE") for one in fix.commands))
            for fix in self.fixes
        )
        noun = f"saved state '{path}'" if path else "saved state"
        # by virtup itself: in this start, or of the file that it was given
        here = ev.uid is not None or bool(ev.phase and ev.path)
        read_here = here and _AND_NOW.search(seen.line) is not None
        found = Finding(
            self.code,
            self.slug,
            self.sentence.format(image=noun, **_groups(seen)),
            path,
            Certainty.PROVEN if read_here else Certainty.LIKELY,
            (_AND_NOW.split(seen.quote)[0],),
            (*ways_out(ev), *fixes),
            seen.at,
        )
        if self.proof is None:
            yield found
        else:
            yield from self.proof.settled(ev, found, lies)


def _of_image(judge: Callable[[Evidence, str, SavedStateFact], Shown | None]) -> Proof:
    def judges(ev: Evidence, path: str) -> Shown | None:
        fact = ev.fact(SavedState(path)) if path else None
        return judge(ev, path, fact) if fact is not None and fact.exists else None

    return Proof(judges, lambda _ev, path: (SavedState(path),) if path else ())


def damaged(*words: str) -> Proof:
    """Return the proof that the image's head or trailer is damaged in one of the ways *words*.

    Its memory is not read, so that a whole head refutes nothing.
    """

    def judge(_ev: Evidence, path: str, fact: SavedStateFact) -> Shown | None:
        if fact.damage in words:
            return holds(f"'{path}' ({fact.size} bytes): {fact.damage}")
        return refuted(f"'{path}' ({fact.size} bytes): {fact.damage}") if fact.damage else None

    return _of_image(judge)


def _consumed(_ev: Evidence, path: str, fact: SavedStateFact) -> Shown | None:
    if fact.damage:
        return None
    if fact.consumed:
        return holds(f"'{path}' has the mark of a restore")
    return refuted(f"'{path}' has no mark of a restore")


def _of_other(ev: Evidence, path: str, fact: SavedStateFact) -> Shown | None:
    if not fact.name or not ev.guest:
        return None
    said_whose = f"'{path}' is of the guest '{fact.name}'"
    other = fact.name != ev.guest or bool(ev.uuid and fact.uuid and ev.uuid != fact.uuid)
    return holds(f"{said_whose}, uuid {fact.uuid}") if other else refuted(said_whose)


def _disks_changed(_ev: Evidence, path: str, fact: SavedStateFact) -> Shown | None:
    if fact.damage or not fact.disks:
        return None
    changed = [(disk, words) for disk, words in fact.disks if words]
    if not changed:
        return refuted(f"the disks are as '{path}' has them")
    disk, words = changed[0]
    return holds(f"of '{disk}' there changed since the save: {words}")


def _differs(noun: str, saved: str, now: str) -> Shown | None:
    if not saved or not now:
        return None
    if saved == now:
        return refuted(f"the image and the definition both have {noun} {now}")
    return holds(f"the image has {noun} {saved}, the definition {now}")


def _other_memory(ev: Evidence, _path: str, fact: SavedStateFact) -> Shown | None:
    saved, now = (definition.text(xml, "memory") for xml in (fact.xml, ev.definition))
    return _differs("memory of", saved, now)


def _other_machine(ev: Evidence, _path: str, fact: SavedStateFact) -> Shown | None:
    return _differs("machine type", definition.machine(fact.xml), definition.machine(ev.definition))


def _other_devices(ev: Evidence, _path: str, fact: SavedStateFact) -> Shown | None:
    saved, now = (_kinds(xml) for xml in (fact.xml, ev.definition))
    if not saved or not now or saved == now:
        return None
    gone = ", ".join(f"{count} x {kind}" for kind, count in (saved - now).items())
    new = ", ".join(f"{count} x {kind}" for kind, count in (now - saved).items())
    words = [
        f"{what}: {names}" for what, names in (("only there", gone), ("only here", new)) if names
    ]
    return holds(f"the devices of the image differ from the definition's; {'; '.join(words)}")


def _kinds(xml: str) -> Counter[str]:
    return Counter(f"<{one.tag}>" for one in definition.devices(xml))


CONSUMED = _of_image(_consumed)
"""The image was restored before."""
OF_OTHER_GUEST = _of_image(_of_other)
"""The image is of another guest."""
DISKS_CHANGED = _of_image(_disks_changed)
"""A disk is not what it was when the guest was saved."""
OTHER_MEMORY = _of_image(_other_memory)
"""The definition has another size of memory than the image."""
OTHER_MACHINE = _of_image(_other_machine)
"""The definition has another machine type than the image."""
OTHER_DEVICES = _of_image(_other_devices)
"""The definition has other devices than the image."""


def _groups(seen: Seen) -> dict[str, str]:
    named = {name: value for name, value in seen.match.groupdict().items() if value}
    return {"first": next(iter(named.values()), ""), **named}

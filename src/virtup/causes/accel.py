"""KVM that could not be used: what was refused, and what the host's state makes of it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass

from virtup.causes.finding import NOWHERE, Certainty
from virtup.causes.usage import wants_kvm
from virtup.causes.words import Seen, errno_of, noted, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Kvm, KvmFact

_REFUSED = re.compile(
    r"(?:could not access kvm kernel module: (?P<access>[^\n]*)"
    r"|failed to initiali[sz]e kvm: (?P<init>[^\n]*)"
    r"|ioctl\(KVM_CREATE_VM\) failed: (?P<create>[^\n]*)"
    r"|(?:could not|failed to|cannot|unable to) open '?/dev/kvm'?:? ?(?P<open>[^\n]*))",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"(?:domain requires kvm|host does not support domain type '?kvm|type=kvm\b[^\n]*not found|get preferred machine for \S+ type=kvm|does not support virt type 'kvm'"
    r"|could not find capabilities for (?:arch=\S+ )?domaintype=kvm|does not support any virtuali[sz]ation options[^\n]*kvm"
    r"|invalid accelerator '?kvm|kvm virtuali[sz]ation configured, but not available"
    r"|kvm acceleration can not be used|your cpu does not support kvm|kvm support is missing|kvm is not (?:available|supported)|'?/dev/kvm'? (?:is )?(?:missing|not (?:present|permitted|found)|broken))[^\n]*",
    re.IGNORECASE,
)
_FELL_BACK = re.compile(r"falling back to (?!kvm)\w+", re.IGNORECASE)
"""QEMU went on with another accelerator: what it said of KVM before stopped nobody."""
UNNARROWED = "kvm-unavailable"
"""The cause when the words say that there is no KVM, and not why."""
_NOTED = tuple(
    (slug, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for slug, pattern in (
        (
            "kvm-disabled-firmware",
            r"(?:kvm: |\bvmx\b|\bsvm\b|virtuali[sz]ation)[^\n]*(?:disabled|not enabled) \(?(?:by|in) (?:the )?bios",
        ),
        ("kvm-module-not-loaded", r"modprobe: (?:fatal|error):[^\n]*\bkvm(?:_intel|_amd)?\b"),
        (
            "kvm-nested-off",
            (
                r"hypervisor vendor:|^flags\s*:[^\n]*\bhypervisor\b|only emulated cpus are available"
                r"|dmi: (?:vmware|qemu|xen|innotek|microsoft)|detected virtualization (?!none)\w+"
            ),
        ),
    )
)
"""What a kernel's log or a listing says, by the cause that it tells."""
_FOREIGN = re.compile(r"\barch=(?!x86_64|i686)\w+ domaintype=kvm", re.IGNORECASE)
"""KVM of another architecture than most hosts have: not there because it cannot be."""
_BUSY = re.compile(r"\b16 device|device or resource busy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why KVM cannot be used: the slug of the one cause that fits best."""

    slug: str
    certainty: Certainty
    seen: Seen | None
    fact: KvmFact | None
    note: str = ""
    """What that host's own log or listing says of it, when nobody could look."""

    @property
    def quotes(self) -> tuple[str, ...]:
        """The line that says it, if one does."""
        return (self.seen.quote,) if self.seen else ()

    @property
    def at(self) -> int:
        """Where the words say it."""
        return self.seen.at if self.seen else NOWHERE


NOT_FOUND = (
    "Could not access KVM kernel module: No such file or directory\n"
    "qemu-system-x86_64: failed to initialize kvm: No such file or directory\n"
)
"""An example: what QEMU says where there is no /dev/kvm."""
OTHERWISE = (
    Evidence(stderr=NOT_FOUND.replace("No such file or directory", "Permission denied")),
    Evidence(stderr="qemu-system-x86_64: warning: host doesn't support requested feature\n"),
    Evidence(stderr=f"{NOT_FOUND}qemu-system-x86_64: falling back to tcg\n"),
)
"""Examples of what is no want of KVM: a closed device, a warning, one that was gone on without."""


def probe(ev: Evidence) -> Iterator[Kvm]:
    """Ask for the state of KVM when it was refused, or a start would need it."""
    wanted = _seen(ev) is not None or (ev.ahead and wants_kvm(ev.argv))
    if ev.uid is not None and wanted:
        yield Kvm(ev.uid, ev.gids)


def verdict_of(ev: Evidence, slug: str) -> Verdict | None:
    """Return why KVM cannot be used when the cause *slug* fits best, else None."""
    found = verdict(ev)
    return found if found is not None and found.slug == slug else None


def verdict(ev: Evidence) -> Verdict | None:
    """Return why KVM cannot be used, or None when nothing says that it cannot."""
    seen = _seen(ev)
    fact = ev.fact(Kvm(ev.uid, ev.gids)) if ev.uid is not None else None
    if seen is None and not (ev.ahead and fact is not None and _unusable(fact)):
        return None
    if fact is not None:
        slug, certainty = _by_host(fact)
        return Verdict(slug, certainty, seen, fact)
    if seen is None:
        return None
    said_so, certainty = _by_words(seen)
    for slug, pattern in _NOTED if said_so == UNNARROWED else ():
        note = noted(ev).find(pattern)
        if note is not None:
            return Verdict(slug, Certainty.LIKELY, seen, None, note.quote)
    return Verdict(said_so, certainty, seen, None)


def _unusable(fact: KvmFact) -> bool:
    return fact.busy or not (fact.node and fact.allowed)


def _seen(ev: Evidence) -> Seen | None:
    words = said(ev)
    if words.find(_FELL_BACK) is not None:
        return None
    refused = words.find(_REFUSED)
    if refused is not None or wants_kvm(ev.argv):
        return refused or words.find(_NONE)
    return words.find(_NONE)


def _by_words(seen: Seen) -> tuple[str, Certainty]:
    groups = seen.match.groupdict()
    words = next((value for value in groups.values() if value), "")
    number = errno_of(words)
    if number == errno.EPERM and groups["init"]:
        # what KVM's start as a whole came to: SEV and TDX fail it so as well
        return "kvm-device-permission", Certainty.POSSIBLE
    if number in {errno.EACCES, errno.EPERM} or "not permitted" in seen.line:
        return "kvm-device-permission", Certainty.LIKELY
    if number == errno.EBUSY or _BUSY.search(words):
        return "kvm-busy-other-hypervisor", Certainty.LIKELY
    # any other error is KVM's own trouble, not its absence
    absent = not words or number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}
    absent = absent and _FOREIGN.search(seen.line) is None
    return "kvm-unavailable", Certainty.LIKELY if absent else Certainty.POSSIBLE


def _by_host(fact: KvmFact) -> tuple[str, Certainty]:
    if fact.node:
        if not fact.allowed:
            return "kvm-device-permission", Certainty.PROVEN
        if fact.busy:
            return "kvm-busy-other-hypervisor", Certainty.PROVEN
        return "kvm-unavailable", Certainty.LIKELY
    if fact.cpu_flag and not fact.module:
        return "kvm-module-not-loaded", Certainty.PROVEN
    x86 = fact.architecture in {"x86_64", "i686", ""}
    if x86 and not fact.cpu_flag and not fact.module:
        return ("kvm-nested-off" if fact.guest_of else "kvm-disabled-firmware"), Certainty.PROVEN
    return "kvm-unavailable", Certainty.PROVEN

"""Files that a start could not use: what the words say of them, joined to what the host shows.

One `Trouble` is one file with one thing wrong. The causes for files differ only in which roles
and which kinds of trouble are theirs.
"""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from virtup.causes.finding import NOWHERE, Certainty, Fix, Safety, mend
from virtup.causes.usage import FileUse, Role, files
from virtup.causes.who import account, grant, mode
from virtup.causes.words import Seen, errno_of, said
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageInfo, PathAccess, PathFact
from virtup.model.repair import RemountWritable


class Kind(Enum):
    """What is wrong with a file."""

    MISSING = "missing"
    SEARCH = "a directory on the way may not be searched"
    MODE = "the file's own mode keeps the account out"
    DENIED = "refused, and the words do not say by what"
    DENIED_ALTHOUGH = "refused although modes and lists allow it"
    READONLY = "on a file system mounted read-only"
    LOOP = "a loop of symbolic links"
    NOT_A_DIRECTORY = "a file where a directory should be"
    DIRECTORY = "a directory where a file should be"
    OTHER_KIND = "a special file where a file should be"
    FROZEN = "an attribute keeps everybody from changing it"
    NODEV = "a device node on a file system mounted nodev"
    GUARDED = "closed by a rule of the kernel's beside the modes"
    FAULTY = "the file system answers with an error"
    SILENT = "the file system does not answer"


@dataclass(frozen=True, slots=True)
class Failure:
    """An open that failed, as the words tell it; ``overlay`` is the image that needed it."""

    path: str
    role: Role
    errno: int | None
    seen: Seen
    overlay: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One file with one thing wrong; at least one of ``failure`` and ``fact`` is there."""

    use: FileUse
    kind: Kind
    failure: Failure | None
    fact: PathFact | None

    @property
    def certainty(self) -> Certainty:
        """Proven when the host shows it, likely when only the words do."""
        if self.fact is not None and self.kind is not Kind.DENIED_ALTHOUGH:
            return Certainty.PROVEN
        return Certainty.LIKELY

    @property
    def at(self) -> int:
        """Where in the words this trouble is told, far beyond them when it is not."""
        return self.failure.seen.at if self.failure else NOWHERE

    @property
    def above(self) -> bool:
        """Is it a directory on the way, not the file itself, that keeps the account out?"""
        return self.kind is Kind.SEARCH

    @property
    def quotes(self) -> tuple[str, ...]:
        """The line that tells it, if one does."""
        return (self.failure.seen.quote,) if self.failure else ()


_PATH = r"[\"'“”‘’‚»«「]?(?P<path>/?[^\"'“”‘’»«\n]+?)[\"'“”‘’»«」]?"
_ERR = r"[\s:]+(?P<err>[^\n]{0,200})"
_PATTERNS: tuple[tuple[Role | None, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for role, pattern in (
        (
            Role.KERNEL,
            rf"could not (?:open|load) (?:the )?kernel (?:file )?'(?P<path>[^'\n]+)'{_ERR}",
        ),
        (
            Role.INITRD,
            (
                r"error reading initrd (?P<path>/[^:\n]+): (?:failed to open file [^\n]*?failed: )?"
                r"(?P<err>[^\n]*)"
            ),
        ),
        (
            Role.INITRD,
            (
                r"could not (?:open|load) (?:the )?(?:initrd|initial ram ?disk) '(?P<path>[^'\n]+)'"
                r"(?P<err>[^\n]*)"
            ),
        ),
        (Role.DTB, r"(?:couldn't|could not) open dtb file (?P<path>/[^\s:]+)(?P<err>[^\n]*)"),
        (
            Role.FIRMWARE,
            r"could not load (?:pc )?bios:? ?'(?P<path>(?!bios(?:-\w+)?\.bin')[^'\n]+)'(?P<err>[^\n]*)",
        ),
        (
            Role.SHARE,
            r"cannot initialize fsdev[^\n]*: failed to open '(?P<path>/[^'\n]+)'(?P<err>[^\n]*)",
        ),
        (
            Role.DISK,
            (
                r"(?:file=|\"filename\":\s?\")(?P<path>/[^,\"\n]+)[^\n]*:"
                r" (?:the device is not writable|could not reopen file): (?P<err>[^\n]*)"
            ),
        ),
        (
            Role.SHARE,
            r"the virtiofs export directory '(?P<path>/[^'\n]+)' does not exist(?P<err>)",
        ),
        (
            Role.SHARE,
            r"9p failed to initialize fs-driver with id:\S+ and export path:(?P<path>/[^\n]+?)(?P<err>)$",
        ),
        (
            None,
            r"\bpath '(?P<path>/[^'\n]+)' is not accessible: (?P<err>[^\n]*)",
        ),
        (
            Role.BACKING,
            (
                r"cannot access backing file '(?P<path>[^'\n]+)' of storage file '(?P<overlay>[^'\n]+)'"
                r"(?: \(as uid:\s?(?P<uid>\d+)[^)\n]*\))?: (?P<err>[^\n]*)"
            ),
        ),
        (
            Role.BACKING,
            (
                r"could not open backing (?:file|image)[^\n]{0,40}: (?:could not open )?"
                r"'(?P<path>/[^'\n]+)': (?P<err>[^\n]*)"
            ),
        ),
        (
            None,
            (
                r"cannot access storage file '(?P<path>[^'\n]+)'"
                r"(?: \(as uid:\s?(?P<uid>[^,\n]+),[^)\n]*\))?: (?P<err>[^\n]*)"
            ),
        ),
        (
            None,
            (
                r"(?<!backing file: )could not open (?:disk image )?'?(?P<path>/[^'\n:]+)'?:"
                r" (?!could not open)(?P<err>[^\n]*)"
            ),
        ),
        (
            Role.OTHER,
            r"can't load (?P<path>/[^\n:]+): failed to open file [^\n]*?[”\"'»]: (?P<err>[^\n]*)",
        ),
        (
            None,
            r"can't open file (?P<path>/[^\n:]+): (?P<err>[^\n]*)",
        ),
        (
            Role.DISK,
            (
                r"unable to set user and group to '[^'\n]*' on '(?P<path>/[^'\n]+)':"
                r" (?P<err>read-only[^\n]*)"
            ),
        ),
        (
            Role.DISK,
            r"unable to allow access for disk path (?P<path>/[^:\n]+): (?P<err>[^\n]*)",
        ),
        (
            None,
            r"(?:unable to|cannot|failed to) (?:stat|open file|open|access):? '?(?P<path>/[^'\n:]+)'?: (?P<err>[^\n]*)",
        ),
    )
)


@lru_cache(maxsize=16)
def _failures(ev_key: tuple[str, str, str, tuple[str, ...]]) -> tuple[Failure, ...]:
    stderr, error, qmp_error, argv = ev_key
    roles = {use.path: use.role for use in files(argv)}
    found: dict[tuple[str, int | None], Failure] = {}
    for fixed, pattern in _PATTERNS:
        for seen in said(Evidence(stderr=stderr, error=error, qmp_error=qmp_error)).find_all(
            pattern
        ):
            groups = seen.match.groupdict()
            path = seen["path"].strip()
            role = fixed or roles.get(path) or _role(seen)
            code = errno_of(seen["err"])
            failure = Failure(
                path=path,
                role=role,
                errno=code,
                seen=seen,
                overlay=groups.get("overlay") or "",
                uid=groups.get("uid") or "",
            )
            found.setdefault((path, code), failure)
    return tuple(sorted(found.values(), key=lambda failure: failure.seen.at))


def failures(ev: Evidence) -> tuple[Failure, ...]:
    """Return the opens that failed, in the order of the words."""
    return _failures((ev.stderr, ev.error, ev.qmp_error, ev.argv))


_OPTION_ROLES = (
    (re.compile(r"-chardev (?:serial|tty|parallel|parport)"), Role.CHARDEV),
    (re.compile(r"-chardev|-serial|-monitor"), Role.OTHER),
    (
        re.compile(r"pflash|-bios|/(?:OVMF|AAVMF|edk2|EFI)[\w./-]*\.(?:fd|bin)|_CODE[\w.]*\.fd"),
        Role.FIRMWARE,
    ),
    (re.compile(r"-blockdev|-drive|-hd[a-d]\b|-cdrom|storage file|disk image"), Role.DISK),
    (re.compile(r"/dev/(?:mapper|disk|zvol|vg|md|nvme|[shv]d[a-z]|rbd|nbd|drbd|loop)"), Role.DISK),
    (re.compile(r"/dev/(?:net/tun|kvm|vhost)"), Role.OTHER),
    (re.compile(r"\.(?:qcow2|img|raw|iso|vmdk|vdi|vhdx|qed)\b"), Role.DISK),
)


def _role(seen: Seen) -> Role:
    start = seen.match.string.rfind("\n", 0, seen.match.start()) + 1
    line = seen.match.string[start : seen.match.end()]
    if "/dev/net/tun" in seen["path"] or "/dev/kvm" in seen["path"]:
        return Role.OTHER
    return next((role for pattern, role in _OPTION_ROLES if pattern.search(line)), Role.OTHER)


def unsaid(ev: Evidence, roles: Collection[Role]) -> Iterator[Failure]:
    """Yield the failures with files of *roles* for which no reason is said, and nobody looked."""
    for failure in failures(ev):
        probe = PathAccess(failure.path, "read", ev.uid, ev.gids)
        looked = ev.uid is not None and probe in ev.host
        if failure.role in roles and failure.errno is None and not looked:
            yield failure


def look_at(path: str) -> Fix:
    """Return the fix that tells whether a file is there, and who may read it."""
    return Fix("see whether it is there, and who may read it", (f"namei -l {shlex.quote(path)}",))


def access(ev: Evidence, use: FileUse) -> PathAccess:
    """Return the probe of *use* by the account that QEMU runs as."""
    need = "write" if use.write else "read"
    return PathAccess(use.path, need, ev.uid, ev.gids, ev.cwd)


def uses(ev: Evidence, roles: Collection[Role]) -> Iterator[tuple[FileUse, Failure | None]]:
    """Yield each file of *roles* once, with the failure that the words tell of it.

    What a start would make first is left out.
    """
    told = {failure.path: failure for failure in reversed(failures(ev))}
    named = {use.path: use for use in files(ev.argv)}
    for path, use in named.items():
        if use.role in roles and path not in ev.plan.makes:
            yield use, told.get(path)
    for path, failure in told.items():
        if path not in named and failure.role in roles:
            yield FileUse(path, failure.role), failure
    if ev.ahead and Role.BACKING in roles:
        yield from ((use, None) for use in below(ev) if use.path not in named)


def below(ev: Evidence) -> Iterator[FileUse]:
    """Yield the backing files that the images' own headers name, as far as they are there."""
    for use in files(ev.argv):
        fact = ev.fact(ImageInfo(use.path)) if use.role is Role.DISK and use.chained else None
        for link in fact.chain if fact else ():
            if link.exists:
                yield FileUse(link.path, Role.BACKING, format=link.declared)


def file_probes(ev: Evidence, roles: Collection[Role]) -> Iterator[PathAccess]:
    """Yield the probes of the files of *roles*; none when QEMU's account is not known."""
    if ev.uid is None:
        return
    for use, _ in uses(ev, roles):
        if use.path.startswith("/"):
            yield access(ev, use)


def troubles(ev: Evidence, roles: Collection[Role], kinds: Collection[Kind]) -> Iterator[Trouble]:
    """Yield what is wrong with the files of *roles*, as far as it is one of *kinds*."""
    for use, failure in uses(ev, roles):
        probe = access(ev, use)
        fact = ev.fact(probe)
        if fact is not None and not fact.frozen and _lent(ev, use, fact):
            fact = replace(fact, blocked="", lacks="", allowed=not fact.readonly)
        kind = _kind(failure, fact)
        late = ev.unanswered(probe)
        if late is not None and late.late:
            kind = Kind.SILENT
        if use.role in PLAIN and fact is not None:
            kind = _other_kind(use, fact) or kind
        if kind is Kind.MODE and failure is None and ev.phase not in WITHOUT_WORDS:
            continue
        if kind is not None and kind in kinds:
            role = failure.role if failure and use.role is Role.OTHER else use.role
            yield Trouble(replace(use, role=role), kind, failure, fact)


PLAIN = {Role.DISK, Role.BACKING, Role.KERNEL, Role.INITRD, Role.DTB, Role.FIRMWARE, Role.ROM}
"""What can be no directory."""


def _other_kind(use: FileUse, fact: PathFact) -> Kind | None:
    """Is the file of a kind that QEMU does not take there (block/file-posix.c)?"""
    if fact.lacks == "search":
        return None
    if fact.kind == "directory":
        return Kind.DIRECTORY
    special = {"fifo", "socket", *({"char", "block"} if use.regular else ())}
    return Kind.OTHER_KIND if fact.kind in special else None


def _lent(ev: Evidence, use: FileUse, fact: PathFact) -> bool:
    """Was the file's own mode no barrier, for QEMU's account owned it then, or will?

    An owner is helped by what his own bits of the mode let him do.
    """
    if not fact.blocked or fact.lacks == "search":
        return False
    if not ev.ahead:
        return use.path in ev.handed_over
    needed = 0o600 if use.write else 0o400
    lends = use.path in ev.plan.lends or (use.role is Role.BACKING and bool(ev.plan.lends))
    return lends and int(fact.mode or "0", 8) & needed == needed


WITHOUT_WORDS = ("prepare", "check")
"""Steps in which no QEMU has spoken yet, so that a closed file need not be in the words."""

_BY_ERRNO = {
    errno.ENOENT: Kind.MISSING,
    errno.EROFS: Kind.READONLY,
    errno.ELOOP: Kind.LOOP,
    errno.ENOTDIR: Kind.NOT_A_DIRECTORY,
    errno.EISDIR: Kind.DIRECTORY,
    errno.EACCES: Kind.DENIED,
    errno.EPERM: Kind.DENIED,
}


def _kind(failure: Failure | None, fact: PathFact | None) -> Kind | None:
    told = _BY_ERRNO.get(failure.errno) if failure and failure.errno is not None else None
    if fact is None:
        return told
    shown = _shown(fact)
    if shown is None and told is Kind.DENIED:
        return Kind.DENIED_ALTHOUGH
    if shown is None and told is Kind.MISSING and fact.exists:
        return None
    return shown or (told if told not in {Kind.MISSING, Kind.READONLY, Kind.LOOP} else None)


FAULTS = frozenset(
    ["Transport endpoint is not connected", "Stale file handle", "Input/output error"]
)
"""What a file system answers that does not work, in the words of the C locale."""


def _shown(fact: PathFact) -> Kind | None:
    if fact.loop:
        return Kind.LOOP
    if fact.not_directory:
        return Kind.NOT_A_DIRECTORY
    if fact.missing:
        return Kind.MISSING
    if fact.error in FAULTS:
        return Kind.FAULTY
    if fact.guarded:
        return Kind.GUARDED
    if fact.frozen:
        return Kind.FROZEN
    if fact.nodev and fact.kind in {"block", "char"} and not fact.allowed:
        return Kind.NODEV
    if fact.readonly and fact.lacks == "write":
        return Kind.READONLY  # nobody may write there, and ownership cannot be handed over
    if fact.blocked:
        return Kind.SEARCH if fact.lacks == "search" else Kind.MODE
    if fact.exists and not fact.allowed and fact.readonly:
        return Kind.READONLY
    return None


def absence(path: str, fact: PathFact | None) -> tuple[str, tuple[Fix, ...]]:
    """Return what there is to add on a *path* that does not exist, and the fixes of that.

    It is a dangling link, a directory that is not there, or a file system that is not mounted.
    """
    if fact is None:
        return "", ()
    told = ""
    if fact.link:
        told = f": the symbolic link '{fact.link}' leads to '{fact.missing}', which is not there"
    elif fact.missing and fact.missing != path:
        told = f": there is no '{fact.missing}'"
    if not fact.unmounted:
        return told, ()
    where = shlex.quote(fact.unmounted)
    fix = Fix(
        f"mount '{fact.unmounted}'", (f"mount {where}",), Safety.CONFIRM, (f"umount {where}",)
    )
    return f"{told} ('{fact.unmounted}', in /etc/fstab, is not mounted)", (fix,)


def barrier(ev: Evidence, trouble: Trouble) -> tuple[str, tuple[str, ...], tuple[Fix, ...]]:
    """Return sentence (without its full stop), evidence and fixes for what keeps QEMU out.

    Without a fact the sentence says no more than the words do.
    """
    fact, failure = trouble.fact, trouble.failure
    uid = failure.uid if failure else ""
    path, noun = trouble.use.path, trouble.use.role.value
    if fact is None or not fact.blocked:
        sentence = f"{account(ev, uid)} is refused the {noun} '{path}'"
        look = Fix("see which component keeps it out", (f"namei -l {shlex.quote(path)}",))
        return sentence, trouble.quotes, (look,)
    seen = f"this host: '{fact.blocked}' has {mode(fact)}"
    evidence = (*trouble.quotes, seen)
    if trouble.above:
        sentence = (
            f"{account(ev, uid)} may not search the directory '{fact.blocked}' ({mode(fact)})"
        )
    else:
        sentence = (
            f"{account(ev, uid)} may not {fact.lacks} the {noun} '{fact.blocked}' ({mode(fact)})"
        )
    # what may not even be read may need to be written: grant all of it at once
    both = fact.lacks == "read" and trouble.use.write
    lacking = replace(fact, lacks="write") if both else fact
    fixes = [grant(ev, lacking, uid=uid)]
    if fact.readonly:
        evidence += (f"this host: '{fact.readonly}' is mounted read-only",)
        writable = grant(ev, replace(lacking, readonly=""), uid=uid)
        fixes.append(
            mend(
                f"make '{fact.readonly}' writable, and {writable.text}",
                RemountWritable(fact.readonly),
                *writable.repair,
                safety=Safety.CONFIRM,
            )
        )
    return sentence, evidence, tuple(fixes)

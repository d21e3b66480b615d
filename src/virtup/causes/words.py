"""The words of QEMU, of libvirt and of the C library: noise removed, quotable, in any language.

Programs print the same fact in many wrappings: time stamps, program names, error prefixes, option
blobs, whole replies inside a Python exception. `said` takes the wrapping off once, and a cause
searches what is left. What a cause quotes is cut from the original, never rewritten; ``…`` marks
what was left out.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from virtup.causes.needle import folded, mark
from virtup.causes.tongues import in_english, is_foreign
from virtup.model.evidence import Evidence

TEXT_MAX = 16 * 1024
"""More text than this is judged by its first and its last half of it: a cause comes first."""
LINE_MAX = 2 * 1024
"""A longer line is judged by its two ends; what a search costs grows with its square."""
QUOTE_MAX = 220
REPEATED = 20
"""A line that contains an earlier one of more than so many characters repeats it."""

_STAMP = re.compile(
    r"^\s*(?:\[?\s*\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|\s?[+-]\d\d:?\d\d)?\]?:?\s*)"
)
NOISE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"warning: host doesn't support requested feature",
        r"warning: .*(?:is|are) deprecated|: deprecated\b|deprecated, (?:please )?use",
        r"audiodev default parameter is deprecated",
        r"char device redirected to",
        r"terminating on signal \d+",
        r"domain id=\d+ .*is tainted|domain id=\d+ is tainted",
        r"shader cache \(permission denied\)|for shader cache",
        r"(?:^|: )starting up (?:libvirt|virtup) version",
        r"(?:^|: )shutting down, reason=",
        r"warning: nic \S+ has no peer",
        r"\bxkbcommon: ",
        r"please use \S+ instead",
        r"dconf-warning|gtk-warning",
        r"(?:qemu|kvm)[\w.-]*: (?:-\S[^\n]*?: )?warning: (?!could not open /dev/net/tun|error while loading state)",
        r"warning: tcg doesn't support requested feature",
        r"warning: number of hotpluggable cpus",
    )
)

_NEXT = re.compile(r"(?<=[^:\s])[ \t]+(?=\d{4}-\d\d-\d\dT[\d:.]+Z \S*(?:qemu|kvm)[\w.-]*: )")
"""Where QEMU's next message begins, of several in one line."""
_ERRNO_WORDS: tuple[tuple[int, str], ...] = (
    (errno.ENOENT, "no such file or directory"),
    (errno.EACCES, "permission denied"),
    (errno.EPERM, "operation not permitted"),
    (errno.EROFS, "read-only file ?system"),
    (errno.ELOOP, "too many levels of symbolic links"),
    (errno.ENOTDIR, "not a directory"),
    (errno.ENAMETOOLONG, "file name too long"),
    (errno.EISDIR, "is a directory"),
    (errno.ENOSPC, "no space left on device"),
    (errno.EDQUOT, "disk quota exceeded"),
    (errno.EBUSY, "device or resource busy"),
    (errno.EADDRINUSE, "address already in use"),
    (errno.EADDRNOTAVAIL, "cannot assign requested address"),
    (errno.ENODEV, "no such device$|no such device[^\\w ]"),
    (errno.ENXIO, "no such device or address"),
    (errno.ENOMEM, "cannot allocate memory"),
    (errno.EIO, "input/output error"),
    (errno.ESTALE, "stale (?:nfs )?file handle"),
    (errno.ENOEXEC, "exec format error|cannot execute binary file"),
    (errno.EINVAL, "invalid argument"),
)
_ERRNO = tuple((number, re.compile(words, re.IGNORECASE)) for number, words in _ERRNO_WORDS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A match in the words: what was matched, the line to quote, and where it stands."""

    match: re.Match[str]
    quote: str
    at: int

    @property
    def line(self) -> str:
        """The whole line that the match begins in, as it was said."""
        text, start = self.match.string, self.match.start()
        end = text.find("\n", start)
        return text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else len(text)]

    @property
    def before(self) -> str:
        """What stands before the match in its line."""
        text, start = self.match.string, self.match.start()
        return text[text.rfind("\n", 0, start) + 1 : start]

    def __getitem__(self, group: str | int) -> str:
        return self.match[group] or ""


@dataclass(frozen=True)
class Said:
    """The words of one failure: ``text`` without noise, one message a line, in English.

    ``spoken`` holds what a line that is a translation was in its own language.
    """

    text: str
    spoken: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _folded(self) -> str:
        return folded(self.text)

    def may_hold(self, pattern: str, flags: int = 0) -> bool:
        """Is a search for *pattern* worth its cost: does any of its fixed words stand here?"""
        return any(True for _ in mark(pattern, flags).places(self._folded))

    def find(self, pattern: re.Pattern[str]) -> Seen | None:
        """Return the first match of *pattern*, or None."""
        return next(self.find_all(pattern), None)

    def find_all(self, pattern: re.Pattern[str]) -> Iterator[Seen]:
        """Yield every match of *pattern* in order."""
        for start, end in mark(pattern.pattern, pattern.flags).places(self._folded):
            for match in pattern.finditer(self.text, start, end):
                yield Seen(match, self._quote(match), match.start())

    @property
    def lines(self) -> tuple[str, ...]:
        """The messages in order, as they were said, each short enough to quote."""
        every = (self.spoken.get(line, line) for line in self.text.splitlines())
        return tuple(_shorten(line) for line in every if line.strip())

    def _quote(self, match: re.Match[str]) -> str:
        start = self.text.rfind("\n", 0, match.start()) + 1
        end = self.text.find("\n", max(match.start(), match.end() - 1))
        line = self.text[start : end if end >= 0 else len(self.text)]
        if line in self.spoken:
            return _shorten(self.spoken[line])
        line = line.replace("\n", " ")
        return _shorten(line, match.start() - start, min(match.end(), start + len(line)) - start)


def said(ev: Evidence) -> Said:
    """Return the words of *ev*: QEMU's first, then the manager's, then the monitor's."""
    return _said(ev.stderr, ev.error, ev.qmp_error)


def noted(ev: Evidence) -> Said:
    """Return what was written down of the host, and the words: its logs may stand in either."""
    return _said(ev.stderr, ev.error, ev.notes)


def errno_of(words: str) -> int | None:
    """Return the errno that *words* are the C library's text of, in the languages known."""
    english = in_english(words)
    for number, pattern in _ERRNO:
        if pattern.search(english):
            return number
    return None


def is_noise(line: str) -> bool:
    """Is *line* one that never says why a guest did not start?"""
    return any(pattern.search(line) for pattern in NOISE)


@lru_cache(maxsize=64)
def _said(stderr: str, error: str, qmp_error: str) -> Said:
    kept: list[str] = []
    spoken: dict[str, str] = {}
    for source in (stderr, error, qmp_error):
        text = _clipped(source, TEXT_MAX, "\n").replace("\\n", "\n")
        text = _NEXT.sub("\n", text)
        foreign = is_foreign(text)
        for raw in text.splitlines():
            line = _STAMP.sub("", _clipped(raw, LINE_MAX, " … ")).rstrip()
            if not line.strip() or line.endswith(" \\") or is_noise(line):
                continue
            if any(line == old or (len(old) > REPEATED and old in line) for old in kept[-64:]):
                continue
            english = in_english(line) if foreign else line
            if english != line:
                spoken[english] = line
            kept.append(english)
    return Said("\n".join(kept), spoken)


def _clipped(text: str, limit: int, gap: str) -> str:
    half = limit // 2
    return text if len(text) <= limit else text[:half] + gap + text[-half:]


_BLOB = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}(?=:)")
_PROGRAM = re.compile(r"\S*(?:qemu|kvm)[\w.-]*: ")


def _shorten(line: str, first: int = 0, last: int | None = None) -> str:
    last = len(line) if last is None else last
    kept = line.strip()
    blob = _BLOB.search(line)
    if blob and not (first < blob.end() and last > blob.start() and last <= blob.end()):
        kept = (line[: blob.start()] + "{…}" + line[blob.end() :]).strip()
    if len(kept) <= QUOTE_MAX:
        return kept
    middle = line[first:last].strip()
    if len(middle) > QUOTE_MAX:
        return middle[: QUOTE_MAX - 2] + " …"
    before = line[:first].strip()
    head = _PROGRAM.search(before)
    lead = f"{head[0].strip()} … " if head else "… " if before else ""
    return (
        lead
        + line[first : first + QUOTE_MAX].strip()
        + (" …" if first + QUOTE_MAX < len(line) else "")
    )

"""The log of one guest, in libvirt's grammar, and QEMU's own words in it.

QEMU writes to a FIFO that the daemon reads, not to the file: so the file rotates, a QEMU that
writes without end costs neither disk nor time, and one that wrote its last words is heard at
once. QEMU holds the FIFO open for reading and writing and non-blocking: it never waits for the
daemon and outlives it. While no daemon reads, the kernel keeps the first MiB and QEMU drops the
rest; if QEMU ends in that time, what it said then is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import re
import shlex
import stat
from collections.abc import Mapping, Sequence

from virtup.host.clock import Clock, stamp
from virtup.host.rotation import Rotated
from virtup.host.words import Words

log = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20
"""What the kernel keeps while nobody reads; an unprivileged process may ask for no more."""

BURST_BYTES = 1 << 20
"""How much of QEMU's words is logged at any speed."""

RATE_BYTES_PER_S = 128 << 10
"""How fast QEMU's words are logged beyond that; the rest is counted and dropped."""

TELL_S = 1.0
"""How often the log of a QEMU that never pauses says how much was dropped."""

PAUSE_S = 0.1
"""How long a QEMU that floods is not read, so that it cannot keep the daemon busy."""

LAST_BYTES = 4096
"""How much of what was dropped is logged after all: the end of it."""

_READ_BYTES = 1 << 18
_STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: ")
_START = "starting up "


class GuestLog:
    """One guest's log, for one start of it or, after the daemon's own restart, the rest of one.

    ``path`` is the log, ``fifo`` the name of the FIFO in the state directory. Errors of writing
    the log are reported once to the daemon's own log and never raised: a guest does not fail for
    its log.
    """

    def __init__(
        self,
        path: str,
        *,
        fifo: str,
        clock: Clock,
        max_bytes: int = 2 << 20,
        backups: int = 3,
    ) -> None:
        self.path = path
        self.fifo = fifo
        self._clock = clock
        self._file = Rotated(path, max_bytes=max_bytes, backups=backups)
        self._words = Words()
        self._said_before: str | None = None
        self._before = ""
        self._read_fd = -1
        self._write_fd = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pause: asyncio.TimerHandle | None = None
        # half a file at most: what is said of the rest must not be rotated away at once
        self._burst = float(min(BURST_BYTES, max_bytes // 2))
        self._allowance = self._burst
        self._told_at = clock.monotonic()
        self._counted_at = clock.monotonic()
        self._dropped = 0
        self._dropped_end = bytearray()

    @property
    def write_fd(self) -> int:
        """The end that QEMU gets as stdout and stderr; stays ours until :meth:`close`."""
        return self._write_fd

    def open(self) -> None:
        """Open log and FIFO and begin to read, in a running event loop. Raises OSError.

        The FIFO is made when it is not there; one that is there may be that of a QEMU which an
        earlier daemon started: what it wrote since is read.
        """
        self._file.open()
        try:
            self._listen()
        except OSError:
            self.leave()
            raise

    def starting_up(
        self, env: Sequence[tuple[str, str]], argv: Sequence[str], host: Mapping[str, str]
    ) -> None:
        """Log the head of a start: *host* as ``name: value``, environment, command line."""
        facts = ", ".join(f"{name}: {value}" for name, value in host.items())
        self.note(f"{_START}{facts}")
        self._append(f"{command_text(env, argv)}\n".encode("utf-8", "surrogateescape"))
        self._words, self._said_before = Words(), ""

    def note(self, text: str) -> None:
        """Log one line of the daemon's, with its time."""
        self._append(f"{stamp(self._clock.now())}: {text}\n".encode("utf-8", "backslashreplace"))

    def shutting_down(self, reason: str) -> None:
        """Log the end of a guest; *reason* is libvirt's word."""
        self.note(f"shutting down, reason={reason}")

    def words(self) -> str:
        """Return what QEMU said since its start: the beginning and the end, 64 KiB of each.

        What it said to an earlier daemon is read back from the log, its last 256 KiB.
        """
        if self._said_before is None:
            self._said_before = _words_of_last_start(self._before)
        return self._said_before + self._words.text()

    async def drain(self) -> None:
        """Take in what QEMU has written so far; once it has ended, that is all it said."""
        self._take_all(2 * PIPE_BYTES)
        self._tell_dropped()

    def close(self) -> None:
        """Stop, and remove the FIFO: QEMU has ended."""
        self.leave()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.fifo)

    def leave(self) -> None:
        """Stop to read; the FIFO stays for QEMU, which runs on, and for the next :meth:`open`."""
        self._tell_dropped()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._loop is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._read_fd)
            self._loop = None
        for fd in (self._read_fd, self._write_fd):
            if fd >= 0:
                os.close(fd)
        self._read_fd = self._write_fd = -1
        self._file.close()

    def _listen(self) -> None:
        self._said_before = None if _is_fifo(self.fifo) else ""
        if self._said_before is None:
            self._before = self._file.tail(_READ_BYTES)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.fifo)
            os.mkfifo(self.fifo, 0o600)
        flags = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        self._read_fd = os.open(self.fifo, os.O_RDONLY | flags)
        self._write_fd = os.open(self.fifo, os.O_RDWR | flags)
        _enlarge(self._read_fd)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_fd, self._readable)

    def _readable(self) -> None:
        self._take()
        if not self._dropped or self._loop is None:
            return
        self._loop.remove_reader(self._read_fd)
        self._pause = self._loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        if self._loop is None:
            return
        more = self._take_all(PIPE_BYTES)
        if more and self._dropped:
            if self._clock.monotonic() - self._told_at >= TELL_S:
                self._tell_dropped()
            self._pause = self._loop.call_later(PAUSE_S, self._resume)
            return
        self._tell_dropped()
        self._loop.add_reader(self._read_fd, self._readable)

    def _take_all(self, limit: int) -> bool:
        """Read until there is nothing or *limit* is reached; tell whether there may be more."""
        return all(self._take() for _ in range(limit // _READ_BYTES))

    def _take(self) -> bool:
        """Read once; tell whether there was anything."""
        if self._read_fd < 0:
            return False
        try:
            data = os.read(self._read_fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            return False
        self._words.add(data)
        granted = self._grant(len(data)) if not self._dropped else 0
        if granted:
            self._append(data[:granted])
        if granted < len(data):
            self._dropped += len(data) - granted
            self._dropped_end += data[granted:]
            del self._dropped_end[:-LAST_BYTES]
        return True

    def _grant(self, wanted: int) -> int:
        """Return how many bytes may be logged now."""
        now = self._clock.monotonic()
        earned = (now - self._counted_at) * RATE_BYTES_PER_S
        self._counted_at = now
        self._allowance = min(self._burst, self._allowance + earned)
        granted = min(wanted, int(self._allowance))
        self._allowance -= granted
        return granted

    def _tell_dropped(self) -> None:
        if not self._dropped:
            return
        end = bytes(self._dropped_end)
        left_out = self._dropped - len(end)
        self._told_at = self._clock.monotonic()
        self._dropped = 0
        self._dropped_end.clear()
        self._append(b"\n")
        self.note(
            f"QEMU wrote faster than {RATE_BYTES_PER_S // 1024} KiB/s: "
            f"at least {left_out} bytes of it are left out here"
        )
        self._append(end if end.endswith(b"\n") else end + b"\n")

    def _append(self, data: bytes) -> None:
        self._file.append(data)


def command_text(
    env: Sequence[tuple[str, str]], argv: Sequence[str], *, between: str = " \\\n"
) -> str:
    r"""Write a command as libvirt logs it: to be pasted into a shell, an option a line.

    Each line but the last ends in `` \``, or what *between* is; an option's value stands on the
    option's line.
    """
    lines = [f"{name}={shlex.quote(value) if value else ''}" for name, value in env]
    lines.append(shlex.quote(argv[0]))
    follows_option = False
    for word in argv[1:]:
        is_option = word.startswith("-")
        if follows_option and not is_option:
            lines[-1] += f" {shlex.quote(word)}"
        else:
            lines.append(shlex.quote(word))
        follows_option = is_option
    return between.join(lines)


def _words_of_last_start(text: str) -> str:
    """Return QEMU's own lines after the last start in a log."""
    lines = text.splitlines(keepends=True)
    starts = [
        number
        for number, line in enumerate(lines)
        if _STAMPED.match(line) and line[_stamp_length(line) :].startswith(_START)
    ]
    if not starts:
        return ""
    rest = iter(lines[starts[-1] + 1 :])
    for line in rest:
        if not line.rstrip("\n").endswith(" \\"):
            break  # the command line's last
    return "".join(line for line in rest if not _STAMPED.match(line))


def _stamp_length(line: str) -> int:
    return len(line) - len(_STAMPED.sub("", line, count=1))


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _enlarge(fd: int) -> None:
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except PermissionError:  # the user's pipes hold all they may: the kernel's 64 KiB remain
        log.debug("the log's FIFO keeps the kernel's own size")

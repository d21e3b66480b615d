"""A log file that is appended to and never grows beyond its bound."""

from __future__ import annotations

import contextlib
import logging
import os

log = logging.getLogger(__name__)


class Rotated:
    """A file that is renamed to ``PATH.0`` when full, that to ``PATH.1``, and so on.

    Never more than ``backups + 1`` files of ``max_bytes`` each. A file that was renamed or
    removed by another is begun anew under its own name. Nothing but :meth:`open` raises: the
    first error of a series goes to the daemon's own log.
    """

    def __init__(self, path: str, *, max_bytes: int, backups: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._fd = -1
        self._failing = False

    def open(self) -> None:
        """Open the file to append, mode 0600 if it is new. Raises OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags | os.O_NONBLOCK, 0o600)

    def append(self, data: bytes) -> None:
        """Write *data*, in pieces when it is longer than a file may be."""
        rest = memoryview(data)
        try:
            while rest:
                piece = rest[: self._room()]
                rest = rest[os.write(self._fd, piece) :]
        except OSError as exc:
            if not self._failing:
                log.error("the guest log '%s' cannot be written: %s", self.path, exc)
            self._failing = True
            return
        self._failing = False

    def tail(self, size: int) -> str:
        """Return about the last *size* bytes, from this file and the one before."""
        text = b""
        for path in (self.path, f"{self.path}.0"):
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                length = file.seek(0, os.SEEK_END)
                file.seek(max(0, length - (size - len(text))))
                text = file.read() + text
            if len(text) >= size:
                break
        return text.decode("utf-8", "replace")

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _room(self) -> int:
        """Return how much fits, more than none, after making room where there was none."""
        if self._fd < 0:
            self.open()
        if not self._is_ours():
            self.close()
            self.open()
        used = os.fstat(self._fd).st_size
        if used >= self._max_bytes:
            self._rotate()
            used = 0
        return self._max_bytes - used

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        if self._backups == 0:
            os.ftruncate(self._fd, 0)
            return
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.path}.{number - 1}", f"{self.path}.{number}")
        os.rename(self.path, f"{self.path}.0")
        self.close()
        self.open()

"""The daemon's own log: standard error, or a file that stays small and its owner's alone."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler

FILE_BYTES_MAX = 4 * 1024 * 1024
"""The log is moved aside (``.1``) at this size; the one before that is dropped."""

_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"


class _OwnersFile(RotatingFileHandler):
    """A rotating log that nobody else may read; bytes that are no text are escaped."""

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self.baseFilename, flags, 0o600)
        return os.fdopen(fd, "a", encoding="utf-8", errors="backslashreplace")


class _Entry(logging.Formatter):
    """Lines behind an entry's first are indented, and what would move a cursor is escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging names it so
        """The entry without its traceback."""
        text = super().formatMessage(record)
        return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    if char == "\n":
        return "\n    "
    return char if char.isprintable() else repr(char)[1:-1]


def log_to(path: str | None, level: int) -> None:
    """Log to the file at *path*, or to standard error; what was logged to before is closed.

    Raises OSError when the file cannot be opened; the log is as it was then.
    """
    handler: logging.Handler = logging.StreamHandler()
    if path is not None:
        handler = _OwnersFile(path, maxBytes=FILE_BYTES_MAX, backupCount=1)
    handler.setFormatter(_Entry(_FORMAT, "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def stderr_is_lost() -> bool:
    """Whether what is written to standard error goes nowhere, as for a daemon that was spawned."""
    try:
        return os.fstat(2).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return True

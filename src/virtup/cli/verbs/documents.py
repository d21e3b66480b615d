"""Reading the files that verbs are given."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from virtup.cli.grammar import Failure

if TYPE_CHECKING:
    from virtup.cli.run import Run

FILE_BYTES_MAX = 10 * 1024 * 1024
"""The largest XML file that is read, as virsh has it."""


def read(path: str) -> str:
    """The text of the file at *path*; raises Failure with the system's reason."""
    try:
        with open(path, "rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except IsADirectoryError as exc:
        raise Failure(f"Failed to read file '{path}': {os.strerror(exc.errno or 0)}") from exc
    except OSError as exc:
        raise Failure(f"Failed to open file '{path}': {os.strerror(exc.errno or 0)}") from exc
    except ValueError as exc:
        raise Failure(f"Failed to open file '{path!r}': the name holds a zero byte") from exc
    if len(raw) > FILE_BYTES_MAX:
        raise Failure(
            f"Failed to read file '{path}': it is larger than {FILE_BYTES_MAX} bytes, more than "
            "a definition can be"
        )
    text = raw.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise Failure(f"Failed to read file '{path}': it holds a zero byte, so it is no XML")
    return text


def text_of(path: str) -> str:
    """The text of the file at *path*, ``-`` for standard input, whatever bytes it holds.

    Of a longer one than `FILE_BYTES_MAX` the end is read: a log tells its last start there.
    Raises Failure with the system's reason.
    """
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(FILE_BYTES_MAX)
        else:
            with open(path, "rb") as file:
                if file.seekable():
                    file.seek(max(0, os.fstat(file.fileno()).st_size - FILE_BYTES_MAX))
                raw = file.read(FILE_BYTES_MAX)
    except (OSError, ValueError) as exc:
        reason = os.strerror(exc.errno or 0) if isinstance(exc, OSError) else "no file name"
        raise Failure(f"Failed to read file '{path}': {reason}") from exc
    return raw.decode("utf-8", "replace").replace("\0", "")


def subject(run: Run, domain: str) -> tuple[str, str]:
    """The name of the guest, or "" and the document, that *domain* names; the guest goes before.

    Raises Failure when there is neither, and for a file that cannot be read.
    """
    from virtup.client.guests import lookup

    if "/" not in domain:
        complaint = f"failed to get domain '{domain}'"
        with run.trying(complaint):
            handle = lookup(run.conn, domain)
        if handle is not None:
            return str(handle["name"]), ""
        if not os.path.exists(domain):
            raise Failure(f"{complaint}, and there is no file of that name")
    return "", read(domain)


def is_socket(path: str) -> bool:
    """Whether there is a UNIX socket at *path*."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False

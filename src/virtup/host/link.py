"""Unix sockets: listened on with nobody let in early, connected to, and who is at the other end.

A monitor or agent socket is bound here and inherited by QEMU: there is nothing to wait for.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct

from virtup.errors import Code, Fault, VirtError
from virtup.host import proc

PATH_BYTES_MAX = 107
"""The longest path of a unix socket (``sun_path`` holds 108 with the NUL)."""


class LinkError(VirtError):
    """A socket could not be made or reached: ``path``, and ``errno`` where the kernel gave one."""

    code, fault = Code.SYSTEM_ERROR, Fault.HOST
    path: str = ""
    errno: int = 0


class SocketPathTooLong(LinkError):
    """The path does not fit into a socket address."""


class SocketInUse(LinkError):
    """Somebody listens there; ``pid`` is 0 when the kernel does not say who."""

    pid: int = 0


def listen(
    path: str, *, mode: int = 0o700, uid: int = -1, gid: int = -1, backlog: int = 128
) -> socket.socket:
    """Listen at *path*; return the socket, non-blocking and not inherited.

    Nobody can connect before owner and *mode* are set. A dead socket that has the name is
    removed; a live one, or a file of another kind, is not. Raises SocketPathTooLong,
    SocketInUse, LinkError.
    """
    _check_length(path)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        end.setblocking(False)
        os.fchmod(end.fileno(), 0o600)  # the mode that bind gives the name
        _bind(end, path)
        if (uid, gid) != (-1, -1):
            os.chown(path, uid, gid, follow_symlinks=False)
        os.chmod(path, mode)
        end.listen(backlog)
    except OSError as exc:
        end.close()
        raise _error(LinkError, "listen on", path, exc) from exc
    except BaseException:
        end.close()
        raise
    return end


def connect(path: str) -> socket.socket:
    """Connect to *path* at once; return the socket, non-blocking and not inherited.

    Never waits: a listener whose queue is full is an error too (EAGAIN). Raises
    SocketPathTooLong, LinkError.
    """
    _check_length(path)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        end.setblocking(False)
        end.connect(path)
    except OSError as exc:
        end.close()
        raise _error(LinkError, "connect to", path, exc) from exc
    return end


def peer(end: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid of who connected, or, of a connection made, of who listens.

    That is who called ``listen`` last: a QEMU that inherited the socket, once it runs.
    """
    packed = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("=iII", packed)
    return pid, uid, gid


def grant(path: str, mode: int, gid: int) -> None:
    """Give the socket at *path* to a group; nothing but a socket is touched. Raises OSError."""
    if stat.S_ISSOCK(os.lstat(path).st_mode):
        os.chown(path, -1, gid)
        os.chmod(path, mode)


def remove(path: str) -> None:
    """Remove a socket's name; no error when it is gone, and nothing else is removed."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        return


def remove_dead(path: str) -> None:
    """Remove the name of a socket on which nobody listens any more; all else is left."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            _clear(path)
    except (FileNotFoundError, SocketInUse):
        return


def _bind(end: socket.socket, path: str) -> None:
    try:
        end.bind(path)
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        _clear(path)
        end.bind(path)


def _clear(path: str) -> None:
    """Remove the socket of a listener that is gone; raises when there is more to it."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise FileExistsError(errno.EEXIST, "a file that is no socket has the name", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # alive, with a full queue
            raise _in_use(path, 0) from None
        raise _in_use(path, peer(probe)[0])


def _in_use(path: str, pid: int) -> SocketInUse:
    comm = (proc.read(pid, "comm") or "").strip() if pid else ""
    who = f"process {pid} ({comm})" if comm else f"process {pid}" if pid else "a process"
    error = SocketInUse(f"cannot listen on the socket '{path}': {who} already listens there")
    error.path, error.errno, error.pid = path, errno.EADDRINUSE, pid
    return error


def _check_length(path: str) -> None:
    length = len(os.fsencode(path))
    if length > PATH_BYTES_MAX:
        error = SocketPathTooLong(
            f"the socket path '{path}' is too long: {length} bytes, and at most "
            f"{PATH_BYTES_MAX} fit into a socket's address"
        )
        error.path, error.errno = path, errno.ENAMETOOLONG
        raise error


def _error(kind: type[LinkError], doing: str, path: str, exc: OSError) -> LinkError:
    error = kind(f"cannot {doing} the socket '{path}': {exc.strerror}")
    error.path, error.errno = path, exc.errno or 0
    return error

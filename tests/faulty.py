"""A file system that fails when it is told to: a disk that dies, for the daemon and QEMU alike.

It is a FUSE file system of one directory, with its files in memory. What it is told to fail gets EIO
from the kernel, whoever asked and by whatever call. Root's. A process of its own serves it, and
takes it away when whoever started it lets go: nobody waits for an answer that does not come.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fnmatch
import json
import os
import select
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

IN = struct.Struct("<IIQQIIII")
OUT = struct.Struct("<IiQ")
ATTR = struct.Struct("<6Q10I")
ENTRY = struct.Struct("<4Q2I")
SETATTR = struct.Struct("<2I6Q8I")
READ = struct.Struct("<2Q2IQ2I")
"""Of a write too: handle, offset, size, flags, owner of a lock, flags."""

ROOT = 1
MAX_WRITE = 128 * 1024
DIRECT = 1
"""Of an open file: the kernel keeps nothing of it, so that every read is one of the disk."""
SET_MODE, SET_UID, SET_GID, SET_SIZE, SET_MTIME = 1, 2, 4, 8, 32


@dataclass
class File:
    """A file, or the one directory."""

    number: int
    mode: int
    uid: int = 0
    gid: int = 0
    data: bytearray = field(default_factory=bytearray)
    mtime_ns: int = 0

    def attributes(self, names: int) -> bytes:
        """What stat tells of it."""
        seconds, ns = divmod(self.mtime_ns, 10**9)
        times = (seconds, seconds, seconds)
        blocks = -(-len(self.data) // 512)
        return ATTR.pack(
            *(self.number, len(self.data), blocks, *times, ns, ns, ns),
            *(self.mode, names, self.uid, self.gid, 0, 4096, 0),
        )


class Faulty:
    """The file system at *place*, from :meth:`mounted` on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextlib.contextmanager
    def mounted(cls, place: Path) -> Iterator[Faulty]:
        """Have one at *place* for the while."""
        command = [sys.executable, "-m", "tests.faulty", str(place)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as process:
            faulty = cls(process)
            faulty.fail(None)
            try:
                yield faulty
            finally:
                subprocess.run(["umount", "-l", place], check=True)

    def fail(self, call: str | None, name: str = "*", at: int = 0) -> list[str]:
        """Fail calls of that kind on files of that name whose end is behind *at*, and no other.

        Kinds are ``read``, ``write``, ``fsync``, ``rename``, ``unlink``, ``create``, ``fsyncdir``.
        Returns the calls that failed since the last time.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([call, name, at]) + "\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._process.stdout.readline())
        return found


class Server:
    """Answers the kernel."""

    def __init__(self, place: str) -> None:
        self._rule: tuple[str | None, str, int] = (None, "", 0)
        self._failed: list[str] = []
        self._files = {ROOT: File(ROOT, stat.S_IFDIR | 0o711)}
        self._names: dict[str, int] = {}
        self._next = ROOT + 1
        self._calls = {
            1: self._lookup, 3: self._getattr, 4: self._setattr, 10: self._unlink,
            12: self._rename, 13: self._link, 14: self._open, 15: self._read, 16: self._write, 17: self._statfs,
            18: self._nothing, 20: self._fsync, 25: self._nothing, 26: self._init,
            27: self._open, 28: self._readdir, 29: self._nothing, 30: self._fsyncdir,
            34: self._nothing, 35: self._create, 45: self._rename2,
        }  # fmt: skip
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"faulty", place.encode(), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")

    def run(self) -> None:
        """Serve until the file system is gone, or whoever steers it."""
        while True:
            ready, _, _ = select.select([self._fd, sys.stdin], [], [])
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                self._rule = tuple(json.loads(line))
                print(json.dumps(self._failed), flush=True)
                self._failed = []
            if self._fd in ready and not self._serve():
                return

    def _serve(self) -> bool:
        try:
            request = os.read(self._fd, 1 << 20)
        except OSError as error:
            return error.errno != errno.ENODEV  # unmounted; else the asker went away
        _, call, unique, node, uid, gid, _, _ = IN.unpack_from(request)
        if call in (2, 36, 42):
            return True  # forgotten, interrupted: no answer is expected
        try:
            body, code = self._answer(call, node, request[IN.size :], (uid, gid)), 0
        except OSError as error:
            body, code = b"", -(error.errno or errno.EIO)
        with contextlib.suppress(OSError):
            os.write(self._fd, OUT.pack(OUT.size + len(body), code, unique) + body)
        return True

    def _answer(self, call: int, node: int, body: bytes, owner: tuple[int, int]) -> bytes:
        handler = self._calls.get(call)
        if handler is None:
            raise OSError(errno.ENOSYS, "")
        return handler(self._files[node or ROOT], body, owner)

    def _may_fail(self, call: str, name: str, at: int = 0) -> None:
        kind, pattern, behind = self._rule
        if call == kind and fnmatch.fnmatch(name, pattern) and at >= behind:
            self._failed.append(f"{call} {name}")
            raise OSError(errno.EIO, "")

    def _name_of(self, file: File) -> str:
        return next((name for name, number in self._names.items() if number == file.number), "")

    # -- calls ---------------------------------------------------------------------------------

    def _init(self, _file: File, _body: bytes, _owner: object) -> bytes:
        big_writes = 1 << 5
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, big_writes, 0, 0, MAX_WRITE, 1, 0, 0, *[0] * 8)

    def _nothing(self, _file: File, _body: bytes, _owner: object) -> bytes:
        return b""

    def _entry(self, file: File) -> bytes:
        return ENTRY.pack(file.number, 0, 0, 0, 0, 0) + self._attributes(file)

    def _attributes(self, file: File) -> bytes:
        return file.attributes(list(self._names.values()).count(file.number))

    def _lookup(self, _file: File, body: bytes, _owner: object) -> bytes:
        number = self._names.get(_text(body))
        if number is None:
            raise OSError(errno.ENOENT, "")
        return self._entry(self._files[number])

    def _getattr(self, file: File, _body: bytes, _owner: object) -> bytes:
        return struct.pack("<Q2I", 0, 0, 0) + self._attributes(file)

    def _setattr(self, file: File, body: bytes, owner: object) -> bytes:
        valid, _, _, size, _, _, mtime, _, _, mtime_ns, _, mode, _, uid, gid, _ = (
            SETATTR.unpack_from(body)
        )
        if valid & SET_MODE:
            file.mode = stat.S_IFMT(file.mode) | stat.S_IMODE(mode)
        if valid & SET_UID:
            file.uid = uid
        if valid & SET_GID:
            file.gid = gid
        if valid & SET_SIZE:
            self._resize(file, size)
        if valid & SET_MTIME:
            file.mtime_ns = mtime * 10**9 + mtime_ns
        return self._getattr(file, b"", owner)

    def _resize(self, file: File, size: int) -> None:
        if size < len(file.data):
            del file.data[size:]
        file.data.extend(bytes(size - len(file.data)))

    def _create(self, _file: File, body: bytes, owner: tuple[int, int]) -> bytes:
        mode = struct.unpack_from("<2I", body)[1]
        name = _text(body[16:])
        self._may_fail("create", name)
        made = File(self._next, stat.S_IFREG | stat.S_IMODE(mode), *owner)
        self._next += 1
        self._files[made.number] = made
        self._names[name] = made.number
        return self._entry(made) + self._open(made, b"", owner)

    def _open(self, _file: File, _body: bytes, _owner: object) -> bytes:
        return struct.pack("<Q2I", 0, DIRECT, 0)

    def _read(self, file: File, body: bytes, _owner: object) -> bytes:
        _, offset, size, *_ = READ.unpack_from(body)
        self._may_fail("read", self._name_of(file), offset + size)
        return bytes(file.data[offset : offset + size])

    def _write(self, file: File, body: bytes, _owner: object) -> bytes:
        _, offset, size, *_ = READ.unpack_from(body)
        self._may_fail("write", self._name_of(file), offset + size)
        if offset > len(file.data):
            self._resize(file, offset)
        file.data[offset : offset + size] = body[READ.size : READ.size + size]
        return struct.pack("<2I", size, 0)

    def _fsync(self, file: File, _body: bytes, _owner: object) -> bytes:
        self._may_fail("fsync", self._name_of(file))
        return b""

    def _fsyncdir(self, _file: File, _body: bytes, _owner: object) -> bytes:
        self._may_fail("fsyncdir", "")
        return b""

    def _unlink(self, _file: File, body: bytes, _owner: object) -> bytes:
        self._may_fail("unlink", _text(body))
        del self._names[_text(body)]
        return b""

    def _rename2(self, file: File, body: bytes, owner: object) -> bytes:
        return self._rename(file, body[8:], owner)

    def _rename(self, _file: File, body: bytes, _owner: object) -> bytes:
        old, new, _ = body[8:].split(b"\0")
        self._may_fail("rename", old.decode())
        self._names[new.decode()] = self._names.pop(old.decode())
        return b""

    def _link(self, _file: File, body: bytes, _owner: object) -> bytes:
        (number,) = struct.unpack_from("<Q", body)
        self._names[_text(body[8:])] = number
        return self._entry(self._files[number])

    def _readdir(self, _file: File, body: bytes, _owner: object) -> bytes:
        _, offset, size, *_ = READ.unpack_from(body)
        found = b""
        for place, (name, number) in enumerate(sorted(self._names.items()), 1):
            raw = name.encode()
            entry = struct.pack("<2Q2I", number, place, len(raw), 8) + raw
            entry += bytes(-len(entry) % 8)
            if place > offset and len(found) + len(entry) <= size:
                found += entry
        return found

    def _statfs(self, _file: File, _body: bytes, _owner: object) -> bytes:
        return struct.pack("<5Q10I", *[1 << 24] * 5, 4096, 255, 4096, *[0] * 7)


def _text(body: bytes) -> str:
    return body.split(b"\0", 1)[0].decode()


if __name__ == "__main__":
    Server(sys.argv[1]).run()

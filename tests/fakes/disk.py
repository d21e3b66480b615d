"""A model of a disk and its cache, which can lose power at any call.

It keeps what was synced apart from what was merely done. After a power cut any of the following
may be the truth, independently of each other (:meth:`ModelDisk.worlds` yields them all):

- content that was not synced: as it was at the last sync, as it is now, cut in the middle, or
  zeros of the new length (blocks that were allocated and never written);
- owner and mode: any that they were since the last sync;
- each change of a directory that was not synced: done or not done. A rename is one change.
"""

from __future__ import annotations

import copy
import errno
import itertools
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from virtup.host.accounts import Account
from virtup.host.ownership import Reach, Seen


class PowerCut(BaseException):
    """The power went; nothing that runs on this machine goes on."""


@dataclass
class _File:
    ino: int
    content: bytes = b""
    synced: bytes | None = None
    owner: tuple[int, int, int] = (0, 0, 0o600)
    owners_before: list[tuple[int, int, int]] = field(default_factory=list)

    def contents_after_cut(self) -> set[bytes]:
        old = self.synced or b""
        if self.synced == self.content:
            return {old}
        middle = len(self.content) // 2
        zeros = bytes(len(self.content))
        return {
            old,
            self.content,
            self.content[:middle],
            zeros,
            self.content[:middle] + old[middle:],
        }

    def owners_after_cut(self) -> set[tuple[int, int, int]]:
        return {self.owner, *self.owners_before}


Entry = int | str
"""A file's inode number, or a symbolic link's target."""

Effect = tuple[str, Entry | None]
"""A path and what it leads to after a change, None when it is gone."""


@dataclass
class ModelDisk:
    """Implements the ports `virtup.host.disk.Disk` and `virtup.host.ownership.Inodes`.

    ``cut_at`` is the number of the call that the power does not live to see (from 1);
    ``fail_at`` that of a call which fails once, with ``error``.
    """

    cut_at: int = 0
    fail_at: int = 0
    error: int = errno.ENOSPC
    calls: int = 0
    off: bool = False
    write_bytes_max: int = 1 << 30
    files: dict[int, _File] = field(default_factory=dict)
    names: dict[str, Entry] = field(default_factory=dict)
    dirs: set[str] = field(default_factory=lambda: {"/"})
    synced_names: dict[str, Entry] = field(default_factory=dict)
    pending: list[tuple[str, list[Effect]]] = field(default_factory=list)
    handles: dict[int, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    # -- the port Disk

    def read(self, path: str) -> bytes:
        self._call(path)
        if path in self.dirs:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return self._file(path).content

    def list_dir(self, path: str) -> list[str]:
        self._call(path)
        return [posixpath.basename(each) for each in self.names if posixpath.dirname(each) == path]

    def make_dir(self, path: str, mode: int) -> None:
        self._call(path)
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._need_dir(path)
        self.dirs.add(path)

    def create(self, path: str, mode: int) -> int:
        self._call(path)
        self._need_free(path)
        file = _File(next(self._numbers), owner=(0, 0, mode))
        self.files[file.ino] = file
        self._change(posixpath.dirname(path), [(path, file.ino)])
        fd = next(self._numbers)
        self.handles[fd] = file.ino
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        self._call(f"fd {fd}")
        taken = bytes(data[: self.write_bytes_max])
        self.files[self.handles[fd]].content += taken
        return len(taken)

    def sync(self, handle: int | str) -> None:
        """Sync an open file (port Disk) or one by its path (port Inodes)."""
        self._call(f"sync {handle}")
        file = self._file(handle) if isinstance(handle, str) else self.files[self.handles[handle]]
        file.synced = file.content
        file.owners_before.clear()

    def close(self, fd: int) -> None:
        if not self.off:
            del self.handles[fd]

    def rename(self, source: str, target: str) -> None:
        self._call(source)
        if source not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        self._need_dir(target)
        self._change(posixpath.dirname(target), [(source, None), (target, self.names[source])])

    def link(self, source: str, target: str) -> None:
        self._call(source)
        if source not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        self._need_free(target)
        self._change(posixpath.dirname(target), [(target, self.names[source])])

    def symlink(self, target: str, path: str) -> None:
        self._call(path)
        self._need_free(path)
        self._change(posixpath.dirname(path), [(path, target)])

    def unlink(self, path: str) -> None:
        self._call(path)
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._change(posixpath.dirname(path), [(path, None)])

    def remove_dir(self, path: str) -> None:
        self._call(path)
        if path not in self.dirs:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if any(posixpath.dirname(each) == path for each in (*self.names, *self.dirs)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self.dirs.remove(path)

    def sync_dir(self, path: str) -> None:
        self._call(path)
        self._sync_names(path)

    # -- the port Inodes

    def resolve(self, path: str) -> str:
        self._call(path)
        self._file(path)
        return path

    def look(self, path: str) -> Seen:
        self._call(path)
        file = self._file(path)
        return Seen(file.ino, *file.owner, lendable=True)

    def reach(self, wants: Sequence[tuple[str, bool]], account: Account) -> list[Reach]:
        return [self._reach(path, account, 0o6 if write else 0o4) for path, write in wants]

    def _reach(self, path: str, account: Account, needed: int) -> Reach:
        uid, gid, mode = self._file(path).owner
        shift = 6 if uid == account.uid else 3 if gid in account.groups else 0
        if mode >> shift & needed == needed:
            return Reach.USABLE
        return Reach.AS_OWNER if mode >> 6 & needed == needed else Reach.BLOCKED

    def chown(self, path: str, seen: Seen, uid: int, mode: int) -> bool:
        if self.look(path) != seen:
            return False
        self._own(path, uid, seen.mode & ~stat.S_ISUID)
        if mode != self._file(path).owner[2]:
            self._own(path, uid, mode)
        return True

    # -- for tests

    def put(self, path: str, content: bytes, owner: tuple[int, int, int] = (0, 0, 0o600)) -> None:
        """Have a file there, synced."""
        file = _File(next(self._numbers), content, content, owner)
        self.files[file.ino] = file
        self.names[path] = self.synced_names[path] = file.ino

    def content(self, path: str) -> bytes | None:
        """Return what a reader finds; None for nothing."""
        entry = self.names.get(path)
        return self.files[entry].content if isinstance(entry, int) else None

    def replace(self, path: str, content: bytes, owner: tuple[int, int, int]) -> None:
        """Do what another program does that writes a new file in place of an old one."""
        self.put(path, content, owner)

    def worlds(self) -> Iterator[ModelDisk]:
        """Yield every state that a power cut at this moment may leave, each at rest and synced."""
        dirty = [file for file in self.files.values() if self._has_doubt(file)]
        truths = [
            [(c, o) for c in file.contents_after_cut() for o in file.owners_after_cut()]
            for file in dirty
        ]
        for done in itertools.product((False, True), repeat=len(self.pending)):
            names = dict(self.synced_names)
            for (_, effects), happened in zip(self.pending, done, strict=True):
                if happened:
                    _apply(names, effects)
            for choice in itertools.product(*truths):
                yield self._at_rest(names, dict(zip((f.ino for f in dirty), choice, strict=True)))

    def alive_again(self) -> ModelDisk:
        """Return the state that ``kill -9`` leaves: all that was done, synced or not."""
        world = copy.deepcopy(self)
        world.cut_at = world.fail_at = 0
        world.off = False
        world.handles.clear()
        return world

    def _has_doubt(self, file: _File) -> bool:
        return len(file.contents_after_cut()) > 1 or len(file.owners_after_cut()) > 1

    def _at_rest(
        self, names: dict[str, Entry], truths: dict[int, tuple[bytes, tuple[int, int, int]]]
    ) -> ModelDisk:
        files = {}
        for ino, file in self.files.items():
            content, owner = truths.get(ino, (file.content, file.owner))
            files[ino] = _File(ino, content, content, owner)
        return ModelDisk(
            files=files,
            names=dict(names),
            dirs=set(self.dirs),
            synced_names=dict(names),
            _numbers=itertools.count(10_000 + self.calls * 1000),
        )

    def _call(self, path: str) -> None:
        if self.off:
            raise PowerCut
        self.calls += 1
        if self.calls == self.cut_at:
            self.off = True
            raise PowerCut
        if self.calls == self.fail_at:
            raise OSError(self.error, os.strerror(self.error), path)

    def _own(self, path: str, uid: int, mode: int) -> None:
        self._call(path)
        file = self._file(path)
        file.owners_before.append(file.owner)
        file.owner = (uid, file.owner[1], mode)

    def _file(self, path: str) -> _File:
        entry = self.names.get(path)
        if not isinstance(entry, int):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.files[entry]

    def _need_dir(self, path: str) -> None:
        if posixpath.dirname(path) not in self.dirs:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _need_free(self, path: str) -> None:
        self._need_dir(path)
        if path in self.names or path in self.dirs:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)

    def _change(self, directory: str, effects: list[Effect]) -> None:
        _apply(self.names, effects)
        self.pending.append((directory, effects))

    def _sync_names(self, path: str) -> None:
        for directory, effects in self.pending:
            if directory == path:
                _apply(self.synced_names, effects)
        self.pending = [each for each in self.pending if each[0] != path]


def _apply(names: dict[str, Entry], effects: list[Effect]) -> None:
    for path, entry in effects:
        if entry is None:
            names.pop(path, None)
        else:
            names[path] = entry

"""Every state of a folder that a loss of power can leave, from the trace of what was done to it.

What a disk and its file system may do to what was not synced: lose a write, keep it, keep only its
length (zeros), tear it; let directory entries through in order, up to any one of them, or without
one of them. What was synced stays.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.trace import Link, Mark, Op, Rename, Sync, Unlink, Write

SECTOR = 512
FATES = ("absent", "present", "zeros", "torn", "holes")
"""What can become of a write that was not synced."""


@dataclass(frozen=True)
class World:
    """One folder after the power came back: name -> content; ``cut`` says where it went off."""

    files: tuple[tuple[str, bytes], ...]
    cut: str
    after: frozenset[str]

    @property
    def key(self) -> str:
        """What tells this world from another."""
        seen = hashlib.sha256()
        for name, content in self.files:
            seen.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return seen.hexdigest() + "".join(sorted(self.after))


@dataclass
class Piece:
    """Adjacent writes between two syncs, as one: their fate is drawn together."""

    path: str
    offset: int
    data: bytes
    in_stream: bool = False


@dataclass
class Disk:
    """What is on the device for sure, and what is on its way."""

    content: dict[str, bytearray] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    entries: list[tuple[str, str, str]] = field(default_factory=list)


def contents(
    ops: Sequence[Op], final: dict[str, bytes], first: dict[tuple[str, int], bytes]
) -> list[Op | Piece]:
    """Give each write its bytes: those of the file at the end, or of *first* at its first time."""
    seen: set[tuple[str, int]] = set()
    filled: list[Op | Piece] = []
    for op in ops:
        if not isinstance(op, Write):
            filled.append(op)
            continue
        data = final[op.path][op.offset : op.offset + op.length]
        key = (op.path, op.offset)
        if key in first and key not in seen:
            data = first[key] + data[len(first[key]) :]
        seen.add(key)
        last = filled[-1] if filled else None
        if isinstance(last, Piece) and last.path == op.path and last.in_stream and op.in_stream:
            last.data += data
        else:
            filled.append(Piece(op.path, op.offset, bytes(data), op.in_stream))
    return filled


def worlds(
    steps: Sequence[Op | Piece], before: dict[str, bytes], *, seed: int = 1
) -> Iterator[World]:
    """Yield every world, each once, that a cut before, between or after *steps* can leave.

    *before* is what stood in the folder, durably, at the beginning.
    """
    rng = random.Random(seed)
    disk = Disk(
        {name: bytearray(data) for name, data in before.items()}, {name: name for name in before}
    )
    seen: set[str] = set()
    after: set[str] = set()
    for number in range(len(steps) + 1):
        label = f"before {_name(steps[number])}" if number < len(steps) else "at the end"
        for world in _cut(disk, f"{number}: {label}", frozenset(after), rng):
            if world.key not in seen:
                seen.add(world.key)
                yield world
        if number < len(steps):
            _apply(disk, steps[number], after)


def _name(step: Op | Piece) -> str:
    if isinstance(step, Piece):
        return f"write of {len(step.data)} bytes at {step.offset}"
    if isinstance(step, Sync):
        return f"sync of {Path(step.path).name}"
    return f"{type(step).__name__.lower()} {getattr(step, 'name', '') or Path(getattr(step, 'target', None) or getattr(step, 'path', '')).name}"


def _apply(disk: Disk, step: Op | Piece, after: set[str]) -> None:
    if isinstance(step, Mark):
        after.add(step.name)
    elif isinstance(step, Piece):
        if step.path not in disk.names and not any(one[1] == step.path for one in disk.entries):
            disk.content.setdefault(step.path, bytearray())
            disk.entries.append(("create", step.path, step.path))
        disk.pieces.append(step)
    elif isinstance(step, Rename):
        disk.entries.append(("rename", step.target, step.source))
    elif isinstance(step, Link):
        disk.entries.append(("link", step.target, step.source))
    elif isinstance(step, Unlink):
        disk.entries.append(("unlink", step.path, ""))
    elif any(
        Path(path).parent == Path(step.path)
        for path in [*disk.names, *(one[1] for one in disk.entries)]
    ):
        disk.names = _names(disk, disk.entries)
        disk.entries = []
    else:
        inode = _inode(disk, step.path)
        for piece in [one for one in disk.pieces if _inode(disk, one.path) == inode]:
            _put(disk.content[inode], piece.offset, piece.data)
            disk.pieces.remove(piece)


def _inode(disk: Disk, path: str) -> str:
    """Files are known by their first name."""
    names = _names(disk, disk.entries)
    return names.get(path, path)


def _names(disk: Disk, entries: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    names = dict(disk.names)
    for kind, path, source in entries:
        if kind == "create":
            names[path] = path
        elif kind == "unlink":
            names.pop(path, None)
        elif source in names:
            names[path] = names[source] if kind == "link" else names.pop(source)
    return names


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))
    content[offset : offset + len(data)] = data


def _cut(disk: Disk, label: str, after: frozenset[str], rng: random.Random) -> Iterator[World]:
    prefixes = [disk.entries[:length] for length in range(len(disk.entries) + 1)]
    dropped = [disk.entries[:at] + disk.entries[at + 1 :] for at in range(len(disk.entries))]
    for fates in itertools.product(FATES, repeat=len(disk.pieces)):
        content = {name: bytearray(data) for name, data in disk.content.items()}
        for piece, fate in zip(disk.pieces, fates, strict=True):
            _suffer(content[_inode(disk, piece.path)], piece, fate, rng)
        for entries in [*prefixes, *dropped]:
            names = _names(disk, entries)
            files = tuple(sorted((name, bytes(content[inode])) for name, inode in names.items()))
            yield World(files, label, after)


def _suffer(content: bytearray, piece: Piece, fate: str, rng: random.Random) -> None:
    size = len(piece.data)
    if fate == "present":
        _put(content, piece.offset, piece.data)
    elif fate == "zeros":
        _put(content, piece.offset, bytes(size))
    elif fate == "torn":
        _put(
            content,
            piece.offset,
            piece.data[: max(1, size // 2 // SECTOR * SECTOR)] if size > SECTOR else piece.data,
        )
    elif fate == "holes":
        data = bytearray(piece.data)
        for at in range(0, size, SECTOR * 64):
            if rng.random() < 0.3 and size > SECTOR:
                data[at : at + SECTOR] = bytes(len(data[at : at + SECTOR]))
        _put(content, piece.offset, bytes(data))

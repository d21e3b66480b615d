"""What really went to the disk: the calls of a save or a restore, taken by strace.

The trace has every write, sync, rename and removal below one folder, of the daemon's threads and of
QEMU alike, in the order in which they ended. Contents are not in it: what stands in the file at the
end is what was written there, but for the few bytes that are written twice.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "openat,write,pwrite64,writev,pwritev,copy_file_range,fsync,fdatasync,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,lseek,sendto,sendmsg"
)
LINE = re.compile(
    r"^(?P<start>\d+\.\d+) (?P<call>\w+)\((?P<args>.*)\)\s+= (?P<result>-?\d+)[^<]*<(?P<took>[\d.]+)>$"
)
OF_FD = re.compile(r"^\d+<(?P<path>[^>]*)>")
COPIED = re.compile(r"^\d+<[^>]*>, \[\d+\], (?P<fd>\d+<[^>]*>), \[(?P<at>\d+)\]")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Write:
    path: str
    offset: int
    length: int
    in_stream: bool = False
    """Whether it was one of many at the file's own offset, as QEMU writes."""


@dataclass(frozen=True)
class Sync:
    path: str


@dataclass(frozen=True)
class Rename:
    source: str
    target: str


@dataclass(frozen=True)
class Link:
    source: str
    target: str


@dataclass(frozen=True)
class Unlink:
    path: str


@dataclass(frozen=True)
class Mark:
    """Not a disk's affair: the vCPUs were told to run, or the caller was told of success."""

    name: str


Op = Write | Sync | Rename | Link | Unlink | Mark


def available() -> bool:
    """Whether strace is here and may trace."""
    if not shutil.which("strace"):
        return False
    return (
        subprocess.run(
            ["strace", "-o", "/dev/null", "true"], check=False, capture_output=True
        ).returncode
        == 0
    )


def record(command: Sequence[str], folder: Path, place: Path) -> list[Op]:
    """Run *command* under strace and return what it did below *folder*; *place* is for the logs."""
    place.mkdir()
    done = subprocess.run(
        ["strace", "-ff", "-ttt", "-T", "-y", "-s", "120", "-o", f"{place}/t", "-e", f"trace={CALLS}", *command],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    calls: list[tuple[float, str, str, int]] = []
    for log in place.glob("t.*"):
        for line in log.read_text(errors="replace").splitlines():
            if match := LINE.match(line):
                ended = float(match["start"]) + float(match["took"])
                calls.append((ended, match["call"], match["args"], int(match["result"])))
    calls.sort(key=lambda one: one[0])
    return list(_ops(calls, str(folder)))


def _ops(calls: list[tuple[float, str, str, int]], folder: str) -> Iterator[Op]:
    at: dict[str, int] = {}
    for _, call, args, result in calls:
        if result < 0:
            continue
        if call in {"sendto", "sendmsg"}:
            if '\\"execute\\": \\"cont\\"' in args or '\\"execute\\":\\"cont\\"' in args:
                yield Mark("cont")
            continue
        if call == "write" and "POWER-CUT:" in args:
            yield Mark(args.partition("POWER-CUT:")[2].partition("\\")[0].strip())
            continue
        if call.startswith(("rename", "link", "unlink")):
            names = [name for name in QUOTED.findall(args) if name.startswith(folder)]
            if call.startswith("rename") and len(names) == 2:
                yield Rename(names[0], names[1])
            elif call.startswith("link") and len(names) == 2:
                yield Link(names[0], names[1])
            elif call.startswith("unlink") and names:
                yield Unlink(names[0])
            continue
        copied = COPIED.match(args) if call == "copy_file_range" else None
        of_fd = OF_FD.match(copied["fd"] if copied else args)
        if of_fd is None or not of_fd["path"].startswith(folder):
            continue
        path = of_fd["path"]
        if call in {"fsync", "fdatasync"}:
            yield Sync(path)
        elif call == "lseek":
            at[path] = result
        elif call in {"write", "writev"}:
            yield Write(path, at.get(path, 0), result, in_stream=True)
            at[path] = at.get(path, 0) + result
        elif copied:
            yield Write(path, int(copied["at"]), result)
        elif call in {"pwrite64", "pwritev"}:
            yield Write(path, int(args.rsplit(",", 1)[1]), result)

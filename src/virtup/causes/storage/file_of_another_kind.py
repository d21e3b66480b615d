"""A path that is to be a file is a directory, or leads through one that is a file.

## What it means
The definition names a directory as disk, kernel or firmware (`/srv/images` for
`/srv/images/vm.qcow2`), or its path goes through a file as if that were a directory
(`/srv/vm.qcow2/disk`). QEMU takes no block device for a file, either.

## How to confirm
`namei -l PATH` shows every component with its type.

## What to do
Correct the path in the definition; a block device is a `<disk type='block'>`.

## Strings it goes by
- `Could not open '/srv/images': Is a directory`
- `Could not open '/srv/vm.qcow2/disk': Not a directory`
- `'file' driver requires '/dev/sdb' to be a regular file`
- `Could not open '/srv/vm.sock': No such device or address` (a socket)
"""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import places
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import PLAIN, Kind, file_probes, troubles
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU420"
SLUG = "file-of-another-kind"

_ARGV = ("/usr/bin/qemu-system-x86_64", "-kernel", "/srv/boot")
_BLOCKDEV = (
    "/usr/bin/qemu-system-x86_64",
    "-blockdev",
    '{"driver":"file","filename":"/srv/p","node-name":"s"}',
    "-blockdev",
    '{"driver":"raw","file":"s","node-name":"f","read-only":false}',
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/srv/a: Could not open '/srv/a': Is a directory\n"
    ),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={PathAccess("/srv/boot", "read", 991): PathFact(exists=True, kind="directory")},
    ),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={PathAccess("/srv/boot", "read", 991): PathFact(not_directory="/srv")},
    ),
    Evidence(
        stderr='qemu-kvm: -blockdev {"driver":"file","filename":"/dev/sdb","node-name":"s"}: \'file\' driver requires \'/dev/sdb\' to be a regular file\n'
    ),
    Evidence(
        argv=_BLOCKDEV,
        uid=991,
        host={PathAccess("/srv/p", "write", 991): PathFact(exists=True, kind="fifo")},
    ),
    Evidence(phase="prepare", error="cannot access '/var/log/virtup/g.log': Is a directory"),
    Evidence(
        stderr="qemu: could not load kernel '/srv/boot': Is a directory\n",
        argv=_ARGV,
        uid=991,
        host={PathAccess("/srv/boot", "read", 991): PathFact(exists=True, allowed=True)},
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: Could not open '/srv/a': Permission denied\n"),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={
            PathAccess("/srv/boot", "read", 991): PathFact(
                exists=True, kind="directory", blocked="/srv", lacks="search"
            )
        },
    ),
    Evidence(
        argv=_BLOCKDEV,
        uid=991,
        host={PathAccess("/srv/p", "write", 991): PathFact(exists=True, kind="file")},
    ),
)

_NO_FILE = re.compile(
    r"'file' driver requires '(?P<path>[^'\n]+)' to be a regular file"
    r"|(?:(?:file=|\"filename\":\s?\")(?P<named>/[^,\"\n]+)[^\n]*)?"
    r"a regular file was expected by the 'file' driver",
    re.IGNORECASE,
)
_NOUNS = {
    "directory": "a directory",
    "fifo": "a named pipe (FIFO)",
    "socket": "a socket",
    "char": "a character device",
    "block": "a block device",
}
_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file, and for the place where the daemon could not write."""
    yield from file_probes(ev, PLAIN)
    yield from places.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each path of the wrong kind."""
    for refused in places.refused(ev):
        if refused.errno == errno.EISDIR:
            where, there = shlex.quote(refused.path), refused.fact and refused.fact.exists
            shown = (f"this host: there is something at '{refused.path}' already",) if there else ()
            aside = f"mv -n {where} {shlex.quote(refused.path + '.aside')}"
            yield _found(
                f"'{refused.path}', which is to be a file of the daemon's, is a directory.",
                refused.path,
                Certainty.PROVEN if there else Certainty.LIKELY,
                (*refused.quotes, *shown),
                (Fix("move the directory away", (aside,)),),
                refused.at,
            )
    words = said(ev).find(_NO_FILE)
    seen_paths = set()
    for trouble in troubles(ev, PLAIN, {Kind.DIRECTORY, Kind.NOT_A_DIRECTORY, Kind.OTHER_KIND}):
        path, noun, fact = trouble.use.path, trouble.use.role.value, trouble.fact
        fix = edit(f"correct the path '{path}'")
        seen_paths.add(path)
        if trouble.kind is not Kind.NOT_A_DIRECTORY:
            kind = _NOUNS.get(fact.kind if fact is not None else "", "a directory")
            sentence = f"'{path}', given as {noun}, is {kind}, not a regular file."
            seen = f"this host: '{path}' is {kind}"
            if kind == _NOUNS["block"]:
                fix = edit(f"use <disk type='block'> with <source dev='{path}'/>")
        else:
            middle = fact.not_directory if fact is not None else ""
            through = f"'{middle}', which is no directory" if middle else "what is no directory"
            sentence = f"The path of the {noun} '{path}' leads through {through}."
            seen = f"this host: '{middle}' is no directory"
        told = words if words is not None and words["path"] == path else None
        quotes = trouble.quotes or ((told.quote,) if told is not None else ())
        evidence = (*quotes, *((seen,) if fact is not None else ()))
        at = told.at if told is not None else trouble.at
        yield _found(sentence, path, trouble.certainty, evidence, (fix,), at)
    if words is not None and words["path"] not in seen_paths:
        path = words["path"] or words["named"]
        noun = f"'{path}'" if path else "A disk"
        yield _found(
            f"{noun} is given as a file, and is no regular one.",
            path,
            Certainty.LIKELY,
            (words.quote,),
            (edit("use <disk type='block'> for a block device, or correct the path"),),
            words.at,
        )

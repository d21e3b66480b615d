"""A path that is to be a file is a directory, or leads through one that is a file.

## What it means
The definition names a directory as disk, kernel or firmware (`/srv/images` for
`/srv/images/vm.qcow2`), or its path goes through a file as if that were a directory
(`/srv/vm.qcow2/disk`).

## How to confirm
`namei -l PATH` shows every component with its type.

## What to do
Correct the path in the definition.

## Strings it goes by
- `Could not open '/srv/images': Is a directory`
- `Could not open '/srv/vm.qcow2/disk': Not a directory`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Finding
from virtup.causes.paths import PLAIN, Kind, file_probes, troubles
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU420"
SLUG = "file-of-another-kind"

_ARGV = ("/usr/bin/qemu-system-x86_64", "-kernel", "/srv/boot")
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
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file."""
    return file_probes(ev, PLAIN)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each path of the wrong kind."""
    for trouble in troubles(ev, PLAIN, {Kind.DIRECTORY, Kind.NOT_A_DIRECTORY}):
        path, noun, fact = trouble.use.path, trouble.use.role.value, trouble.fact
        if trouble.kind is Kind.DIRECTORY:
            sentence = f"'{path}', given as {noun}, is a directory."
            seen = f"this host: '{path}' is a directory"
        else:
            middle = fact.not_directory if fact is not None else ""
            through = f"'{middle}', which is no directory" if middle else "what is no directory"
            sentence = f"The path of the {noun} '{path}' leads through {through}."
            seen = f"this host: '{middle}' is no directory"
        evidence = (*trouble.quotes, *((seen,) if fact is not None else ()))
        fix = edit(f"correct the path '{path}'")
        yield _found(sentence, path, trouble.certainty, evidence, (fix,), trouble.at)

"""QEMU's user may not read the kernel, initrd or device tree that the guest boots from.

## What it means
The file exists, and the account that QEMU runs as is kept from it: by a directory on the way that
it may not search, by the file's own mode, or by an access list. Distributions install kernels
readable for root only (mode 0600), and `/root` and home directories are closed to other accounts.

## How to confirm
`namei -l PATH` lists owner and mode of each component; `runuser -u QEMU_USER -- head -c1 PATH`
tries it. The finding names the first component that keeps the account out.

## What to do
Let that one account through with an access list (`setfacl`), or copy the files to a directory
that is open to it. `chmod 777` is never needed.

## Strings it goes by
- `qemu: could not open kernel file '/boot/vmlinuz': Permission denied`
- `qemu: could not load kernel '/boot/vmlinuz': Permission denied` (QEMU before 2.9)
- `qemu: error reading initrd /boot/initrd.img: ... Permission denied`
- `monitor socket did not show up.: Connection refused` (libvirt before 0.9.8)
- `early end of file from monitor: possible problem` (libvirt before 1.3)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Finding
from virtup.causes.paths import Kind, barrier, file_probes, troubles
from virtup.causes.storage.kernel_file_missing import ROLES
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU003"
SLUG = "kernel-file-unreadable"

_SAID = "qemu: could not open kernel file '/srv/boot/vmlinuz': Permission denied\n"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr="qemu: could not load kernel '/srv/boot/vmlinuz':\nPermission denied\n"),
    Evidence(
        stderr="qemu: error reading initrd /srv/boot/initrd: Failed to open file "
        "“/srv/boot/initrd”: open() failed: Permission denied\n"
    ),
    Evidence(
        stderr=_SAID,
        user="virtup-qemu",
        uid=991,
        gids=(36,),
        host={
            PathAccess("/srv/boot/vmlinuz", "read", 991, (36,)): PathFact(
                exists=True,
                blocked="/srv/boot",
                lacks="search",
                owner="root",
                group="root",
                mode="0700",
            )
        },
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu: could not open kernel file '/srv/boot/vmlinuz': No such file or directory\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: Could not open '/img/a': Permission denied\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file that the guest boots from."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each boot file that is there and closed to QEMU."""
    for trouble in troubles(ev, ROLES, {Kind.SEARCH, Kind.MODE, Kind.DENIED}):
        path, noun = trouble.use.path, trouble.use.role.value
        sentence, evidence, fixes = barrier(ev, trouble)
        yield _found(
            f"{sentence}, so it cannot read the {noun} '{path}'."
            if trouble.above
            else sentence + ".",
            path,
            trouble.certainty,
            evidence,
            fixes,
            trouble.at,
        )

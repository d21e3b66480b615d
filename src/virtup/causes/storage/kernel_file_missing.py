"""The kernel, initrd or device tree that the guest boots from does not exist.

## What it means
The definition boots a kernel directly (`<kernel>`, `<initrd>` or `<dtb>` within `<os>`), and one
of these files is not at that path: removed by a package update, moved, misspelled, or on a file
system that is not mounted. QEMU reads them before anything else and exits with status 1.

## How to confirm
`ls -l PATH` says "No such file or directory". The finding names the first component that is
missing, and the files beside it that are most alike.

## What to do
Put the file back, or correct the path in the definition. When kernel and initrd are both gone,
each is a finding of its own: the host probably removed an old kernel package.

## Strings it goes by
- `qemu: could not open kernel file '/boot/vmlinuz': No such file or directory`
- `qemu: could not load kernel '/boot/vmlinuz': No such file or directory` (QEMU before 2.9)
- `qemu: error reading initrd /boot/initrd.img: Failed to open file`
- `qemu: could not load initial ram disk '/boot/initrd.img'`
- `unable to stat: /boot/vmlinuz: No such file or directory` (libvirt's security driver)
- `monitor socket did not show up`, `early end of file from monitor` (libvirt before 1.3)
"""

from __future__ import annotations

from collections.abc import Iterator

from virtup.causes import revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, absence, file_probes, look_at, troubles, unsaid
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact
from virtup.model.repair import Change

CODE = "VU001"
SLUG = "kernel-file-missing"

ROLES = (Role.KERNEL, Role.INITRD, Role.DTB)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-kernel", "/boot/vm/vmlinuz", "-initrd", "/boot/vm/initrd")
POSITIVE = (
    Evidence(
        stderr="qemu: could not open kernel file '/boot/vm/vmlinuz': No such file or directory\n"
    ),
    Evidence(stderr="qemu: could not load kernel '/boot/vm/vmlinuz': No such file or directory\n"),
    Evidence(
        stderr="qemu: error reading initrd /boot/vm/initrd: Failed to open file “/boot/vm/initrd”: "
        "open() failed: No such file or directory\n"
    ),
    Evidence(
        argv=_ARGV,
        error="unable to stat: /boot/vm/vmlinuz: Datei oder Verzeichnis nicht gefunden",
    ),
    Evidence(
        argv=_ARGV,
        uid=107,
        host={
            PathAccess("/boot/vm/vmlinuz", "read", 107): PathFact(missing="/boot/vm"),
            PathAccess("/boot/vm/initrd", "read", 107): PathFact(missing="/boot/vm"),
        },
    ),
    Evidence(stderr="qemu-system-arm: Couldn't open dtb file /boot/vm/board.dtb\n"),
)
NEGATIVE = (
    Evidence(stderr="qemu: could not open kernel file '/boot/vm/vmlinuz': Permission denied\n"),
    Evidence(
        stderr="qemu: -blockdev {}: Could not open '/img/a.qcow2': No such file or directory\n"
    ),
    Evidence(
        argv=_ARGV[:3],
        uid=107,
        host={PathAccess("/boot/vm/vmlinuz", "read", 107): PathFact(exists=True, allowed=True)},
    ),
)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file that the guest boots from."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each boot file that is missing."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, noun, fact = trouble.use.path, trouble.use.role.value, trouble.fact
        evidence = list(trouble.quotes)
        sentence = f"The {noun} '{path}' does not exist"
        if fact is not None:
            evidence.append(f"this host has no '{fact.missing or path}'")
        more, mount = absence(path, fact)
        sentence += more
        fixes = [Fix(f"put the {noun} back at '{path}', or correct its path in the definition")]
        fixes = [*mount, *fixes]
        if fact is not None and fact.nearby and not mount:
            fixes.insert(0, edit(f"change the {noun} to '{fact.nearby[0]}'"))
        yield Finding(
            CODE,
            SLUG,
            sentence + ".",
            path,
            trouble.certainty,
            tuple(evidence),
            tuple(fixes),
            trouble.at,
        )

    for failure in unsaid(ev, ROLES):
        yield Finding(
            CODE,
            SLUG,
            f"The {failure.role.value} '{failure.path}' cannot be loaded: perhaps it does not exist.",
            failure.path,
            Certainty.POSSIBLE,
            (failure.seen.quote,),
            (look_at(failure.path),),
            failure.seen.at,
        )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Name the file that there is."""
    near = revise.named_in(finding, r"change the .* to '(.*)'")
    for tag in ("kernel", "initrd", "dtb"):
        one = revise.first(ev.definition, f"os/{tag}")
        if near and one is not None and (one.text or "").strip() == finding.subject:
            return revise.written(one, near)
    return ()

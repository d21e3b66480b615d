"""The huge page directory is not usable for the QEMU account.

## What it means
QEMU makes its files below `/dev/hugepages/libvirt/qemu`; that directory belongs to another
account, or AppArmor or SELinux forbids it.

## How to confirm
`ls -ld /dev/hugepages /dev/hugepages/libvirt/qemu`.

## What to do
Let the daemon make it (remove the left-over directory, restart the daemon), or `chown` it to
QEMU's account; mount hugetlbfs with `gid=kvm,mode=1770`.

## Strings it goes by
- `can't open backing store /dev/hugepages/libvirt/qemu/ for guest RAM: Permission denied`
- `unable to create backing store for hugepages: Permission denied`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU307"
SLUG = "mem-hugepages-perm"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU's user may not use the huge page directory '{subject}'.",
    subject="/dev/hugepages",
    phrases=(
        r"(?:can't|cannot|unable to|failed to|could not) (?:open|create) (?:the )?backing store (?P<subject>/\S+)?[^\n]*permission denied",
        r"(?:unable|failed|cannot)(?: to)? (?:create|open|access|set)[^\n]*?'?(?P<subject>/[^\s':]*huge\w*[^\s':]*)'?[^\n]*(?:permission denied|not permitted|read-only)",
    ),
    fixes=(Fix("see whose it is", ("ls -ld /dev/hugepages /dev/hugepages/libvirt/qemu",)),),
    proof=programs.DIRECTORY_CLOSED,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: can't open backing store /dev/hugepages/libvirt/qemu/1-vm for guest RAM: Permission denied\n"
    ),
)
NEGATIVE = (Evidence(stderr="unable to map backing store for guest RAM: Cannot allocate memory\n"),)

probes = _TOLD.probes
find = _TOLD.find

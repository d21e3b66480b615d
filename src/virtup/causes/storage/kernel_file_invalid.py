"""The file given as kernel is no kernel that QEMU can boot, or is cut short.

## What it means
`<kernel>` names a file without the header of a Linux kernel: a disk image, an archive, a kernel
of another architecture, an empty or half-downloaded file.

## How to confirm
`file PATH` prints 'Linux kernel x86 boot executable bzImage' (or 'PE32+ ... EFI application')
for one that boots; compare its size.

## What to do
Copy the kernel again (`vmlinuz`, not `vmlinux.gz` or the package), or boot from the disk.

## Strings it goes by
- `qemu: invalid kernel header`
- `Error loading uncompressed kernel without PVH ELF Note`
- `qemu: linux kernel too old to load a ram disk`
- `qemu: could not load kernel '/srv/vmlinuz'`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU258"
SLUG = "kernel-file-invalid"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="'{subject}' is no kernel that QEMU can boot, or is cut short.",
    otherwise="The file given as <kernel> is no kernel that QEMU can boot, or is cut short.",
    subject="the kernel",
    phrases=(
        r"invalid kernel header[^\n]*",
        r"error loading uncompressed kernel without PVH ELF note",
        r"linux kernel too old to load a ram disk",
        r"(?:could not|cannot|failed to) load (?:the )?kernel:? '(?P<subject>/[^'\n]+)'(?!:)[^\n]*",
        r"'?(?P<subject>/[^'\n:]+)'?: (?:not a|invalid) (?:elf|kernel|bzimage)[^\n]*",
        r"the kernel image is not in the [^\n]*format",
        r"kernel (?:file |image )?(?:is )?(?:too short|truncated)[^\n]*",
    ),
    fixes=(
        Fix("see what the file is", ("file PATH",)),
        edit("name a kernel (vmlinuz, bzImage)"),
    ),
    proof=hosts.BAD_KERNEL,
)
POSITIVE = (
    Evidence(stderr="qemu: invalid kernel header\n"),
    Evidence(stderr="qemu-system-aarch64: could not load kernel '/srv/vmlinuz'\n"),
)
NEGATIVE = (
    Evidence(stderr="qemu: could not open kernel file '/srv/vmlinuz': No such file or directory\n"),
)

probes = _TOLD.probes
find = _TOLD.find

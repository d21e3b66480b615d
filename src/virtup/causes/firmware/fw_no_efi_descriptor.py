"""firmware=efi finds no matching firmware descriptor.

## What it means
`<os firmware='efi'>` is resolved by the descriptors in `/usr/share/qemu/firmware`: none is
installed, or none fits architecture, machine type, secure boot and format together.

## How to confirm
`ls /usr/share/qemu/firmware`; `virsh domcapabilities | grep -A9 '<os'`.

## What to do
`apt-get install ovmf` (`dnf install edk2-ovmf`, `qemu-efi-aarch64` on ARM); on i440FX or without
secure boot in the package relax what is asked for.

## Strings it goes by
- `Unable to find any firmware to satisfy 'efi'`
- `Unable to find 'efi' firmware that is compatible with the current configuration`
"""

from __future__ import annotations

from virtup.causes import contents, packages
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU301"
SLUG = "fw-no-efi-descriptor"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="No installed firmware fits what the definition asks of firmware='efi'.",
    subject="efi",
    phrases=(
        r"unable to find (?:any )?'?(?P<subject>efi|bios|uefi)?'? ?firmware (?:to satisfy '(?P<want>\w+)'|that is compatible)[^\n]*",
        r"unable to find any firmware to satisfy[^\n]*",
        r"(?:did not|could not|couldn't) find (?:any )?UEFI (?:binary|firmware)(?! files)[^\n]*",
        r"don't know how to (?:set ?up|configure) UEFI[^\n]*",
        r"firmware (?:type|auto ?selection)[^\n]*(?:not supported|unsupported|is not available)[^\n]*",
        r"no (?:matching |suitable )?(?:firmware|UEFI) descriptor[^\n]*",
    ),
    fixes=(packages.install(Evidence(), "ovmf", "install the firmware"),),
    proof=contents.NO_FIRMWARE,
)
POSITIVE = (Evidence(error="operation failed: Unable to find any firmware to satisfy 'efi'"),)
NEGATIVE = (Evidence(error="unable to find any master var store for loader: /opt/OVMF_CODE.fd"),)

probes = _TOLD.probes
find = _TOLD.find

"""libvirt knows no NVRAM template for the loader, and the NVRAM store does not exist.

## What it means
The first start of a UEFI guest copies a template of variables. For a loader that no firmware
descriptor and no `nvram` list in qemu.conf names, libvirt has none.

## How to confirm
`grep -r LOADER /usr/share/qemu/firmware`; `virtup dumpxml NAME | grep -e '<loader' -e '<nvram'`.

## What to do
`<nvram template='/usr/share/OVMF/OVMF_VARS.fd'/>`, or `<os firmware='efi'>` without a loader.

## Strings it goes by
- `unable to find any master var store for loader: /opt/OVMF_CODE.fd`
"""

from __future__ import annotations

from virtup.causes import contents
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU300"
SLUG = "fw-nvram-template-unknown"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt knows no template of variables for the firmware '{subject}'.",
    subject="the loader",
    phrases=(
        r"unable to find any master var store for\s+loader: '?(?P<subject>[^\s']+)",
        r"no (?:nvram|var(?:iable)?s?) (?:store )?template[^\n]*(?:loader|for) '?(?P<subject>/[^\s']+)",
        r"unable to find any master var store[^\n]*",
    ),
    fixes=(edit("name one with <nvram template='...'>"),),
    proof=contents.NO_TEMPLATE,
)
POSITIVE = (
    Evidence(
        error="operation failed: unable to find any master var store for loader: /opt/OVMF_CODE.fd"
    ),
)
NEGATIVE = (Evidence(error="Unable to find any firmware to satisfy 'efi'"),)

probes = _TOLD.probes
find = _TOLD.find

"""The formats of NVRAM template and NVRAM store differ.

## What it means
A template is copied, not converted: a raw template does not make a qcow2 store (Fedora's
firmware is qcow2). libvirt compares the two since 10.10.

## How to confirm
`qemu-img info` of template and store; `virtup dumpxml NAME | grep -e '<loader' -e '<nvram'`.

## What to do
`<nvram templateFormat='raw' format='raw'>`, or a template and a loader of one format.

## Strings it goes by
- `conversion of the nvram template to another target format is not supported`
"""

from __future__ import annotations

from virtup.causes import contents
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU303"
SLUG = "fw-nvram-format-mismatch"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The NVRAM template has another format than the store that is to be made of it.",
    subject="nvram",
    phrases=(
        r"conversion of the nvram template[^\n]*",
        r"format mismatch[^\n]*(?:nvram|loader)[^\n]*",
        r"(?:nvram|loader)[^\n]{0,60}format[^\n]{0,40}(?:mismatch|differ|must match|does not match)[^\n]*",
    ),
    fixes=(edit("give <nvram> the template's format"),),
    proof=contents.STORE_FORMAT,
)
POSITIVE = (
    Evidence(
        error="Operation not supported: conversion of the nvram template to another target format is not supported"
    ),
)
NEGATIVE = (Evidence(error="unable to find any master var store for loader: /opt/OVMF_CODE.fd"),)

probes = _TOLD.probes
find = _TOLD.find

"""The video model is not available in the installed QEMU.

## What it means
QEMU's video cards come in modules and packages of their own, and not every architecture has
each: qxl is gone from RHEL 9 and missing on ARM, virtio-vga-gl needs OpenGL modules.

## How to confirm
`virsh domcapabilities` lists the models; `EMULATOR -device help | grep -i -e vga -e gpu -e qxl`.

## What to do
`<model type='virtio'/>`, or install the module (`qemu-device-display-qxl`,
`qemu-hw-display-qxl`, `qemu-system-modules-opengl`).

## Strings it goes by
- `domain configuration does not support video model 'qxl'`
- `this QEMU does not support 'qxl' video device`
- `'qxl-vga' is not a valid device model name`
"""

from __future__ import annotations

from virtup.causes import definition, known, revise
from virtup.causes.finding import Finding, Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change
from virtup.model.revision import path_of

CODE = "VU290"
SLUG = "config-video-model-missing"
OVER = ("qemu-device-not-built",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="This QEMU has no video model '{subject}'.",
    phrases=(
        r"(?:does not|doesn't) support (?:the )?video (?:model|device|type) '?(?P<subject>[\w-]+)",
        r"this QEMU (?:does not|doesn't) support '?(?P<subject>[\w-]+)'? video device",
        r"'(?P<subject>(?:qxl(?:-vga)?|virtio-(?:vga|gpu)[\w-]*|vmware-svga|cirrus-vga|bochs-display|ramfb|vhost-user-(?:vga|gpu)[\w-]*|secondary-vga|VGA|vmvga|cirrus|virtio|vga|bochs))' is not a valid device (?:model )?name",
        r"video (?:type|model|device) '?(?P<subject>(?:qxl(?:-vga)?|virtio-(?:vga|gpu)[\w-]*|vmware-svga|cirrus-vga|bochs-display|ramfb|vhost-user-(?:vga|gpu)[\w-]*|secondary-vga|VGA|vmvga|cirrus|virtio|vga|bochs))'? is not (?:supported|available)[^\n]*",
        r"(?:module|open module|initialize module)[^\n]*hw-display-(?P<subject>[\w-]+?)(?:\.so)?\b[^\n]*(?:not found|no such)",
        r"(?P<subject>standard VGA|virtio VGA|QXL VGA|cirrus VGA|VMware SVGA|xen framebuffer)[^\n]{0,10} not available",
    ),
    unless=r"virtio-9p",
    fixes=(
        edit("use <model type='virtio'/>"),
        Fix("or install the module of QEMU that has '{subject}'"),
    ),
    proof=known.VIDEO_MISSING,
)
POSITIVE = (
    Evidence(
        error="unsupported configuration: domain configuration does not support video model 'qxl'"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -device qxl-vga,id=video0: 'qxl-vga' is not a valid device model name\n"
    ),
)
NEGATIVE = (Evidence(stderr="'virtio-9p-pci' is not a valid device model name\n"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Use virtio's card where the one that is missing was."""
    models = [one.find("model") for one in definition.devices(ev.definition, "video")]
    there = [one for one in models if one is not None and one.get("type") == finding.subject]
    plain = tuple(
        Change(path_of(one), str(name), str(value), None)
        for one in there
        for name, value in one.attrib.items()
        if name != "type"
    )
    return plain + tuple(change for one in there for change in revise.given(one, "type", "virtio"))

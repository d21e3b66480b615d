"""3D acceleration is on, but no display has GL enabled.

## What it means
`<acceleration accel3d='yes'/>` needs a display with `<gl enable='yes'/>`: spice, sdl, gtk, dbus
or egl-headless.

## How to confirm
`virtup dumpxml NAME | grep -e accel3d -e '<gl'`.

## What to do
Add `<graphics type='egl-headless'/>` or `<gl enable='yes'/>` to spice, or remove accel3d.

## Strings it goes by
- `The display backend does not have OpenGL support enabled`
- `opengl is not available`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU292"
SLUG = "gfx-gl-not-enabled"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's video card wants OpenGL, and none of its displays has it enabled.",
    subject="gl",
    phrases=(
        r"display backend does not have OpenGL support enabled[^\n]*",
        r"display (?P<subject>[\w-]+) is incompatible with the GL context",
        r"\bopengl is not (?:available|enabled|supported)[^\n]*",
        r"OpenGL (?:support )?(?:is not|was not) (?:enabled|supported) (?:by|in|on) (?:the )?(?:display|qemu)?[^\n]*",
        r"(?:accel3d|3d acceleration|virgl)[^\n]{0,60}(?:requires|needs|without)[^\n]*(?:gl|opengl)[^\n]*",
    ),
    fixes=(edit("add <gl enable='yes'/> to its <graphics>, or remove accel3d"),),
    proof=contradictions.GL_OFF,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-vga-gl: The display backend does not have OpenGL support enabled\n"
    ),
    Evidence(stderr="qemu-kvm: Display spice is incompatible with the GL context\n"),
)
NEGATIVE = (Evidence(stderr="egl: no drm render node available\n"),)

probes = _TOLD.probes
find = _TOLD.find

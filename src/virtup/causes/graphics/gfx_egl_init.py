"""EGL or render-node initialisation on the host fails.

## What it means
`<gl enable='yes'/>` and egl-headless draw on a render node of the host (`/dev/dri/renderD128`):
there is none, QEMU's account may not open it, or the OpenGL libraries do not fit the driver
(NVIDIA's, a container's, a Nix store's).

## How to confirm
`ls -l /dev/dri`; `eglinfo` as QEMU's account.

## What to do
Name a node (`<gl rendernode='/dev/dri/renderD128'/>`), add QEMU's account to the group render,
install the EGL library of the driver, or switch gl off.

## Strings it goes by
- `egl: no drm render node available`
- `egl: render node init failed`
- `egl: eglGetDisplay failed`
- `Failed to initialize EGL render node for SPICE GL`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU291"
SLUG = "gfx-egl-init"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU cannot draw with the host's OpenGL ({subject}): no render node or no EGL for it.",
    subject="EGL",
    phrases=(
        r"\begl: (?:no drm|render node|egl\w+ failed|failed|gbm_\w+|not available|error)[^\n]*",
        r"failed to initiali[sz]e EGL[^\n]*",
        r"^(?![^\n]*(?:libEGL|MESA)\b)[^\n]*(?:could not|cannot|unable to|failed to) open (?:drm )?(?:render ?node)?:? ?'?(?P<subject>/dev/dri/\w+)'?[^\n]*",
        r"render ?node '(?P<subject>/[^'\n]+)' is not accessible",
        r"eglInitialize failed[^\n]*",
        r"no provider of (?P<subject>egl\w+) found",
        r"(?:EGL|gbm)[^\n]{0,30}(?:initiali[sz]ation failed|failed to init\w*)[^\n]*",
    ),
    doubtful=(r"(?:libEGL|MESA)\b[^\n]*failed to[^\n]*",),
    fixes=(
        Fix("see which nodes there are, and whose", ("ls -l /dev/dri",)),
        edit("or set <gl enable='no'/>"),
    ),
    proof=either(
        programs.path_missing("/dev/dri", refutes=False),
        programs.path_closed("write", "/dev/dri/renderD128"),
    ),
)
POSITIVE = (
    Evidence(stderr="qemu-system-x86_64: egl: no drm render node available\n"),
    Evidence(stderr="No provider of eglGetPlatformDisplay found.  Requires one of:\n    EGL 15\n"),
    Evidence(stderr="libEGL warning: failed to open /dev/dri/renderD128: Permission denied\n"),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: The display backend does not have OpenGL support enabled\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

"""The emulator has no SPICE support while the domain uses it.

## What it means
RHEL 9 and some builds of QEMU have no SPICE; others keep it in packages (`qemu-ui-spice-core`,
`qemu-chardev-spice`).

## How to confirm
`virsh domcapabilities | grep -A3 '<graphics'`; `EMULATOR -spice help`.

## What to do
VNC in place of SPICE, without the spicevmc devices and qxl; or install the modules.

## Strings it goes by
- `spicevmc not supported in this QEMU binary`
- `spice graphics are not supported with this QEMU`
- `'spicevmc' is not a valid char driver name`
- `There is no option group 'spice'`
"""

from __future__ import annotations

from virtup.causes import known
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU298"
SLUG = "config-spice-not-built"
OVER = (
    "qemu-too-old",
    "qemu-arg-typo",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest uses SPICE ('{subject}'), and this QEMU was built without it.",
    phrases=(
        r"(?P<subject>spice\w*)(?: graphics)?(?: (?:is|are))? (?:not supported|unsupported)[^\n]*(?:QEMU|build|binary)[^\n]*",
        r"(?:does not|doesn't) support (?:graphics type )?'?(?P<subject>spice)\b(?! OpenGL)[^\n]*",
        r"'(?P<subject>spice\w+)' is not a valid char driver name",
        r"no option group '(?P<subject>spice)'",
        r"-(?P<subject>spice)\b[^\n]*: (?:invalid option|spice support[^\n]*|[^\n]*not (?:supported|compiled)[^\n]*)",
        r"graphics type '?(?P<subject>spice)'? (?:is )?not (?:supported|available)[^\n]*",
        r"(?:parameter|chardev)[^\n]*(?:type|backend|driver)[^\n]*'(?P<subject>spice\w+)'[^\n]*(?:unknown|not|invalid)[^\n]*",
    ),
    unless=r"without spice graphics",
    fixes=(edit("use <graphics type='vnc'/> and remove the spicevmc devices"),),
    proof=known.NO_SPICE,
)
POSITIVE = (
    Evidence(error="unsupported configuration: spicevmc not supported in this QEMU binary"),
    Evidence(
        stderr="qemu-kvm: -chardev spicevmc,id=c: 'spicevmc' is not a valid char driver name\n"
    ),
)
NEGATIVE = (
    Evidence(error="chardev 'spicevmc' not supported without spice graphics"),
    Evidence(error="unsupported configuration: This QEMU doesn't support spice OpenGL"),
)

probes = _TOLD.probes
find = _TOLD.find

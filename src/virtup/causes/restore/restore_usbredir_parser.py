"""A usb-redir device cannot reload its parser state.

## What it means
The state of a USB redirection holds a transfer that was under way, and the usbredir library does
not take it back.

## How to confirm
`virtup save-image-dumpxml FILE | grep -A2 redirdev`.

## What to do
Nothing brings the state back but the usbredir of the save; detach redirected devices before
saving.

## Strings it goes by
- `usbredirparser: error unserialize`
- `usb-redir: error while loading state`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU345"
SLUG = "restore-usbredir-parser"
OVER = ("restore-device-state-mismatch",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A USB redirection's state ({subject}) cannot be loaded.",
    subject="usb-redir",
    phrases=(
        r"usb-?redir(?:parser)?[^\n]*(?:unserialize|unserialise|parser (?:state|data))[^\n]*",
        r"(?:error while loading state|failed to load)[^\n]*(?P<subject>usb-redir[\w/-]*)[^\n]*",
    ),
    fixes=(Fix("detach redirected devices before saving"),),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: usb-redir error: usbredirparser_unserialize: error unserialize caps mismatch\n"
    ),
)
NEGATIVE = (Evidence(stderr="Failed to load virtio-balloon:virtio\n"),)

probes = _TOLD.probes
find = _TOLD.find

"""A local display (GTK, SDL) is asked for without a usable session.

## What it means
A window needs a desktop: DISPLAY or WAYLAND_DISPLAY, and its cookie. Over SSH, as root, or from
a system daemon there is none.

## How to confirm
`echo $DISPLAY $WAYLAND_DISPLAY`; `xdpyinfo`.

## What to do
`-display none` or VNC/SPICE in place of the window; or start it as the desktop's user.

## Strings it goes by
- `gtk initialization failed`
- `Could not initialize SDL(No available video device)`
"""

from __future__ import annotations

from virtup.causes import hosts, known
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU293"
SLUG = "gfx-no-display"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU is to open a window, and there is no desktop session for it ({subject}).",
    subject="the display",
    phrases=(
        r"gtk initiali[sz]ation failed",
        r"could not initiali[sz]e SDL[^\n]*",
        r"no available video device",
        r"display '(?P<subject>sdl|gtk|spice-app|egl-headless|dbus|curses|cocoa)' is not available[^\n]*",
        r"display type '?(?P<subject>sdl|gtk)'?[^\n]*(?:not available|unsupported)[^\n]*",
    ),
    doubtful=(
        r"(?:cannot|could not|failed to|unable to) (?:open|connect to) (?:the )?(?:X |wayland )?display:?[^\n]*",
        r"unable to init server: could not connect[^\n]*",
    ),
    unless=r"inet_listen|address already in use",
    fixes=(Fix("use VNC, SPICE or no display in place of a window"),),
    proof=either(known.DISPLAY_MISSING, hosts.NO_WINDOW),
)
POSITIVE = (
    Evidence(stderr="gtk initialization failed\n"),
    Evidence(stderr="Unable to init server: Could not connect: Connection refused\n"),
)
NEGATIVE = (Evidence(stderr="egl: no drm render node available\n"),)

probes = _TOLD.probes
find = _TOLD.find

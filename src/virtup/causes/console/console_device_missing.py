"""The guest has no serial port or console to connect to.

## What it means
`virsh console` and virt-manager's text console connect to a `<serial>` or `<console>` of the guest,
and its definition has none (or none of the name that was asked for).

## How to confirm
`virsh dumpxml NAME | grep -A2 -E '<serial|<console'` shows nothing.

## What to do
Add `<serial type='pty'/>` and start the guest anew; in the guest, let the kernel and a login prompt
use it (`console=ttyS0`).

## Strings it goes by
- `cannot find character device (null)`
- `internal error: cannot find character device <null>`
- `no console devices available`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU400"
SLUG = "console-device-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest has no character device '{subject}' to connect to.",
    otherwise="The guest has no serial port or console to connect to.",
    subject="<serial>",
    phrases=(
        r"cannot find character device (?!\(null\)|<null>|\(?none)['\x22]?(?P<subject>[\w-]+)",
        r"cannot find character device",
        r"no (?:serial )?consoles? devices? available",
        r"no console devices? available|cannot find (?:default )?console device(?: '(?P<subject>[^'\n]+)')?",
    ),
    fixes=(edit("add <serial type='pty'/>"),),
    proof=contradictions.NO_CONSOLE,
)
POSITIVE = (
    Evidence(error="error: internal error cannot find character device (null)"),
    Evidence(error="internal error: cannot find character device serial7"),
)
NEGATIVE = (Evidence(error="internal error: character device console0 is not using a PTY"),)

probes = _TOLD.probes
find = _TOLD.find

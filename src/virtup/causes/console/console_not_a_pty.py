"""The guest's console is no pseudo terminal, so that it cannot be connected to.

## What it means
libvirt hands out consoles of type `pty` and `unix` alone. This one writes to a file, a TCP port or
a socket that another program owns.

## How to confirm
`virsh dumpxml NAME` shows the `type` of `<serial>` and `<console>`.

## What to do
Use `<serial type='pty'/>`, or connect to where it really goes (`virtctl console` under KubeVirt,
`socat` for a socket, `tail` for a file).

## Strings it goes by
- `character device console0 is not using a PTY`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU401"
SLUG = "console-not-a-pty"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The character device '{subject}' is not a pseudo terminal, and cannot be connected to.",
    otherwise="The guest's console is not a pseudo terminal, and cannot be connected to.",
    subject="the console",
    phrases=(r"character device (?P<subject>[\w.-]+)? ?is not using a PTY",),
    fixes=(edit("use <serial type='pty'/>"),),
    proof=contradictions.OTHER_CONSOLE,
)
POSITIVE = (Evidence(error="internal error: character device console0 is not using a PTY"),)
NEGATIVE = (Evidence(error="internal error cannot find character device (null)"),)

probes = _TOLD.probes
find = _TOLD.find

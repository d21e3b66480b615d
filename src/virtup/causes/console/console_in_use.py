"""Somebody else is connected to the guest's console.

## What it means
A console serves one client at a time. Another `virsh console`, a virt-manager window or a session
that was not closed (a lost SSH connection) holds it.

## How to confirm
`ps ax | grep 'virsh console'`.

## What to do
End the other session (`Ctrl+]`), or take the console over: `virsh console --force NAME`.

## Strings it goes by
- `Active console session exists for this domain`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU402"
SLUG = "console-in-use"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Another client is connected to the guest's console.",
    subject="the console",
    phrases=(
        r"active console session exists for this domain",
        r"console[^\n]{0,40} is already (?:in use|open)",
        r"requested device '(?P<subject>[^'\n]+)' is locked by lock file",
    ),
    fixes=(Fix("take it over", ("virsh console --force NAME",), Safety.CONFIRM),),
)
POSITIVE = (
    Evidence(error="error: operation failed: Active console session exists for this domain"),
    Evidence(
        error="operation failed: Requested device '/dev/pts/3' is locked by lock file '/var/lock/LCK..3' held by process 4711"
    ),
)
NEGATIVE = (Evidence(error="internal error: character device console0 is not using a PTY"),)

probes = _TOLD.probes
find = _TOLD.find

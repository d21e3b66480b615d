"""Another call works on the guest, and does not end.

## What it means
A guest takes one changing call at a time. The one that holds it (a save, a snapshot, a backup, a start)
goes on for long, or hangs on a monitor, an agent or storage that does not answer.

## How to confirm
`virsh domjobinfo NAME`; `virsh list` and the daemon's journal tell which call holds it.

## What to do
Wait for the other call or cancel it (`virsh domjobabort NAME`). When it hangs: see whether QEMU or its
storage hangs (`ps -o stat,wchan -C qemu-system-x86_64`); restart the daemon only after that.

## Strings it goes by
- `Timed out during operation: cannot acquire state change lock`
- `cannot acquire state change lock (held by monitor=remoteDispatchDomainCreate)`
- `cannot acquire state change lock (held by agent=remoteDispatchDomainGetFSInfo)`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU408"
SLUG = "domain-busy"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Another call works on the guest and does not end ({subject}).",
    otherwise="Another call works on the guest and does not end.",
    subject="another call",
    phrases=(
        r"can't lock file '(?P<subject>[^'\n]*/lock-[^'\n]+\.conf)' - got timeout",
        r"cannot acquire state change lock(?: \(held by (?P<subject>[^)\n]+)\))?",
    ),
    fixes=(Fix("see which, then wait for it or cancel it", ("virsh domjobinfo NAME",)),),
)
POSITIVE = (
    Evidence(error="Timed out during operation: cannot acquire state change lock"),
    Evidence(error="cannot acquire state change lock (held by monitor=remoteDispatchDomainSave)"),
)
NEGATIVE = (Evidence(error="Failed to acquire lock: resource busy"),)

probes = _TOLD.probes
find = _TOLD.find

"""The secret that opens a disk is missing, or it is not the right one.

## What it means
An encrypted image (LUKS) or a storage server (Ceph, iSCSI) wants a passphrase or a key. libvirt
has no secret of that UUID or usage, the secret has no value, since a private or ephemeral one
is lost when the daemon ends, or the value does not fit.

## How to confirm
`virsh secret-list`; `virsh secret-get-value UUID` says whether there is a value; `cryptsetup
open --test-passphrase IMAGE` tries one.

## What to do
Define the secret and set its value once more: `virsh secret-define secret.xml`, then `virsh
secret-set-value UUID --file KEY`. Nobody can open an encrypted image without its passphrase.

## Strings it goes by
- `Secret not found: no secret with matching uuid '...'`
- `secret '...' does not have a value`
- `Invalid password, cannot unlock any keyslot`
- `Parameter 'key-secret' is required for cipher`
- `error connecting: Operation not permitted (rbd)`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU462"
SLUG = "disk-secret-refused"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The secret for a disk is missing or refused: {subject}.",
    subject="its key",
    phrases=(
        r"no secret with matching (?:uuid|usage) '(?P<subject>[^'\n]+)'",
        r"secret '(?P<subject>[^'\n]+)' does not have a value",
        r"secret not found: secret has no value",
        r"(?P<subject>invalid password, cannot unlock any keyslot)",
        r"(?P<subject>parameter '(?:encrypt\.)?key-secret' is required for cipher)",
        r"rbd[^\n]*(?P<subject>error connecting: operation not permitted)",
    ),
    fixes=(
        Fix(
            "see which secrets there are, then define it and set its value", ("virsh secret-list",)
        ),
    ),
)
POSITIVE = (
    Evidence(
        stderr='qemu-kvm: -blockdev {"node-name":"f","driver":"luks","key-secret":"sec0","file":"s"}: Invalid password, cannot unlock any keyslot\n'
    ),
    Evidence(
        error="error: Secret not found: no secret with matching uuid '9ec59067-fdbc-a6c0-03ff-df165c0587b8'"
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-kvm: -drive file=rbd:p/i: error connecting: Connection timed out\n"),
    Evidence(
        error="error: unsupported configuration: VNC password is 9 characters long, only 8 permitted"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

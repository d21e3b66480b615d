"""libvirt refuses a new owner for a file that it remembers as in use.

## What it means
libvirt keeps the former owner of a file in extended attributes (`trusted.libvirt.security.*`)
while a guest has it, and they stay behind after a crash; or two guests want the file with
different owners.

## How to confirm
`getfattr -m trusted.libvirt -d FILE`.

## What to do
If no guest runs with it: `setfattr -x` the attributes, or `remember_owner = 0` in
`/etc/libvirt/qemu.conf`.

## Strings it goes by
- `Setting different DAC user or group on /img/VARS.fd which is already in use`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU320"
SLUG = "dac-label-in-use"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt remembers '{subject}' as in use with another owner.",
    phrases=(
        r"setting different DAC user or group on '?(?P<subject>[^\n]+?)'? which is already in use",
    ),
    fixes=(Fix("see what is remembered", ("getfattr -m trusted.libvirt -d {subject}",)),),
    proof=denied.remembered("dac"),
)
POSITIVE = (
    Evidence(
        error="Requested operation is not valid: Setting different DAC user or group on /img/VARS.fd which is already in use"
    ),
)
NEGATIVE = (Evidence(error="Setting different SELinux label on /img/a which is already in use"),)

probes = _TOLD.probes
find = _TOLD.find

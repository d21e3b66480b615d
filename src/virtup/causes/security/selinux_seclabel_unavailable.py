"""The domain has a seclabel of a security model that is off.

## What it means
`<seclabel model='selinux'>` (or apparmor) was recorded on a host with that module, and this host
or this daemon runs without it.

## How to confirm
`virsh capabilities | grep -A2 '<secmodel'`; `getenforce`; `aa-enabled`.

## What to do
Remove `<seclabel>` from the definition, or switch the module on.

## Strings it goes by
- `Security driver model 'selinux' is not available`
- `Unable to find security driver for model selinux`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU324"
SLUG = "selinux-seclabel-unavailable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The definition has a seclabel of '{subject}', which is off on this host.",
    phrases=(
        r"security driver model '(?P<subject>[\w-]+)' is not available",
        r"(?:unable to find|no) security driver for (?:model|label) '?(?P<subject>[\w-]+)",
        r"seclabel[^\n]{0,60}(?P<subject>selinux|apparmor)[^\n]{0,40}(?:not (?:available|enabled|supported)|disabled)[^\n]*",
    ),
    fixes=(edit("remove <seclabel model='{subject}'>"),),
    proof=denied.module_off(),
)
POSITIVE = (
    Evidence(error="unsupported configuration: Security driver model 'selinux' is not available"),
)
NEGATIVE = (Evidence(error="Setting different SELinux label on /img/a which is already in use"),)

probes = _TOLD.probes
find = _TOLD.find

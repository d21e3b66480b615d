"""The template from which the firmware's variables are to be made does not exist.

## What it means
The first start of a UEFI guest copies a template (`<nvram template='...'>`, or what the firmware's
descriptor names) to the guest's own NVRAM file. The template is gone: the firmware's package was
removed or renamed it, or the definition came from another distribution.

## How to confirm
`ls -l` on the template; `virtup dumpxml NAME | grep '<nvram'`.

## What to do
Install the firmware's package (ovmf, edk2-ovmf), restore the template, or name another one in
`<nvram template='...'>`.

## Strings it goes by
- `Failed to open the NVRAM template '/usr/share/OVMF/OVMF_VARS.fd': No such file or directory`
- `Failed to open file '/usr/share/OVMF/OVMF_VARS.fd': No such file or directory` (libvirt)
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.causes.programs import path_missing
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU416"
SLUG = "fw-nvram-template-missing"
OVER = ("fw-nvram-dir-missing", "disk-file-missing", "fw-loader-missing")

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The NVRAM template '{subject}' does not exist, and the guest has no NVRAM file yet.",
    phrases=(
        r"failed to open (?:the NVRAM template|NVRAM template) '(?P<subject>/[^'\n]+)': no such file[^\n]*",
        r"failed to open file '(?P<subject>/usr/[^'\n]*_VARS[^'\n]*)': no such file[^\n]*",
    ),
    fixes=(
        Fix("restore the template: install the firmware's package again", safety=Safety.MANUAL),
        edit("name a template that is there: <nvram template='...'>"),
    ),
    proof=path_missing(),
)
_SAID = "Failed to open the NVRAM template '/fw/VARS.fd': No such file or directory"
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(
        error=_SAID,
        uid=0,
        host={PathAccess("/fw/VARS.fd", "read", 0): PathFact(missing="/fw/VARS.fd")},
    ),
    Evidence(error="Failed to open file '/usr/share/OVMF/OVMF_VARS.fd': No such file or directory"),
)
NEGATIVE = (
    Evidence(error="unable to find any master var store for loader: /opt/OVMF_CODE.fd"),
    Evidence(error="Failed to make the NVRAM file '/nv/g_VARS.fd': No space left on device"),
)

probes = _TOLD.probes
find = _TOLD.find

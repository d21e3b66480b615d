"""No virtiofsd, or no descriptor of one, is found.

## What it means
libvirt finds virtiofsd by the descriptors in `/usr/share/qemu/vhost-user`; it is a package of
its own since QEMU 8.0.

## How to confirm
`ls /usr/share/qemu/vhost-user`; `ls /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd`.

## What to do
`apt-get install virtiofsd` (`dnf install virtiofsd`), or `<binary path='...'/>`.

## Strings it goes by
- `Unable to find a satisfying virtiofsd`
- `virtiofsd: executable file not found in $PATH`
"""

from __future__ import annotations

from virtup.causes import packages, programs
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU317"
SLUG = "virtiofsd-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="virtiofsd is not found ({subject}).",
    subject="virtiofsd",
    phrases=(
        r"unable to find (?:a |any )?(?:satisfying )?'?virtiofsd[^\n]*",
        r"'?(?P<subject>/?\S*virtiofsd)\x22?'?:? (?:executable file )?(?:not found|is not installed|does not exist|no such file)[^\n]*",
        r"(?:cannot|could not|couldn't|failed to) (?:find|locate|execute|check)[^\n]*?(?P<subject>/\S*virtiofsd)?'?[^\n]*virtiofsd?[^\n]*",
    ),
    fixes=(packages.install(Evidence(), "virtiofsd"),),
    proof=programs.program_missing("virtiofsd", package="virtiofsd"),
)
POSITIVE = (Evidence(error="operation failed: Unable to find a satisfying virtiofsd"),)
NEGATIVE = (Evidence(error="virtiofsd died unexpectedly"),)

probes = _TOLD.probes
find = _TOLD.find

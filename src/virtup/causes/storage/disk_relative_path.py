"""The disk source is a relative path, resolved against the daemon directory.

## What it means
libvirt and its QEMU run in `/`, so that `<source file='vm.qcow2'/>` is looked up there and not
where the person stood.

## How to confirm
`virtup dumpxml NAME | grep '<source'`.

## What to do
Write the whole path.

## Strings it goes by
- `Unable to stat vm.qcow2: No such file or directory`
- `Cannot access storage file 'vm.qcow2'`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU254"
SLUG = "disk-relative-path"
OVER = ("disk-file-missing",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The disk's path '{subject}' is relative, and the daemon looks for it in its own directory.",
    phrases=(
        r"(?:unable to stat|cannot access storage file|cannot access|cannot stat|failed to stat|cannot open file) '?(?P<subject>(?!/)[\w./ -]*[\w-]+\.(?:qcow2?|img|raw|iso|vmdk|vdi|vhdx?|qed))'?(?: \([^)\n]*\))?: no such file or directory",
        r"(?:disk|source) (?:file |path )?'?(?P<subject>(?!/)[\w./-]+)'? (?:is not|must be) an? absolute path",
    ),
    fixes=(edit("write the whole path of '{subject}'"),),
    proof=contradictions.RELATIVE_PATH,
)
POSITIVE = (
    Evidence(
        error="libvirt: QEMU Driver error : Unable to stat vm.qcow2: No existe el archivo o el directorio"
    ),
)
NEGATIVE = (
    Evidence(
        error="Cannot access storage file '/img/vm.qcow2' (as uid:107, gid:107): No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

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

import re
from collections.abc import Iterator

from virtup.causes import contradictions
from virtup.causes.phrase import Ahead, Told
from virtup.causes.usage import images
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU254"
SLUG = "disk-relative-path"
OVER = ("disk-file-missing", "qemu-argument-refused")

_PROTOCOL = re.compile(r"[a-z][\w+]*:")


def _relative(ev: Evidence) -> Iterator[str]:
    """Yield the disks whose path does not begin at the root."""
    found = {use.path for use in images(ev.argv) if use.path and use.path[:1] != "/"}
    yield from (path for path in sorted(found) if not _PROTOCOL.match(path))


_TOLD = Told(
    CODE,
    SLUG,
    sentence="The disk's path '{subject}' is relative, and the daemon looks for it in its own directory.",
    phrases=(
        r"(?:unable to stat|cannot access storage file|cannot access|cannot stat|failed to stat|cannot open file) '?(?P<subject>(?!/)[\w./ -]*[\w-]+\.(?:qcow2?|img|raw|iso|vmdk|vdi|vhdx?|qed))'?(?: \([^)\n]*\))?: no such file or directory",
        r"could not open '(?P<subject>(?!/)[\w./ -]*[\w-]+\.(?:qcow2?|img|raw|iso|vmdk|vdi|vhdx?|qed))': no such file or directory",
        r"(?:disk|source) (?:file |path )?'?(?P<subject>(?!/)[\w./-]+)'? (?:is not|must be) an? absolute path",
    ),
    fixes=(edit("write the whole path of '{subject}'"),),
    proof=contradictions.RELATIVE_PATH,
    ahead=Ahead(_relative, contradictions.RELATIVE_PATH),
)
POSITIVE = (
    Evidence(
        error="libvirt: QEMU Driver error : Unable to stat vm.qcow2: No existe el archivo o el directorio"
    ),
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"file","filename":"a.qcow2"}: Could not open '
        "'a.qcow2': No such file or directory\n"
    ),
)
NEGATIVE = (
    Evidence(
        error="Cannot access storage file '/img/vm.qcow2' (as uid:107, gid:107): No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

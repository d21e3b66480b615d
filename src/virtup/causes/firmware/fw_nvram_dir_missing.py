"""The directory for the NVRAM store does not exist.

## What it means
`<nvram>` names a file in a directory that is not there: a home that moved, a definition from
another host.

## How to confirm
`virtup dumpxml NAME | grep '<nvram'`; `ls -ld` its directory.

## What to do
Make the directory, or remove `<nvram>`: a store is then made in the usual place.

## Strings it goes by
- `Failed to create file '/srv/nvram/vm1_VARS.fd': No such file or directory`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU302"
SLUG = "fw-nvram-dir-missing"
OVER = (
    "disk-file-missing",
    "fw-loader-missing",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The directory for the NVRAM store '{subject}' does not exist.",
    phrases=(
        r"(?:failed|unable|cannot)(?: to)? (?:create|open)[^\n]*?(?<![\w/])'?(?P<subject>(?<![\w/])/(?!usr/)[^'\n:]*(?:nvram|_VARS)[^'\n:]*)'?: (?:no such file|datei oder verz|no existe el|aucun fichier|arquivo ou diret|file o directory non|нет такого файла|没有那个文件|そのような)",
    ),
    fixes=(Fix("make it", ("mkdir -p $(dirname {subject})",), Safety.CONFIRM),),
    proof=programs.DIRECTORY_MISSING,
)
POSITIVE = (
    Evidence(error="Failed to create file '/srv/nvram/vm1_VARS.fd': No such file or directory"),
)
NEGATIVE = (
    Evidence(error="Could not open '/usr/share/OVMF/OVMF_CODE.fd': No such file or directory"),
)

probes = _TOLD.probes
find = _TOLD.find

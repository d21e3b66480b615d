"""io=io_uring is asked for, but this QEMU build or kernel has no io_uring.

## What it means
`<driver io='io_uring'/>` needs a QEMU built with liburing (5.0) and a kernel (5.1) that allows
it: containers' seccomp filters and `kernel.io_uring_disabled` forbid it.

## How to confirm
`sysctl kernel.io_uring_disabled`; `qemu-system-x86_64 -blockdev help`.

## What to do
`<driver io='threads'/>` or `native`, or allow io_uring.

## Strings it goes by
- `aio=io_uring was specified, but is not supported in this build.`
- `failed to init linux io_uring ring: Operation not permitted`
"""

from __future__ import annotations

from virtup.causes import definition, hosts, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Ahead, Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU251"
SLUG = "disk-io-uring-unsupported"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="io_uring is asked for, and this QEMU or this kernel does not offer it.",
    subject="io_uring",
    phrases=(
        r"io_uring (?:was specified, but )?is not (?:supported|available)[^\n]*",
        r"(?:failed to init|unable to use|could not (?:create|init\w*)|cannot use)[^\n]{0,30}io_uring[^\n]*",
        r"(?:invalid parameter|does not accept value|unsupported)[^\n]{0,20}'?io_uring[^\n]*",
        r"io='?io_uring'?[^\n]*(?:not supported|unsupported)[^\n]*",
        r"invalid (?:aio option|value)[^\n]*io_uring",
        r"\baio=io_uring\b[^\n]*: invalid aio option",
    ),
    fixes=(edit("use <driver io='threads'/>"),),
    proof=hosts.NO_IO_URING,
    ahead=Ahead(
        lambda ev: ("io_uring",) if '"aio":"io_uring"' in "".join(ev.argv) else (),
        hosts.NO_IO_URING,
    ),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/a,aio=io_uring: aio=io_uring was specified, but is not supported in this build.\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -drive aio=io_uring,if=virtio,file=/img/a: invalid aio option\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -drive file=/a,aio=io_uring: Failed to get "write" lock\n'
    ),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Have every disk that asks for io_uring use threads."""
    drivers = [one.find("driver") for one in definition.devices(ev.definition, "disk")]
    asking = [one for one in drivers if one is not None and one.get("io") == "io_uring"]
    return tuple(change for one in asking for change in revise.given(one, "io", "threads"))

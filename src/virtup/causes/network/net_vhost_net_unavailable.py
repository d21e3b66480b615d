"""vhost-net is required but cannot be initialised.

## What it means
`<driver name='vhost'/>` on an interface makes vhost-net a must; the module `vhost_net` is not
loaded, `/dev/vhost-net` is closed to QEMU, or the interface's model is not virtio.

## How to confirm
`ls -l /dev/vhost-net`; `lsmod | grep vhost_net`.

## What to do
`modprobe vhost_net`, or `<driver name='qemu'/>`.

## Strings it goes by
- `vhost-net requested but could not be initialized`
- `Unable to open vhost-net. Is module vhost_net loaded?`
- `vhost-net is not supported with this QEMU binary`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU210"
SLUG = "net-vhost-net-unavailable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="vhost-net is required, and cannot be used here.",
    subject="/dev/vhost-net",
    phrases=(
        r"vhost-net requested but could not be initiali[sz]ed",
        r"unable to open vhost-net[^\n]*",
        r"vhost-net (?:support )?is (?:not supported|not available)[^\n]*",
        r"(?:vhost|tap): open vhost char device failed[^\n]*",
        r"could not open '?/dev/vhost-(?:net|vsock)'?:[^\n]*",
        r"failed to open '?/dev/vhost-net[^\n]*",
    ),
    fixes=(Fix("load the module", ("modprobe vhost_net",), Safety.CONFIRM),),
    proof=programs.path_missing("/dev/vhost-net", refutes=False),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -netdev tap,fd=26,id=hostnet0,vhost=on,vhostfd=28: vhost-net requested but could not be initialized\n"
    ),
)
NEGATIVE = (
    Evidence(error="could not open /dev/net/tun: No such file or directory"),
    Evidence(
        error="unsupported configuration: vhost-net is only supported for virtio network interfaces"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

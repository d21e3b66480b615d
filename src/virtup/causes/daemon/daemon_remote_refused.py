"""The libvirt daemon of another host does not listen for connections.

## What it means
`qemu+tcp://` and `qemu+tls://` need a daemon that listens on TCP port 16509 or 16514. By default none does,
or a firewall is in between.

## How to confirm
`ss -ltn` on the other host; `systemctl status libvirtd-tcp.socket libvirtd-tls.socket` there.

## What to do
Connect by `qemu+ssh://HOST/system`, which needs no port of libvirt's. Or let it listen, with
authentication: `systemctl enable --now libvirtd-tls.socket`.

## Strings it goes by
- `unable to connect to server at 'host:16509': Connection refused`
- `unable to connect to server at 'host:16514': No route to host`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU405"
SLUG = "daemon-remote-refused"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="No libvirt daemon answers at '{subject}'.",
    phrases=(
        r"unable to connect to (?:libvirt )?(?:server )?at '(?P<subject>[^'\n]+:\d+)': (?:connection refused|no route to host|connection timed out|network is unreachable)",
    ),
    fixes=(Fix("connect by SSH", ("virsh -c qemu+ssh://root@HOST/system list",)),),
)
POSITIVE = (
    Evidence(error="error: unable to connect to server at 'host:16509': Connection refused"),
)
NEGATIVE = (
    Evidence(error="error: unable to connect to server at 'host:16509': Name or service not known"),
)

probes = _TOLD.probes
find = _TOLD.find

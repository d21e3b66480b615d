"""QEMU may not connect to the socket of an externally started helper.

## What it means
A helper that somebody else starts (virtiofsd, an OVS port, a gateway) makes its socket with its
own account, and QEMU's account may not write to it.

## How to confirm
`namei -l SOCKET`.

## What to do
Start the helper with QEMU's account or group (`--socket-group`), or grant that one account
access.

## Strings it goes by
- `Failed to connect to '/run/vhost.sock': Permission denied`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU318"
SLUG = "external-helper-socket-perm"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU may not connect to the socket '{subject}'.",
    phrases=(
        r"\b(?:qemu|kvm|virtiofsd|chardev|vhost-user|libvirt|monitor)\b[^\n]*(?:failed|unable|could not|cannot)(?: to)? connect (?:to )?(?:(?:unix )?socket )?(?:to )?'?(?P<subject>/(?!\S*/qemu/swtpm/|\S*libvirt-sock|\S*virt\w+d?-sock)[^'\n:]+?)'?: permission denied",
        r"-chardev socket,[^\n]*?\bpath=(?P<subject>/(?!\S*/qemu/swtpm/)[^,\s]+)[^\n]*: failed to connect socket: permission denied",
    ),
    doubtful=(
        r"(?:failed|unable|could not|cannot)(?: to)? connect (?:to )?(?:(?:unix )?socket )?(?:to )?'(?P<subject>/(?!\S*/qemu/swtpm/|\S*libvirt-sock|\S*virt\w+d?-sock)[^'\n:]+?)': permission denied",
    ),
    unless=r"(?:libvirt|virt\w+d)-sock",
    fixes=(Fix("see who may", ("namei -l {subject}",)),),
    proof=programs.path_closed("write"),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,id=c,path=/run/vhost.sock: Failed to connect to '/run/vhost.sock': Permission denied\n"
    ),
    Evidence(stderr="Failed to connect to '/run/gpu.sock': Permission denied\n"),
)
NEGATIVE = (
    Evidence(error="dial unix: failed to connect to /run/mysqld/mysqld.sock: Permission denied"),
    Evidence(
        error="Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

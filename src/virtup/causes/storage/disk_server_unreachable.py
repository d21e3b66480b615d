"""The server of a network disk cannot be reached, or refuses the connection.

## What it means
QEMU itself connects to the server of an NBD, iSCSI, RBD, Gluster, NFS, SSH or HTTP disk, before
the guest runs. Nobody listens there, the way is closed, the name cannot be resolved, or the
server does not export the volume to this host.

## How to confirm
From the same host: `nc -vz HOST PORT` (NBD 10809, iSCSI 3260, Ceph 3300 and 6789, Gluster
24007, NFS 2049); `showmount -e HOST` for NFS, `ceph -s` for RBD.

## What to do
Start the server, open its port for this host, or correct `<host name=... port=...>` in the
disk's `<source>`.

## Strings it goes by
- `Failed to connect to '10.0.0.9:10809': Connection refused`
- `iSCSI: Failed to connect to LUN : Failed to connect to iSCSI socket: Connection timed out`
- `error connecting: Connection timed out (rbd)`
- `Gluster connection for volume vol, path img failed to connect: Transport endpoint is not connected`
- `Failed to mount nfs share: mount_cb: RPC error: Mount failed`
- `CURL: Error opening file: Could not resolve host: images.example`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU461"
SLUG = "disk-server-unreachable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU gets no connection to the server of a network disk ({subject}).",
    subject="no name given",
    phrases=(
        r"-(?:drive|blockdev|cdrom|hd[a-d]) [^\n]*(?:\b(?:nbd|iscsi|ssh|nfs|gluster|rbd)(?:\+\w+)?:|driver\x22:\s?\x22(?:nbd|ssh|iscsi|gluster|nfs)\x22|driver=(?:nbd|ssh|iscsi|gluster|nfs)\b)[^\n]*: failed to connect (?:to '(?P<subject>[^'\n]+)'|socket)[^\n]*",
        r"iscsi: failed to connect to lun[^\n]*",
        r"rbd[^\n]*error connecting: (?:connection timed out|connection refused|no route to host|network is unreachable)",
        r"gluster connection (?:for volume (?P<subject>[^\s,]+), path \S+ |failed for server=(?P<server>\S+))[^\n]*",
        r"failed to mount nfs share: [^\n]*",
        r"curl: error opening file: (?P<subject>(?:could not resolve|couldn't resolve|failed to connect|couldn't connect|connection timed)[^\n]*)",
    ),
    fixes=(Fix("see whether the server answers from this host, and start it or open its port"),),
)
POSITIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"nbd","server":{"type":"inet","host":"10.0.0.9","port":"10809"},"node-name":"s"}: Failed to connect to \'10.0.0.9:10809\': Connection refused\n'
    ),
    Evidence(
        stderr="qemu-kvm: -drive file=nfs://nas/vol/a.img,if=none: Failed to mount nfs share: mount_cb: RPC error: Mount failed with error MNT3ERR_ACCES(13) Permission denied(13)\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -cdrom https://x.example/b.iso: CURL: Error opening file: Could not resolve host: x.example\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,id=c,path=/run/x.sock: Failed to connect to '/run/x.sock': Connection refused\n"
    ),
    Evidence(stderr="qemu-kvm: -drive file=rbd:p/i: error connecting: Operation not permitted\n"),
)

probes = _TOLD.probes
find = _TOLD.find

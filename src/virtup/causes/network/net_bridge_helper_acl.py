"""qemu-bridge-helper refuses: no entry in bridge.conf, or no privilege.

## What it means
Without root, QEMU and `qemu:///session` join a bridge through the helper `qemu-bridge-helper`.
It needs the setuid bit (or CAP_NET_ADMIN), and an `allow BRIDGE` in `/etc/qemu/bridge.conf`
(`/etc/qemu-kvm/` on RHEL).

## How to confirm
`ls -l /usr/lib/qemu/qemu-bridge-helper /usr/libexec/qemu-bridge-helper`; `cat
/etc/qemu/bridge.conf`.

## What to do
As an administrator: `echo 'allow virbr0' >> /etc/qemu/bridge.conf`, and `chmod u+s` the helper
if the distribution left that out.

## Strings it goes by
- `failed to parse default acl file `/etc/qemu/bridge.conf'`
- `access denied by acl file`
- `failed to communicate with bridge helper: Transport endpoint is not connected`
- `bridge helper failed`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU207"
SLUG = "net-bridge-helper-acl"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="qemu-bridge-helper refuses the bridge ({subject}): no entry in bridge.conf, or no privilege.",
    subject="bridge.conf",
    unless=r"failed to get mtu of bridge|failed to add interface|/dev/net/tun'?: no such",
    phrases=(
        r"qemu-bridge-helper[^\n]* --br=(?P<subject>[\w.-]+)[^\n]*(?:fail|denied)",
        r"-netdev bridge,[^\n]*\bbr=(?P<subject>[\w.-]+)[^\n]*bridge helper failed",
        r"failed to parse default acl file[^\n]*",
        r"access denied by acl file",
        r"failed to (?:execute|run|launch)[^\n]{0,20}qemu-bridge-helper[^\n]*",
        r"failed to create tun device: operation not permitted",
        r"qemu-bridge-helper[^\n]*(?:no such file|permission denied|not permitted)",
    ),
    doubtful=(
        r"(?:failed to (?:communicate with|launch|execute|run) |\b)bridge helper(?: failed|:)[^\n]*",
    ),
    fixes=(Fix("allow it", ("echo 'allow BRIDGE' >> /etc/qemu/bridge.conf",), Safety.CONFIRM),),
    proof=nets.HELPER_REFUSES,
)
POSITIVE = (
    Evidence(
        error="internal error: /usr/lib/qemu/qemu-bridge-helper --use-vnet --br=virbr0 --fd=31: failed to communicate with bridge helper: Transport endpoint is not connected\nstderr=failed to parse default acl file `/etc/qemu/bridge.conf'"
    ),
    Evidence(
        stderr="access denied by acl file\nqemu-system-x86_64: -netdev bridge,id=n: bridge helper failed\n"
    ),
)
NEGATIVE = (
    Evidence(error="Unable to add bridge br0 port vnet0: No such device"),
    Evidence(
        stderr="failed to open /dev/net/tun: No such device\nqemu-system-x86_64: -netdev bridge,id=n: "
        "bridge helper failed\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

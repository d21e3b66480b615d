"""The guest gets no address by DHCP.

## What it means
The guest's firmware or system asked for an address and nobody answered: the bridge does not forward yet (STP
with a forward delay), the host's firewall filters bridged traffic, or no DHCP server is on that network.

## How to confirm
`brctl showstp BRIDGE` or `bridge -d link` (STP, delay); `sysctl net.bridge.bridge-nf-call-iptables`;
`tcpdump -ni vnet0 port 67` on the host shows whether the question comes and an answer goes.

## What to do
`ip link set BRIDGE type bridge stp_state 0 forward_delay 0`; let the firewall pass DHCP on the bridge; start the
network whose dnsmasq answers (`virsh net-start default`).

## Strings it goes by
- `PXE-E51: No DHCP or proxyDHCP offers were received`
- `Nothing to boot: No such file or directory (http://ipxe.org/2d03e13b)`
- `No configuration methods succeeded (http://ipxe.org/040ee119)`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU410"
SLUG = "net-guest-no-dhcp"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Nobody answers the guest's DHCP request.",
    subject="DHCP",
    phrases=(
        r"no DHCP or proxyDHCP offers were received",
        r"no configuration methods succeeded[^\n]*ipxe",
        r"ipxe\.org/040ee119",
    ),
    fixes=(Fix("see whether question and answer pass", ("tcpdump -ni vnet0 port 67 or port 68",)),),
)
POSITIVE = (Evidence(stderr="PXE-E51: No DHCP or proxyDHCP offers were received."),)
NEGATIVE = (Evidence(error="network 'default' is not active"),)

probes = _TOLD.probes
find = _TOLD.find

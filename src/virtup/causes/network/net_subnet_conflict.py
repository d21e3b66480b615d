"""The subnet of the virtual network is already in use on the host.

## What it means
libvirt does not start a network whose subnet an interface of the host, or another network, is in
already. It happens inside of a guest whose host has the same default subnet, and beside VPNs and
Docker.

## How to confirm
`ip -brief addr` and `ip route` show the interface with the subnet.

## What to do
Give the network another subnet (`virsh net-edit NAME`, `<ip address='192.168.150.1' .../>` and
the DHCP range).

## Strings it goes by
- `internal error: Network is already in use by interface virbr1`
- `Network 192.168.122.0/24 is already in use by interface ens3`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU204"
SLUG = "net-subnet-conflict"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The virtual network's subnet is already in use on the host, by '{subject}'.",
    phrases=(
        r"network (?:\S+ )?is already in use by interface (?P<subject>[\w.@-]+)",
        r"接口 (?P<subject>[\w.@-]+) 已(?:在使用|经使用)",
        r"网络已?(?:被|由)接口 ?(?P<subject>[\w.@-]+) ?(?:使用|占用)",
        r"(?:netzwerk|la red|le réseau|a rede|la rete|сеть|sieć)[^\n]{0,40}(?:schnittstelle|interfa[zc]e?|interfaccia|интерфейс\w*|interfejs)\W{1,3}(?P<subject>[\w.@-]+)[^\n]{0,25}(?:verwendet|benutzt|$|используется)",
        r"インターフェー(?:ス|イス)\W{0,3}(?P<subject>[\w.@-]+)[^\n]{0,25}使用",
    ),
    doubtful=(
        r"route address '[^'\n]+' conflicts with IP address for (?:interface )?'(?P<subject>[^'\n]+)'",
        r"(?P<subject>\d+\.\d+\.\d+\.\d+/\d+)[^\n]{0,60}(?:overlaps|conflicts) with",
    ),
    fixes=(Fix("give the network another subnet", ("virsh net-edit NETWORK",), Safety.CONFIRM),),
    proof=nets.SUBNET_TAKEN,
)
POSITIVE = (
    Evidence(error="internal error: Network is already in use by interface virbr1"),
    Evidence(error="内部错误：接口 ens33 已在使用网络"),
)
NEGATIVE = (Evidence(error="internal error: bridge name 'virbr0' already in use."),)

probes = _TOLD.probes
find = _TOLD.find

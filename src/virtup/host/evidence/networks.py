"""libvirt's networks and pools by the files that its daemons keep, and the host's addresses."""

from __future__ import annotations

import difflib
import ipaddress
import re
import socket

from lxml import etree

from virtup.errors import XmlInvalid
from virtup.host.evidence import hostfs
from virtup.model import document
from virtup.model.probe_network import (
    Addresses,
    AddressesFact,
    Carried,
    CarriedFact,
    Network,
    NetworkFact,
    Pool,
    PoolFact,
)

_NETWORKS = "/etc/libvirt/qemu/networks"
_STATES = "/run/libvirt"
_NET = "/sys/class/net"
_ALL_ZERO = "00000000"


def network(probe: Network) -> NetworkFact:
    """Return what libvirt's files say of the network; a status file is there while it is active."""
    defined = _documents(_NETWORKS)
    active = _documents(f"{_STATES}/network")
    found = _named(probe.name, [*defined, *active])
    others = tuple(name for name in map(_name, defined) if name)
    if found is None:
        return NetworkFact(others=others)
    name = _name(found)
    bridge = found.find(".//bridge")
    return NetworkFact(
        defined=_named(name, defined) is not None,
        active=_named(name, active) is not None,
        autostart=hostfs.exists(f"{_NETWORKS}/autostart/{name}.xml"),
        bridge=bridge.get("name", "") if bridge is not None else "",
        subnets=tuple(subnet for one in found.iter("ip") if (subnet := _subnet(one))),
        others=others,
    )


def pool(probe: Pool) -> PoolFact:
    """Return what the daemon's files say of the pool."""
    defined = _documents(probe.definitions)
    found = _named(probe.name, defined)
    name = _name(found) if found is not None else probe.name
    live = _named(name, _documents(probe.active))
    seen = live if live is not None else found
    return PoolFact(
        defined=found is not None,
        active=live is not None,
        others=tuple(one for one in map(_name, defined) if one),
        path=(seen.findtext(".//target/path") or "").strip() if seen is not None else "",
        autostart=hostfs.exists(f"{probe.definitions}/autostart/{name}.xml"),
    )


def addresses(_: Addresses) -> AddressesFact:
    """Return the host's addresses and its routes to subnets, as /proc/net has them."""
    local = re.findall(r"\|-- ([\d.]+)\n\s+/32 host LOCAL", hostfs.read("/proc/net/fib_trie"))
    for line in hostfs.read("/proc/net/if_inet6").splitlines():
        local.append(str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))))
    return AddressesFact(tuple(dict.fromkeys(local)), tuple(_routes()))


def carried(probe: Carried) -> CarriedFact:
    """Return what the device belongs to and what sits on it."""
    names = hostfs.listed(_NET)
    folder = f"{_NET}/{probe.name}"
    if probe.name not in names:
        return CarriedFact(nearby=tuple(difflib.get_close_matches(probe.name, names, 3, 0.6)))
    above = [
        (name, _kind(name)) for name in names if hostfs.exists(f"{_NET}/{name}/lower_{probe.name}")
    ]
    return CarriedFact(
        exists=True,
        master=hostfs.link_name(f"{folder}/master"),
        up=_is_up(hostfs.value(f"{folder}/flags")),
        above=tuple(above),
    )


def _kind(name: str) -> str:
    folder = f"{_NET}/{name}"
    for entry, kind in (("bridge", "bridge"), ("bonding", "bond"), ("macvtap", "macvtap")):
        if hostfs.exists(f"{folder}/{entry}"):
            return kind
    for line in hostfs.read(f"{folder}/uevent").splitlines():
        key, _, kind = line.partition("=")
        if key == "DEVTYPE":
            return kind
    return "device"


def _is_up(flags: str) -> bool:
    return flags.startswith("0x") and bool(int(flags, 16) & 1)


def _documents(folder: str) -> list[etree._Element]:
    found = []
    for name in hostfs.listed(folder):
        if name.endswith(".xml"):
            try:
                found.append(document.load(hostfs.read(f"{folder}/{name}"), name))
            except XmlInvalid:
                continue
    return found


def _named(key: str, documents: list[etree._Element]) -> etree._Element | None:
    for one in documents:
        if key and key in {_name(one), (one.findtext(".//uuid") or "").strip()}:
            return one
    return None


def _name(document: etree._Element) -> str:
    return (document.findtext("name") or document.findtext("*/name") or "").strip()


def _subnet(element: etree._Element) -> str:
    address = element.get("address", "")
    mask = element.get("prefix") or element.get("netmask") or ""
    try:
        return str(ipaddress.ip_interface(f"{address}/{mask}" if mask else address).network)
    except ValueError:
        return ""


def _routes() -> list[tuple[str, str]]:
    found = []
    for line in hostfs.read("/proc/net/route").splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 8 and fields[1] != _ALL_ZERO:
            target, mask = (socket.inet_ntoa(bytes.fromhex(fields[at])[::-1]) for at in (1, 7))
            found.append((str(ipaddress.ip_network(f"{target}/{mask}", strict=False)), fields[0]))
    return found

"""Proofs by libvirt's networks, the host's addresses and its network devices."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from virtup.causes.finding import Fix, Safety
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.who import edit, nearest
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, PortHolder, Probe
from virtup.model.probe_network import Addresses, Carried, Network
from virtup.model.probe_system import Program, Setting

BRIDGE_CONF = "/etc/qemu/bridge.conf"
HELPER = "qemu-bridge-helper"
DNS = 53
TAKING = {"macvtap", "macvlan"}
"""What sits on a device and may take all of it (mode ``passthru``, linux/if_link.h)."""
ANYWHERE = {"0.0.0.0", "::"}  # noqa: S104 (compared with, not bound)


def _network(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    return (Network(subject),) if subject else ()


def _inactive(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Network(subject)) if subject else None
    if fact is None or not fact.defined:
        return None
    if fact.active:
        return refuted(f"the network '{subject}' is active now")
    boots = "" if fact.autostart else ", and the next boot does not start it"
    return holds(f"the network '{subject}' is defined and not active{boots}")


def _undefined(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Network(subject)) if subject else None
    if fact is None:
        return None
    if fact.defined or fact.active:
        return refuted(f"the network '{subject}' is there")
    return not_among("network", subject, fact.others)


def not_among(noun: str, subject: str, others: tuple[str, ...]) -> Shown:
    """Return that no *noun* is called *subject*, with the nearest of *others* to be meant."""
    near = nearest(subject, others, 1)
    fixes = (edit(f"change '{subject}' to '{near[0]}'"),) if near else ()
    listed = ", ".join(f"'{name}'" for name in others[:4])
    there = f"; it has: {listed}" if listed else "; it has none"
    return holds(f"no {noun} '{subject}' is defined{there}", fixes=fixes)


NETWORK_INACTIVE = Proof(_inactive, _network)
"""A libvirt network is defined and not active."""
NETWORK_UNDEFINED = Proof(_undefined, _network)
"""libvirt has no network of the name."""


def _taken(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Link(subject)) if subject else None
    if fact is None:
        return None
    if not fact.exists:
        return refuted(f"there is no interface '{subject}' now")
    return holds(f"the interface '{subject}' is there (a {fact.kind})")


BRIDGE_TAKEN = Proof(_taken, lambda _ev, subject: (Link(subject),) if subject else ())
"""An interface of the name is there."""


def _conflict(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Addresses())
    if fact is None:
        return None
    if _is_subnet(subject):
        wanted = ipaddress.ip_network(subject, strict=False)
        clash = [
            (subnet, name)
            for subnet, name in fact.routes
            if _overlap(ipaddress.ip_network(subnet), wanted)
        ]
    else:
        clash = [(subnet, name) for subnet, name in fact.routes if name == subject]
    if not clash:
        return None
    subnet, name = clash[0]
    return holds(f"the subnet {subnet} is on '{name}'")


_Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


def _overlap(one: _Subnet, other: _Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)


def _is_subnet(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


SUBNET_TAKEN = Proof(_conflict, lambda _ev, _subject: (Addresses(),))
"""A route of the host leads to the subnet already."""


def _not_ours(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Addresses())
    try:
        wanted = str(ipaddress.ip_address(subject.strip("[]")))
    except ValueError:
        return None
    if fact is None or wanted in ANYWHERE:
        return None
    if wanted in fact.addresses:
        return refuted(f"{wanted} is one of its addresses now")
    if ipaddress.ip_address(wanted).is_loopback and wanted != "::1":
        return None
    has = [one for one in fact.addresses if not ipaddress.ip_address(one).is_link_local]
    return holds(f"its addresses are {', '.join(has[:5])}")


ADDRESS_MISSING = Proof(_not_ours, lambda _ev, _subject: (Addresses(),))
"""The address is none of the host's."""


def _no_device(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Carried(subject)) if subject else None
    if fact is None:
        return None
    if fact.exists:
        return refuted(f"the device '{subject}' is there")
    near = f"; like it: {', '.join(fact.nearby)}" if fact.nearby else ""
    fixes = (edit(f"change <source dev='{subject}'/> to '{fact.nearby[0]}'"),) if near else ()
    return holds(f"no network device '{subject}'{near}", fixes=fixes)


def _device_taken(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Carried(subject)) if subject else None
    if fact is None or not fact.exists:
        return None
    if fact.master:
        return holds(f"'{subject}' belongs to '{fact.master}'")
    taken = [(name, kind) for name, kind in fact.above if kind in TAKING]
    if taken:
        named = ", ".join(f"'{name}' ({kind})" for name, kind in taken[:4])
        return holds(f"'{subject}' carries {named}")
    return refuted(f"'{subject}' belongs to no bridge and carries no macvtap now")


def _carried(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    return (Carried(subject),) if subject else ()


DEVICE_MISSING = Proof(_no_device, _carried)
"""The host has no network device of the name."""
DEVICE_TAKEN = Proof(_device_taken, _carried)
"""A network device belongs to a bridge or carries something already."""


def _helper_refuses(ev: Evidence, subject: str) -> Shown | None:
    helper, rules = ev.fact(Program(HELPER)), ev.fact(Setting(BRIDGE_CONF))
    if helper is None or rules is None:
        return None
    if not helper.path:
        return holds(f"no program '{HELPER}' in any of the usual directories")
    if not rules.exists:
        return holds(f"there is no {BRIDGE_CONF}, so no bridge is allowed")
    bridge = subject if re.fullmatch(r"[\w.-]+", subject) else ""
    if bridge and not allows(rules.value, bridge):
        fix = Fix("allow it", (f"echo 'allow {bridge}' >> {BRIDGE_CONF}",), Safety.CONFIRM)
        return holds(f"{BRIDGE_CONF} does not allow '{bridge}'", fixes=(fix,))
    if not helper.setuid and ev.uid:
        fix = Fix("let the helper make taps", (f"chmod u+s {helper.path}",), Safety.CONFIRM)
        return holds(f"'{helper.path}' is not setuid root", fixes=(fix,))
    return None


def allows(rules: str, bridge: str) -> bool:
    """Does bridge.conf allow *bridge*?  ``deny`` wins over ``allow``; ``all`` is every bridge."""
    allowed = False
    for line in rules.splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2 and words[1] in {bridge, "all"}:
            if words[0] == "deny":
                return False
            allowed = allowed or words[0] == "allow"
        elif words[:1] == ["include"]:
            allowed = True  # what another file allows is not known here
    return allowed


HELPER_REFUSES = Proof(
    _helper_refuses, lambda _ev, _subject: (Program(HELPER), Setting(BRIDGE_CONF))
)
"""qemu-bridge-helper is missing, has no rule for the bridge, or no right to make taps."""


def _name_server(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(PortHolder(DNS)) if _is_address(subject) else None
    if fact is None:
        return None
    if not fact.listening:
        return refuted(f"nobody listens on port {DNS} now")
    if fact.address not in {subject, *ANYWHERE}:
        return None
    named = ", ".join(f"{one.command} (pid {one.pid})" for one in fact.holders[:3])
    return holds(f"port {DNS} of {fact.address} is taken by {named or 'a process'}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


NAME_SERVER_TAKEN = Proof(
    _name_server, lambda _ev, subject: (PortHolder(DNS),) if _is_address(subject) else ()
)
"""Another name server has the address already."""

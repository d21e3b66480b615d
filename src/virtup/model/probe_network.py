"""Questions about libvirt's networks and pools on this host, and about its addresses."""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model.probe import Fact, Probe


@dataclass(frozen=True, slots=True)
class NetworkFact(Fact):
    """A libvirt network as its files tell it.

    ``bridge`` is its bridge's name, ``subnets`` its own (``192.168.122.0/24``), ``autostart``
    whether the next boot starts it, ``others`` the names of the networks that are defined.
    """

    defined: bool = False
    active: bool = False
    autostart: bool = False
    bridge: str = ""
    subnets: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network(Probe[NetworkFact]):
    """What is libvirt's network *name* (or of that UUID)?"""

    name: str


@dataclass(frozen=True, slots=True)
class PoolFact(Fact):
    """A libvirt storage pool; ``others`` are the names of the pools that are defined."""

    defined: bool = False
    active: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool(Probe[PoolFact]):
    """What is libvirt's storage pool *name*?"""

    name: str


@dataclass(frozen=True, slots=True)
class AddressesFact(Fact):
    """The host's own addresses, and its ``routes`` as (subnet, interface)."""

    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Addresses(Probe[AddressesFact]):
    """Which addresses does the host have?"""


@dataclass(frozen=True, slots=True)
class CarriedFact(Fact):
    """What sits on a network device: ``above`` are (name, kind) of macvtaps, VLANs and the like."""

    exists: bool = False
    master: str = ""
    up: bool = False
    above: tuple[tuple[str, str], ...] = ()
    nearby: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried(Probe[CarriedFact]):
    """What does the network device *name* carry, and what does it belong to?"""

    name: str

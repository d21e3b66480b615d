"""Questions about networks and storage pools on this host, and about its addresses."""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model.probe import Fact, Probe

POOLS = ("/etc/libvirt/storage", "/run/libvirt/storage")
"""Where a libvirt of the system keeps the definitions of its pools, and which are active."""


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
    """A storage pool; ``others`` are the names of the pools that are defined.

    ``path`` is its directory, "" where it has none.
    """

    defined: bool = False
    active: bool = False
    others: tuple[str, ...] = ()
    path: str = ""
    autostart: bool = False


@dataclass(frozen=True, slots=True)
class Pool(Probe[PoolFact]):
    """What is the storage pool *name*, by the files in which its daemon keeps its pools?"""

    name: str
    definitions: str = POOLS[0]
    active: str = POOLS[1]


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

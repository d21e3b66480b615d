"""What virtup has none of: networks, secrets and the like; lists are empty, none is found.

Clients that look around before they act (virt-install, virt-manager) go on with that.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from virtup.daemon.handlers.domain import guest_of
from virtup.daemon.registry import Args, Reply, handles
from virtup.errors import Code, Fault, Origin, VirtError
from virtup.wire.tables import REMOTE, procedure, type_line

if TYPE_CHECKING:
    from virtup.daemon.client import Client

EMPTY = (
    *("CONNECT_LIST_ALL_NETWORKS", "CONNECT_LIST_NETWORKS", "CONNECT_LIST_DEFINED_NETWORKS"),
    *("CONNECT_NUM_OF_NETWORKS", "CONNECT_NUM_OF_DEFINED_NETWORKS"),
    *("CONNECT_LIST_ALL_INTERFACES", "CONNECT_LIST_INTERFACES", "CONNECT_NUM_OF_INTERFACES"),
    *("CONNECT_LIST_DEFINED_INTERFACES", "CONNECT_NUM_OF_DEFINED_INTERFACES"),
    *("CONNECT_LIST_ALL_NODE_DEVICES", "NODE_NUM_OF_DEVICES", "NODE_LIST_DEVICES"),
    *("CONNECT_LIST_ALL_SECRETS", "CONNECT_LIST_SECRETS", "CONNECT_NUM_OF_SECRETS"),
    *("CONNECT_LIST_ALL_NWFILTERS", "CONNECT_LIST_NWFILTERS", "CONNECT_NUM_OF_NWFILTERS"),
    "CONNECT_LIST_ALL_NWFILTER_BINDINGS",
)
"""Lists and counts of what the host has none of."""

EMPTY_OF_A_GUEST = (
    *("DOMAIN_LIST_ALL_SNAPSHOTS", "DOMAIN_SNAPSHOT_NUM", "DOMAIN_SNAPSHOT_LIST_NAMES"),
    *("DOMAIN_HAS_CURRENT_SNAPSHOT", "DOMAIN_LIST_ALL_CHECKPOINTS"),
)
"""Lists and counts of what a guest has none of."""

_NETWORK = (Code.NO_NETWORK, Origin.NETWORK, "Network not found: no network")
_SECRET = (Code.NO_SECRET, Origin.SECRET, "Secret not found: no secret")
_NWFILTER = (Code.NO_NWFILTER, Origin.NWFILTER, "Network filter not found: no nwfilter")
_INTERFACE = (Code.NO_INTERFACE, Origin.INTERFACE, "Interface not found: no interface")
_DEVICE = (Code.NO_NODE_DEVICE, Origin.NODEDEV, "Node device not found: no node device")

LOOKUPS: dict[str, tuple[tuple[Code, Origin, str], str, str]] = {
    "NETWORK_LOOKUP_BY_NAME": (_NETWORK, "name", "name"),
    "NETWORK_LOOKUP_BY_UUID": (_NETWORK, "uuid", "uuid"),
    "SECRET_LOOKUP_BY_UUID": (_SECRET, "uuid", "uuid"),
    "SECRET_LOOKUP_BY_USAGE": (_SECRET, "usageID", "usage"),
    "NWFILTER_LOOKUP_BY_NAME": (_NWFILTER, "name", "name"),
    "NWFILTER_LOOKUP_BY_UUID": (_NWFILTER, "uuid", "uuid"),
    "INTERFACE_LOOKUP_BY_NAME": (_INTERFACE, "name", "name"),
    "INTERFACE_LOOKUP_BY_MAC_STRING": (_INTERFACE, "mac", "MAC address"),
    "NODE_DEVICE_LOOKUP_BY_NAME": (_DEVICE, "name", "name"),
}
"""Look-ups of what the host has none of: the error, the argument, and what it is called."""


def _nothing(name: str) -> dict[str, Any]:
    """The reply to procedure *name* that tells of nothing: empty arrays, zeros."""
    ret = procedure(REMOTE, name).ret
    assert ret is not None
    fields = [field.split(":") for field in type_line(ret).split(" ")]
    return {field: [] if spec.endswith(">") else 0 for field, spec in fields}


def _empty(name: str) -> None:
    reply = _nothing(name)

    @handles(name)
    async def empty(_client: Client, _args: Args) -> Reply:
        return reply


def _empty_of_a_guest(name: str) -> None:
    reply = _nothing(name)

    @handles(name)
    async def empty(client: Client, args: Args) -> Reply:
        guest_of(client, args)
        return reply


def _lookup(name: str, kind: tuple[Code, Origin, str], key: str, word: str) -> None:
    code, origin, text = kind
    show: Callable[[Any], str] = (lambda v: str(uuids.UUID(bytes=v))) if key == "uuid" else str

    @handles(name)
    async def lookup(_client: Client, args: Args) -> Reply:
        raise VirtError(
            f"{text} with matching {word} '{show(args[key])}'",
            code=code,
            origin=origin,
            fault=Fault.CALLER,
        )


for _name in EMPTY:
    _empty(_name)
for _name in EMPTY_OF_A_GUEST:
    _empty_of_a_guest(_name)
for _name, _what in LOOKUPS.items():
    _lookup(_name, *_what)

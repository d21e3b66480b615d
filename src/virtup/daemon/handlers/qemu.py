"""libvirt's QEMU program: past libvirt, straight to QEMU's monitor and to the guest's agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtup.daemon.handlers.domain import guest_of
from virtup.daemon.registry import Args, Reply, handles
from virtup.wire.tables import QEMU

if TYPE_CHECKING:
    from virtup.daemon.client import Client


@handles(
    "DOMAIN_MONITOR_COMMAND",
    program=QEMU,
    writes="virDomainQemuMonitorCommand",
    abandoned=True,
)
async def monitor_command(client: Client, args: Args) -> Reply:
    """Pass a command to QEMU's monitor."""
    result = await guest_of(client, args).monitor_command(args["cmd"], args["flags"])
    return {"result": result}


@handles(
    "DOMAIN_AGENT_COMMAND",
    program=QEMU,
    writes="virDomainQemuAgentCommand",
    abandoned=True,
)
async def agent_command(client: Client, args: Args) -> Reply:
    """Pass a command to the guest agent."""
    guest = guest_of(client, args)
    result = await guest.agent_command(args["cmd"], args["timeout"], args["flags"])
    return {"result": result}


@handles("CONNECT_DOMAIN_MONITOR_EVENT_REGISTER", program=QEMU)
async def monitor_event_register(client: Client, args: Args) -> Reply:
    """Tell of QEMU's own events."""
    callback = client.subscriptions.add_monitor(args["dom"], args["event"], args["flags"])
    return {"callbackID": callback}


@handles("CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER", program=QEMU)
async def monitor_event_deregister(client: Client, args: Args) -> Reply:
    """Forget that."""
    client.subscriptions.remove(args["callbackID"])
    return None

"""The connection itself: open, close, what it can do, what it is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtup.daemon.registry import Args, Reply, handles
from virtup.errors import Code, InternalError, OperationInvalid, Origin, VirtError

if TYPE_CHECKING:
    from virtup.daemon.client import Client

AUTH_NONE = 0
CONNECT_RO, CONNECT_NO_ALIASES, CONNECT_AUTOSTART = 1, 2, 4
"""Flags of an open; the last is libvirt's own word for a session's client, and asks nothing."""

LIBVIRT_VERSION = 9_000_000
"""The libvirt whose interface is spoken, as 1,000,000 * major + 1,000 * minor + release."""

FEATURE_KEEPALIVE = 10
FEATURES = {
    9: "typed parameters may be strings",
    FEATURE_KEEPALIVE: "keepalive",
    11: "XML without what a migration must not carry",
    14: "events with callback numbers",
    15: "close callback",
    16: "network update in the right order",
}
"""The driver features (``VIR_DRV_FEATURE``) of libvirtd 9.0 that virtup has too.

Those it leaves out are migration (3, 4, 6, 7, 12, 13) and passing of descriptors (8).
"""


@handles("AUTH_LIST", unopened=True)
async def auth_list(_client: Client, _args: Args) -> Reply:
    """Who may connect is a matter of the socket's mode."""
    return {"types": [AUTH_NONE]}


@handles("CONNECT_OPEN", unopened=True)
async def connect_open(client: Client, args: Args) -> Reply:
    """Open the driver by its URI, or by none."""
    if client.opened:
        raise InternalError("connection already open", origin=Origin.RPC)
    name, flags = args["name"], args["flags"]
    if flags & ~(CONNECT_RO | CONNECT_NO_ALIASES | CONNECT_AUTOSTART):
        raise InternalError(f"unsupported connection flags 0x{flags:x}", origin=Origin.RPC)
    kind = client.hypervisor.layout.kind
    path = (name or "").split("?", 1)[0]
    if path not in ("", f"qemu:///{kind}"):
        raise VirtError(
            f"this virtupd serves 'qemu:///{kind}', not '{name}'",
            code=Code.NO_CONNECT,
            origin=Origin.QEMU,
        )
    client.readonly = client.readonly or bool(flags & CONNECT_RO)
    client.opened = True
    return None


@handles("CONNECT_CLOSE", unopened=True)
async def connect_close(_client: Client, _args: Args) -> Reply:
    """Say goodbye; the connection is closed behind the reply."""
    return None


@handles("CONNECT_SUPPORTS_FEATURE", unopened=True)
async def supports_feature(client: Client, args: Args) -> Reply:
    """Tell of a driver feature; who asks for keepalive can answer it."""
    if args["feature"] == FEATURE_KEEPALIVE:
        client.keepalive = True
    return {"supported": int(args["feature"] in FEATURES)}


@handles("CONNECT_GET_TYPE")
async def get_type(_client: Client, _args: Args) -> Reply:
    """Tell the driver's name."""
    return {"type": "QEMU"}


@handles("CONNECT_GET_LIB_VERSION")
async def get_lib_version(_client: Client, _args: Args) -> Reply:
    """Tell which libvirt's interface is spoken."""
    return {"lib_ver": LIBVIRT_VERSION}


@handles("CONNECT_GET_URI")
async def get_uri(client: Client, _args: Args) -> Reply:
    """Tell the URI that names the driver on this host."""
    return {"uri": f"qemu:///{client.hypervisor.layout.kind}"}


@handles("CONNECT_IS_SECURE")
async def is_secure(_client: Client, _args: Args) -> Reply:
    """A unix socket cannot be listened in on."""
    return {"secure": 1}


@handles("CONNECT_REGISTER_CLOSE_CALLBACK")
async def register_close(client: Client, _args: Args) -> Reply:
    """Accept it: the close of the connection is what the client's library tells of."""
    if client.close_callback:
        raise OperationInvalid("close callback is already registered")
    client.close_callback = True
    return None


@handles("CONNECT_UNREGISTER_CLOSE_CALLBACK")
async def unregister_close(client: Client, _args: Args) -> Reply:
    """Forget it."""
    if not client.close_callback:
        raise OperationInvalid("close callback is not registered")
    client.close_callback = False
    return None


@handles("CONNECT_SET_IDENTITY", writes="virConnectSetIdentity")
async def set_identity(_client: Client, args: Args) -> Reply:
    """Accept a proxy's word on whose call it is: nothing here depends on it."""
    if args["flags"]:
        raise InternalError(f"unsupported flags (0x{args['flags']:x})")
    return None

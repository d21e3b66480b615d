"""Connection URIs: which daemon is meant, and on which socket it listens.

Accepted are ``qemu:///system``, ``qemu:///session`` and both with a socket of one's own,
``qemu+unix:///system?socket=PATH``. Everything else is refused in one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from virtup.errors import Code, Fault, Origin, VirtError
from virtup.wire.sockets import Kind, default_kind, sockets

ACCEPTED = "qemu:///system, qemu:///session and qemu+unix:///system?socket=PATH"
ENVIRONMENT = ("VIRTUP_DEFAULT_URI", "LIBVIRT_DEFAULT_URI")
"""The variables that name the URI when the caller names none, the first one set wins."""


class Target(NamedTuple):
    """A daemon to reach: ``given`` is the URI as the caller wrote it, None for the default."""

    kind: Kind
    socket: str
    named_socket: bool
    given: str | None

    @property
    def name(self) -> str:
        """What the daemon is asked to open: the URI without transport and parameters."""
        return f"qemu:///{self.kind}"


class UriRefused(VirtError):
    """A connection URI that cannot be used."""

    code, origin, fault = Code.INVALID_ARG, Origin.REMOTE, Fault.CALLER
    template = "invalid argument: {message}"


def find(uri: str | None, *, readonly: bool = False, env: Mapping[str, str], uid: int) -> Target:
    """Return the daemon that *uri* names; None and "" mean the environment's or the user's own.

    Root's default is the system's daemon, everybody else's the session's. Raises UriRefused.
    """
    given = uri or next((env[name] for name in ENVIRONMENT if env.get(name)), None)
    if given is None:
        return _target(default_kind(uid), None, None, readonly=readonly, env=env, uid=uid)
    kind, socket = _parse(given)
    return _target(kind, socket, given, readonly=readonly, env=env, uid=uid)


def _target(
    kind: Kind,
    socket: str | None,
    given: str | None,
    *,
    readonly: bool,
    env: Mapping[str, str],
    uid: int,
) -> Target:
    if socket is not None:
        return Target(kind, socket, True, given)
    own = sockets(kind, env=env, uid=uid)
    use_readonly = readonly and kind == "system"
    return Target(kind, own.readonly if use_readonly else own.main, False, given)


def _parse(uri: str) -> tuple[Kind, str | None]:
    plain = uri.partition("#")[0]
    scheme, colon, rest = plain.partition("://")
    if not colon:
        raise VirtError(
            f"no connection driver available for URI '{uri}' does not include a driver name",
            code=Code.NO_CONNECT,
            origin=Origin.NONE,
            fault=Fault.CALLER,
        )
    driver, _, transport = scheme.partition("+")
    if driver != "qemu":
        raise VirtError(
            f"no connection driver available for {uri}",
            code=Code.NO_CONNECT,
            origin=Origin.NONE,
            fault=Fault.CALLER,
        )
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    if transport not in ("", "unix"):
        raise UriRefused(
            f"the URI '{uri}' asks for the transport '{transport}', and only this host's daemons "
            f"can be reached: {ACCEPTED}"
        )
    if host:
        raise UriRefused(
            f"the URI '{uri}' names the host '{host}', and only this host's daemons can be "
            f"reached: {ACCEPTED}"
        )
    return _kind(slash + path), _socket(uri, query)


def _kind(path: str) -> Kind:
    if path in ("/system", "/system/"):
        return "system"
    if path in ("/session", "/session/"):
        return "session"
    raise VirtError(
        f"internal error: unexpected qemu URI path '{path}', try qemu:///system or qemu:///session",
        code=Code.INTERNAL_ERROR,
        origin=Origin.QEMU,
        fault=Fault.CALLER,
    )


def _socket(uri: str, query: str) -> str | None:
    socket = None
    for part in filter(None, query.replace(";", "&").split("&")):
        name, _, value = part.partition("=")
        if name == "socket":
            socket = _unquote(value)
        elif name != "mode":
            raise UriRefused(
                f"the URI '{uri}' has the parameter '{name}', and only 'socket' is known"
            )
    if socket is not None and not socket.startswith("/"):
        raise UriRefused(
            f"the URI '{uri}' has the socket '{socket}', and a socket is an absolute path"
        )
    return socket


def _unquote(text: str) -> str:
    """Replace each ``%XX`` by its byte; what is no such escape stays."""
    raw = text.encode("utf-8", "surrogateescape")
    head, *rest = raw.split(b"%")
    parts = [head]
    for piece in rest:
        digits = piece[:2]
        if len(digits) == 2 and all(byte in b"0123456789abcdefABCDEF" for byte in digits):
            parts.append(bytes((int(digits, 16),)) + piece[2:])
        else:
            parts.append(b"%" + piece)
    return b"".join(parts).decode("utf-8", "surrogateescape")

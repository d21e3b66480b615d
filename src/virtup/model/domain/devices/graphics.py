"""Displays: `<graphics>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.field import Element, at

KEYMAP = scalar.pattern(r"[A-Za-z0-9\-]{1,32}", "the name of a keymap such as 'en-gb'")
PASSWORD_MAX = 8
"""The protocol's own limit (RFC 6143, VNC authentication): of more, nothing would be asked."""

UTC_TIME = scalar.Scalar(scalar.utc_time, str)
HOST = scalar.pattern(r"[A-Za-z0-9.:_%\-]{1,255}", "an address or a host name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen(Element):
    """Where a display listens."""

    type: Literal["address", "socket", "none"] = at("@type", required=True)
    address: str | None = at("@address", HOST)
    socket: str | None = at("@socket")


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics(Element):
    """A VNC display."""

    type: Literal["vnc"] = at("@type", required=True)
    port: int | None = at("@port", scalar.PORT)
    autoport: bool | None = at("@autoport")
    websocket: int | None = at("@websocket", scalar.number(1, 65535))
    socket: str | None = at("@socket")
    listen: str | None = at("@listen", HOST)
    keymap: str | None = at("@keymap", KEYMAP)
    share_policy: Literal["allow-exclusive", "force-shared", "ignore"] | None = at("@sharePolicy")
    power_control: bool | None = at("@powerControl")
    password: str | None = at("@passwd", secret=True)
    password_valid_to: str | None = at("@passwdValidTo", UTC_TIME)
    connected: Literal["keep"] | None = at("@connected")
    listens: tuple[Listen, ...] = at("listen")
    audio_id: int | None = at("audio/@id", scalar.POSITIVE)

    def problems(self) -> Iterator[str]:
        """Two places to listen, two addresses that differ, a password that no client can give."""
        if len(self.listens) > 1:
            yield "a display has one <listen>"
        first = self.listens[0] if self.listens else None
        if (
            first
            and first.type == "address"
            and first.address
            and self.listen not in (None, first.address)
        ):
            yield f"graphics 'listen' attribute '{self.listen}' must match 'address' attribute of first listen element (found '{first.address}')"
        if self.port is not None and self.port not in (-1, 0) and self.port < 5900:
            yield f"VNC port {self.port} is not accepted, the first one is 5900"
        length = len((self.password or "").encode())
        if length > PASSWORD_MAX:  # the password itself is in no error
            yield f"VNC password is {length} characters long, only {PASSWORD_MAX} permitted"

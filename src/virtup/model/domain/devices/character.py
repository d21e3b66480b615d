"""Serial ports, consoles and channels: `<serial> <parallel> <console> <channel>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import Device, Seclabel
from virtup.model.field import Element, at

Backend = Literal["null", "vc", "pty", "dev", "file", "pipe", "stdio", "udp", "tcp", "unix"]
SERVICE = scalar.pattern(r"[A-Za-z0-9_\-]{1,64}", "a port number or the name of a service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect(Element):
    """Whether a client socket connects again after a loss, and after how many seconds."""

    enabled: bool | None = at("@enabled")
    timeout_s: int | None = at("@timeout")

    def problems(self) -> Iterator[str]:
        """A time-out that cannot be."""
        if self.enabled and not self.timeout_s:
            yield "<reconnect> has to wait for 1 second or more ('timeout')"


@dataclass(frozen=True, slots=True, kw_only=True)
class CharSource(Element):
    """The host's end of a character device."""

    mode: Literal["bind", "connect"] | None = at("@mode")
    host: str | None = at("@host")
    service: str | None = at("@service", SERVICE)
    path: str | None = at("@path")
    append: bool | None = at("@append", scalar.ON_OFF)
    reconnect: Reconnect | None = at("reconnect")
    seclabel: tuple[Seclabel, ...] = at("seclabel")


@dataclass(frozen=True, slots=True, kw_only=True)
class CharLog(Element):
    """A file that gets a copy of all output."""

    file: str = at("@file", required=True)
    append: bool | None = at("@append", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Character(Device):
    """Base of the character devices."""

    type: Backend = at("@type", required=True)
    tty: str | None = at("@tty", live=True)
    source: tuple[CharSource, ...] = at("source")
    protocol: Literal["raw", "telnet"] | None = at("protocol/@type")
    log: CharLog | None = at("log")

    def problems(self) -> Iterator[str]:
        """A backend without what it needs."""
        yield from backend_problems(self.type, self.source, self.protocol)


def backend_problems(
    kind: str, source: tuple[CharSource, ...], protocol: str | None
) -> Iterator[str]:
    """What the backend *kind* of a character device lacks."""
    limit = 2 if kind == "udp" else 1
    if len(source) > limit:
        yield f"a '{kind}' character device has {limit} <source>, not {len(source)}"
    first = source[0] if source else CharSource()
    if kind in ("dev", "file", "pipe") and not first.path:
        yield f"a '{kind}' character device has no path in <source>"
    if kind == "unix" and first.mode == "connect" and not first.path:
        yield "a 'unix' character device that connects has no path in <source>"
    if kind in ("tcp", "udp") and not any(one.service for one in source):
        yield f"a '{kind}' character device has no service (port) in <source>"
    if protocol == "telnet" and kind != "tcp":
        yield f"protocol telnet is accepted for type 'tcp' only, not for '{kind}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial(Character):
    """A serial port."""

    target_type: Literal["isa-serial", "usb-serial", "pci-serial", "isa-debug"] | None = at(
        "target/@type"
    )
    port: int | None = at("target/@port")
    model: Literal["isa-serial", "usb-serial", "pci-serial", "isa-debugcon"] | None = at(
        "target/model/@name"
    )

    def problems(self) -> Iterator[str]:
        """Also: a backend that no serial port can have, and models of other targets."""
        yield from backend_problems(self.type, self.source, self.protocol)
        pairs = {"isa-debug": "isa-debugcon"}
        if (
            self.target_type
            and self.model
            and self.model != pairs.get(self.target_type, self.target_type)
        ):
            yield f"a serial port of type '{self.target_type}' cannot be of model '{self.model}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Character):
    """A parallel port."""

    port: int | None = at("target/@port")


@dataclass(frozen=True, slots=True, kw_only=True)
class Console(Character):
    """A console: another name of the first serial port, or a virtio console."""

    target_type: Literal["serial", "virtio"] | None = at("target/@type")
    port: int | None = at("target/@port")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(Character):
    """A named channel between host and guest, such as the guest agent's."""

    target_type: Literal["virtio", "guestfwd"] = at("target/@type", required=True)
    name: str | None = at(
        "target/@name",
        scalar.pattern(r"[^\x00-\x1f/]{1,256}", "a name without '/' and control characters"),
    )
    host: str | None = at("target/@address")
    port: int | None = at("target/@port", scalar.number(1, 65535))
    state: Literal["connected", "disconnected"] | None = at("target/@state", live=True)

    def problems(self) -> Iterator[str]:
        """Also: the parts of a target that belong to the other type."""
        yield from backend_problems(self.type, self.source, self.protocol)
        if self.target_type == "guestfwd" and not (self.host and self.port):
            yield "a guestfwd channel has an address and a port in <target>"
        if self.target_type == "virtio" and (self.host or self.port):
            yield "a virtio channel has a name in <target>, no address and no port"

"""A running guest's XML taken as a definition: what one start made is left out.

`virsh dumpxml` of a running guest may be defined again; libvirt forgets the names and paths that
it made for that run, and so does this.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

from virtup.model.domain.device import USER_ALIAS, Device
from virtup.model.domain.devices.character import Channel, Character, CharSource, Console
from virtup.model.domain.devices.graphics import Graphics, Listen
from virtup.model.domain.devices.interface import Interface
from virtup.model.domain.guest import Devices, Domain

_OWN = r"(?:.*/)?(?:run|lib|virtup)/(?:.*/)?"
MADE_CHANNEL = re.compile(_OWN + r"channel/(?:target/)?(?:domain-[^/]+/|\d+-[^/]+/|[^/]+?\.)(.+)")
"""Where virtup and libvirt bind a channel's socket when the definition names no path."""

MADE_SOCKET = re.compile(_OWN + r"domain-[^/]+/[^/]+")
"""Where they bind a display's socket then."""

MADE_TAP = "vnet"
"""How a tap is named when the definition names none; libvirt forgets such names too."""


def as_definition(dom: Domain) -> Domain:
    """Return *dom* without its id, made aliases, ptys, sockets and taps."""
    changed: dict[str, Any] = {}
    for one in fields(Devices):
        value = getattr(dom.devices, one.name)
        if isinstance(value, tuple):
            changed[one.name] = tuple(_forget(device) for device in value)
        else:
            changed[one.name] = _forget(value)
    return replace(dom, id=None, devices=replace(dom.devices, **changed))


def _forget(device: Any) -> Any:
    if isinstance(device, Graphics):
        return _forget_socket(device)
    if not isinstance(device, Device):
        return device
    if device.alias is not None and not device.alias.startswith(USER_ALIAS):
        device = replace(device, alias=None)
    if isinstance(device, Character):
        return _forget_end(device)
    if isinstance(device, Interface):
        target = device.target
        if target is not None and target.dev is not None and target.dev.startswith(MADE_TAP):
            return replace(device, target=replace(target, dev=None))
    return device


def _forget_socket(one: Graphics) -> Graphics:
    """A display without the socket that a start made: it has an address again."""

    def made(path: str | None) -> bool:
        return path is not None and MADE_SOCKET.fullmatch(path) is not None

    if not made(one.socket) and not any(made(listen.socket) for listen in one.listens):
        return one
    listens = tuple(
        Listen(type="address", line=listen.line) if made(listen.socket) else listen
        for listen in one.listens
    )
    return replace(one, socket=None, listens=listens)


def _forget_end(device: Character) -> Character:
    if device.type == "pty":
        source = tuple(replace(one, path=None) for one in device.source)
        device = replace(device, source=tuple(one for one in source if one != CharSource()))
    if isinstance(device, Console):
        return replace(device, tty=None)
    if isinstance(device, Channel):
        made = device.type == "unix" and any(
            _is_made(one.path, device.name) for one in device.source
        )
        return replace(device, state=None, source=() if made else device.source)
    return device


def _is_made(path: str | None, name: str | None) -> bool:
    found = MADE_CHANNEL.fullmatch(path or "")
    return found is not None and found[1] == name

"""What a definition uses of the host, and the live definition once the host has answered.

The readers list files, sockets, taps and displays; the ``with_`` functions return the domain with
what a start found out (a tap's name, a display's port, a channel's path, a pty).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from virtup.machine import agent
from virtup.model.domain import Devices, Domain
from virtup.model.domain.devices.character import Character, CharSource, Console
from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.devices.interface import Interface, InterfaceTarget

C = TypeVar("C", bound=Character)

CHARACTER_LISTS = ("serial", "parallel", "console", "channel")
"""The members of `Devices` that hold character devices, in libvirt's order."""


@dataclass(frozen=True)
class UsedFile:
    """A file or device node that QEMU opens; ``disk`` says that it is an image."""

    path: str
    write: bool
    disk: bool = False


def used(domain: Domain) -> Iterator[UsedFile]:
    """Yield the files of *domain*: kernel and initrd first, then images with their chains."""
    for path in (domain.os.kernel, domain.os.initrd, domain.os.dtb):
        if path:
            yield UsedFile(path, write=False)
    for disk in domain.devices.disk:
        if disk.source is not None and disk.source.path:
            reading = disk.readonly or disk.device == "cdrom"
            yield UsedFile(disk.source.path, write=not reading, disk=True)
        below = disk.backing_store
        while below is not None and below.source is not None and below.source.path:
            yield UsedFile(below.source.path, write=False, disk=True)
            below = below.backing_store
    for device in characters(domain):
        source = device.source[0] if device.source else None
        if device.type == "dev" and source is not None and source.path:
            yield UsedFile(source.path, write=True)


def characters(domain: Domain) -> Iterator[Character]:
    """Yield every character device."""
    for name in CHARACTER_LISTS:
        yield from getattr(domain.devices, name)


def first_source(device: Character) -> CharSource:
    """Return the host's end of *device*; an empty one when none is given."""
    return device.source[0] if device.source else CharSource()


def listening(domain: Domain) -> Iterator[Character]:
    """Yield the character devices whose unix socket virtup binds and QEMU inherits."""
    seen: set[str | None] = set()
    for device in characters(domain):
        # the first console is another name of the first serial port, with its alias
        if device.type == "unix" and first_source(device).mode in (None, "bind"):
            if device.alias not in seen:
                yield device
            seen.add(device.alias)


def agent_channel(domain: Domain) -> Character | None:
    """Return the guest agent's channel, if the definition has one."""
    for channel in domain.devices.channel:
        if channel.name == agent.CHANNEL and channel.type == "unix":
            return channel
    return None


def taps(domain: Domain) -> Iterator[Interface]:
    """Yield the interfaces that need a tap."""
    for nic in domain.devices.interface:
        if nic.type in {"ethernet", "bridge"}:
            yield nic


def automatic_displays(domain: Domain) -> Iterator[int]:
    """Yield the positions of the displays whose port is chosen at the start."""
    for index, display in enumerate(domain.devices.graphics):
        socketless = all(one.type == "address" for one in display.listens)
        if socketless and (display.autoport or display.port in (None, -1)):
            yield index


def address(display: Graphics, default: str) -> str:
    """Return the address on which *display* listens."""
    first = display.listens[0] if display.listens else None
    return display.listen or (first.address if first and first.address else default)


def with_listen(domain: Domain, default: str) -> Domain:
    """Return *domain* with the address of every display that names none."""

    def fill(display: Graphics) -> Graphics:
        if display.listen or [one.type for one in display.listens] != ["address"]:
            return display
        (listen,) = display.listens
        given = listen.address or default
        return replace(display, listen=given, listens=(replace(listen, address=given),))

    return _with(domain, graphics=tuple(map(fill, domain.devices.graphics)))


def with_port(domain: Domain, index: int, port: int) -> Domain:
    """Return *domain* with the port of one display."""
    displays = list(domain.devices.graphics)
    displays[index] = replace(displays[index], port=port)
    return _with(domain, graphics=tuple(displays))


def with_tap(domain: Domain, alias: str | None, name: str) -> Domain:
    """Return *domain* with the name of one interface's tap."""
    nics = tuple(
        replace(nic, target=replace(nic.target or InterfaceTarget(), dev=name))
        if nic.alias == alias
        else nic
        for nic in domain.devices.interface
    )
    return _with(domain, interface=nics)


def with_socket(domain: Domain, alias: str | None, path: str) -> Domain:
    """Return *domain* with the path of one character device's socket."""

    def fill(device: C) -> C:
        source = replace(first_source(device), path=path, mode="bind")
        return replace(device, source=(source,))

    return _with_characters(domain, lambda device: device.alias == alias, fill)


def with_ptys(domain: Domain, ptys: Mapping[str, str]) -> Domain:
    """Return *domain* with the ptys that QEMU opened, by QEMU's id of the character device.

    The first console, when it is another name of the first serial port, has that port's.
    """

    def fill(device: C) -> C:
        path = ptys[f"char{device.alias}"]
        source = replace(first_source(device), path=path)
        tty = path if is_console(device) else device.tty
        return replace(device, source=(source,), tty=tty)

    return _with_characters(
        domain,
        lambda device: device.type == "pty" and f"char{device.alias}" in ptys,
        fill,
    )


def is_console(device: Character) -> bool:
    """Whether *device* is a console, which libvirt shows with a ``tty`` attribute."""
    return isinstance(device, Console)


def _with_characters(domain: Domain, wanted: Any, fill: Any) -> Domain:
    changed = {
        name: tuple(
            fill(device) if wanted(device) else device for device in getattr(domain.devices, name)
        )
        for name in CHARACTER_LISTS
    }
    return _with(domain, **changed)


def _with(domain: Domain, **devices: Any) -> Domain:
    changed: Devices = replace(domain.devices, **devices)
    return replace(domain, devices=changed)

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
from virtup.model.domain.device import Seclabel
from virtup.model.domain.devices.character import Channel, Character, CharSource, Console
from virtup.model.domain.devices.disk import Disk, DiskSource
from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.devices.interface import Interface, InterfaceTarget

C = TypeVar("C", bound=Character)

CHARACTER_LISTS = ("serial", "parallel", "console", "channel")
"""The members of `Devices` that hold character devices, in libvirt's order."""


@dataclass(frozen=True)
class UsedFile:
    """A file or device node that QEMU opens; ``disk`` says that it is an image.

    One that is not to be lent (``relabel='no'``) is QEMU's user's own business; a medium that need
    not be there (``startupPolicy``) is no part of what a saved guest rests on.
    """

    path: str
    write: bool
    disk: bool = False
    lend: bool = True
    needed: bool = True


@dataclass(frozen=True)
class Layer:
    """The lowest image of a chain that the definition names; ``top`` when it is the only one."""

    path: str
    format: str
    top: bool
    lend: bool


def used(domain: Domain) -> Iterator[UsedFile]:
    """Yield the files of *domain*: kernel and initrd first, then images with their chains.

    Directories that are shared with the guest are not among them: as with libvirt, their owner
    gives QEMU's user access, and files that QEMU makes in them are that user's.
    """
    for path in (domain.os.kernel, domain.os.initrd, domain.os.dtb):
        if path:
            yield UsedFile(path, write=False)
    if domain.os.loader is not None and domain.os.loader.path:
        flash = domain.os.loader.is_flash and domain.os.loader.readonly is not True
        yield UsedFile(domain.os.loader.path, write=flash)
    if domain.os.nvram is not None and domain.os.nvram.path:
        yield UsedFile(domain.os.nvram.path, write=True)
    for table in domain.os.acpi_table:
        yield UsedFile(table.path, write=False)
    for disk in domain.devices.disk:
        if disk.source is not None and disk.source.path:
            lend = may_lend(disk.source.seclabel)
            yield UsedFile(
                disk.source.path,
                write=not is_read_only(disk),
                disk=True,
                lend=lend,
                needed=not may_miss(disk, cold=False),
            )
        below = disk.backing_store
        while below is not None and below.source is not None and below.source.path:
            lend = may_lend(below.source.seclabel)
            yield UsedFile(below.source.path, write=False, disk=True, lend=lend)
            below = below.backing_store
    for nic in domain.devices.interface:
        if nic.rom is not None and nic.rom.file and nic.rom.enabled is not False:
            yield UsedFile(nic.rom.file, write=False)
    for kind, sources in backends(domain):
        yield from _of_backend(kind, sources[0] if sources else CharSource())
    for audio in domain.devices.audio:
        if audio.type == "file" and audio.path:
            yield UsedFile(audio.path, write=True)
    for rng in domain.devices.rng:
        if rng.backend.model == "random" and rng.backend.path:
            yield UsedFile(rng.backend.path, write=False)


def _of_backend(kind: str | None, source: CharSource) -> Iterator[UsedFile]:
    """The files of one character device that QEMU opens by itself."""
    lend = may_lend(source.seclabel)
    if not source.path:
        return
    if kind == "dev" or (kind == "unix" and source.mode == "connect"):
        yield UsedFile(source.path, write=True, lend=lend)
    elif kind == "pipe":
        # QEMU takes the pair, and the one of the bare name when there is no pair
        for path in (f"{source.path}.in", f"{source.path}.out", source.path):
            yield UsedFile(path, write=True, lend=lend)


def may_miss(disk: Disk, *, cold: bool) -> bool:
    """Whether a start may go on without the image of *disk*, if it is not there.

    ``requisite`` lets a medium be missing when a saved guest goes on, and not at a *cold* start;
    a hard disk that a saved guest has cannot be missing.
    """
    policy = disk.source.startup_policy if disk.source is not None else None
    if not cold:
        return policy in ("optional", "requisite") and disk.device in ("cdrom", "floppy")
    return policy == "optional"


def is_read_only(disk: Disk) -> bool:
    """Whether QEMU only reads the images of *disk*."""
    return disk.readonly or disk.device == "cdrom"


def may_lend(labels: tuple[Seclabel, ...]) -> bool:
    """Whether a file with *labels* may change its owner for the guest's time.

    Labels of other security models say nothing of owners.
    """
    return not any(one.relabel is False and one.model in (None, "dac") for one in labels)


def last_layer(disk: Disk) -> Layer | None:
    """Return the image below which only its own header tells what is there; None if nothing is."""
    if disk.source is None or not disk.source.path:
        return None
    format = (disk.driver.type if disk.driver is not None else None) or "raw"
    layer = Layer(disk.source.path, format, top=True, lend=may_lend(disk.source.seclabel))
    below = disk.backing_store
    while below is not None:
        if below.source is None or not below.source.path:
            return None  # <backingStore/> ends the chain
        lend = may_lend(below.source.seclabel)
        layer = Layer(below.source.path, below.format or "raw", top=False, lend=lend)
        below = below.backing_store
    return layer


def backends(domain: Domain) -> Iterator[tuple[str | None, tuple[CharSource, ...]]]:
    """Yield type and sources of everything that has the host's end of a character device."""
    for device in characters(domain):
        yield device.type, device.source
    for card in domain.devices.smartcard:
        yield card.type, card.source
    for rng in domain.devices.rng:
        yield rng.backend.type, rng.backend.source


def labelled(domain: Domain) -> Iterator[DiskSource | CharSource]:
    """Yield every source whose file may have security labels."""
    for disk in domain.devices.disk:
        if disk.source is not None:
            yield disk.source
        below = disk.backing_store
        while below is not None and below.source is not None:
            yield below.source
            below = below.backing_store
    for _, sources in backends(domain):
        yield from sources


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


def socket_path(device: Character, channel_dir: str) -> str:
    """Return where the socket of *device* is bound: the definition's place, or one of its own."""
    name = getattr(device, "name", None) or device.alias
    return first_source(device).path or f"{channel_dir}/{name}"


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


def open_ports(chardevs: list[dict[str, Any]]) -> dict[str, bool]:
    """Return which devices' guests hold their end open, by alias, from QEMU's ``query-chardev``."""
    return {
        str(one.get("label", "")).removeprefix("char"): bool(one.get("frontend-open"))
        for one in chardevs
    }


def with_ports(domain: Domain, ports: Mapping[str, bool]) -> Domain:
    """Return *domain* with whether the guest holds its end open of channels, by their alias."""

    def fill(channel: Channel) -> Channel:
        held = ports.get(channel.alias or "")
        if channel.target_type != "virtio" or held is None:
            return channel
        return replace(channel, state="connected" if held else "disconnected")

    return _with(domain, channel=tuple(map(fill, domain.devices.channel)))


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

"""A guest's definition as another host may take it: without what every libvirt adds by itself."""

from __future__ import annotations

from dataclasses import replace

from virtup.model.domain.devices.controller import Controller
from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.guest import Domain


def as_migratable(dom: Domain) -> Domain:
    """Return *dom*, a definition, without its implied devices, as libvirt gives it to its like.

    Libvirts of before these devices were named in XML add them as this one does: the machine's
    own bus, a first USB controller of the default model that is the only one, PS/2 keyboards,
    and an audio backend that plays nothing.
    """
    devices = dom.devices
    usb = [one for one in devices.controller if one.type == "usb"]
    audio = devices.audio
    silent = len(audio) == 1 and audio[0].type == "none"
    kept = replace(
        devices,
        controller=tuple(
            one for one in devices.controller if not _is_implied(one, alone=len(usb) == 1)
        ),
        input=tuple(one for one in devices.input if one.type != "keyboard" or one.bus != "ps2"),
        audio=() if silent else audio,
        graphics=tuple(map(_anywhere, devices.graphics)),
    )
    return replace(dom, devices=kept)


def _is_implied(one: Controller, *, alone: bool) -> bool:
    if one.index != 0:
        return False
    if one.type == "usb":
        return alone and one.model in (None, "piix3-uhci")
    return one.type == "pci" and one.model == "pci-root"


def _anywhere(one: Graphics) -> Graphics:
    """A display whose automatic port is chosen anew; its address stays: the default may differ."""
    return replace(one, port=-1) if one.autoport else one

"""Options of displays and graphics cards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.devices.video import Video
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place, virtio
from virtup.qemu.option import Option, device, keyed, plain
from virtup.qemu.runtime import Runtime

CARDS = {
    "vga": "VGA",
    "cirrus": "cirrus-vga",
    "vmvga": "vmware-svga",
    "bochs": "bochs-display",
    "ramfb": "ramfb",
}


def graphics(dom: Domain, run: Runtime) -> Iterator[Option]:
    """Displays."""
    for index, one in enumerate(dom.devices.graphics):
        yield _vnc(one, index, dom, run)
        if one.keymap:
            yield plain("-k", one.keymap)


def _vnc(one: Graphics, index: int, dom: Domain, run: Runtime) -> Option:
    first = one.listens[0] if one.listens else None
    audio_id = one.audio_id or (dom.devices.audio[0].id if dom.devices.audio else None)
    tail: list[tuple[str, Any]] = [
        ("websocket", one.websocket),
        ("share", one.share_policy),
        ("password", True if one.password is not None else None),
        ("power-control", one.power_control),
        ("audiodev", f"audio{audio_id}" if audio_id else None),
    ]
    if first is not None and first.type == "socket":
        path = first.socket or f"{run.lib_dir}/vnc.sock"
        return keyed("-vnc", None, [("vnc", f"unix:{path}"), *tail])
    if first is not None and first.type == "none":
        return keyed("-vnc", "none", tail)
    address = one.listen or (first.address if first and first.address else run.vnc_listen)
    port = one.port
    if port in (None, -1):
        port = run.vnc_ports.get(f"graphics{index}", 5900)
    host = f"[{address}]" if ":" in address else address
    return keyed("-vnc", f"{host}:{(port or 5900) - 5900}", tail)


def videos(dom: Domain) -> Iterator[Option]:
    """Graphics cards, the primary one first."""
    for one in sorted(dom.devices.video, key=lambda card: not card.primary):
        if one.type != "none":
            yield _card(one, dom)


def _card(one: Video, dom: Domain) -> Option:
    content: dict[str, Any] = virtio(one.driver) | {"id": one.alias}
    match one.type:
        case "virtio":
            name = "virtio-vga" if one.primary else "virtio-gpu-pci"
            content |= {"max_outputs": one.heads, "blob": one.blob}
        case "qxl":
            name = "qxl-vga" if one.primary else "qxl"
            content |= {
                "max_outputs": one.heads,
                "ram_size": (one.ram_kib or 0) * 1024,
                "vram_size": (one.vram_kib or 0) * 1024,
                "vram64_size_mb": (one.vram64_kib or 0) // 1024,
                "vgamem_mb": (one.vgamem_kib or 0) // 1024,
            }
        case "vga" | "vmvga":
            name = CARDS[one.type]
            content["vgamem_mb"] = (one.vram_kib or 0) // 1024 or None
        case "bochs":
            name = "bochs-display"
            content["vgamem"] = (one.vram_kib or 0) * 1024
        case _:
            name = CARDS[one.type or "cirrus"]
    if one.resolution is not None:
        content |= {"xres": one.resolution.x, "yres": one.resolution.y}
    return device(name, content | place(dom, one.address) | {"acpi-index": one.acpi_index})

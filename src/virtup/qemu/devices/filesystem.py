"""Options of shared directories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.devices.filesystem import FilesystemDriver
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place, virtio, virtio_name
from virtup.qemu.option import Option, device, keyed

SECURITY = {"passthrough": "passthrough", "mapped": "mapped", "squash": "none"}


def options(dom: Domain) -> Iterator[Option]:
    """Every directory: the host's end and the device."""
    for one in dom.devices.filesystem:
        driver = one.driver or FilesystemDriver()
        is_handle = driver.type == "handle"
        name = f"fsdev-{one.alias}"
        pairs: list[tuple[str, Any]] = [
            ("security_model", None if is_handle else SECURITY[one.accessmode or "passthrough"]),
            ("multidevs", None if one.multidevs == "default" else one.multidevs),
            ("fmode", one.fmode),
            ("dmode", one.dmode),
            ("writeout", driver.wrpolicy),
            ("id", name),
            ("path", one.source),
            ("readonly", True if one.readonly else None),
        ]
        yield keyed("-fsdev", "handle" if is_handle else "local", pairs)
        content: dict[str, Any] = virtio(driver) | {
            "id": one.alias,
            "fsdev": name,
            "mount_tag": one.target,
        }
        at = place(dom, one.address) | {"acpi-index": one.acpi_index}
        yield device(virtio_name("virtio-9p", one.model), content | at)

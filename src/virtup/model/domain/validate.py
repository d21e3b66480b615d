"""What no pass can put right: definitions that this machine type or QEMU cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.errors import ConfigUnsupported, XmlRefused
from virtup.model.document import Place
from virtup.model.domain.address import DriveAddress
from virtup.model.domain.applies import refuse_idle_settings
from virtup.model.domain.caps import Caps
from virtup.model.domain.devices.character import Serial
from virtup.model.domain.devices.disk import Disk
from virtup.model.domain.devices.video import Video
from virtup.model.domain.guest import Domain
from virtup.model.field import Element
from virtup.model.scalar import parse_cpuset

MIB_KIB = 1024
MEMORY_KIB_MAX = (1 << 53) - 1
"""The most memory of which the bytes are a signed number of 64 bits."""

PLACES = {"ide": (1, 0, 1), "fdc": (0, 0, 1), "sata": (0, 0, 5), "scsi": (0, 0, 15)}
"""The highest bus, target and unit on a controller of each kind."""


def validate(dom: Domain, caps: Caps) -> None:
    """Refuse what cannot be. Raises XmlRefused or ConfigUnsupported, with file and line."""
    _vcpus(dom, caps)
    _boot_orders(dom)
    _controllers(dom)
    _disks(dom)
    _numa(dom)
    _firmware(dom)
    _serial_ports(dom)
    _videos(dom)
    _aliases(dom)
    _kvm(dom)
    _q35_only(dom)
    _iothreads(dom)
    refuse_idle_settings(dom)


def _refused(dom: Domain, element: Element, sentence: str) -> XmlRefused:
    return XmlRefused(f"{sentence} ({Place(dom.source, element.line or dom.line)})")


def _unsupported(dom: Domain, element: Element, sentence: str) -> ConfigUnsupported:
    return ConfigUnsupported(f"{sentence} ({Place(dom.source, element.line or dom.line)})")


def _vcpus(dom: Domain, caps: Caps) -> None:
    machine = caps.machine(dom.os.machine or "")
    assert dom.vcpu is not None
    if machine is not None and machine.cpu_max and dom.vcpus > machine.cpu_max:
        raise _unsupported(
            dom,
            dom.vcpu,
            f"Maximum CPUs greater than specified machine type limit {machine.cpu_max}",
        )
    topology = dom.cpu.topology if dom.cpu else None
    if topology is not None:
        total = topology.sockets * (topology.dies or 1) * (topology.clusters or 1)
        total *= topology.cores * topology.threads
        if total != dom.vcpus:
            raise _unsupported(
                dom,
                topology,
                f"CPU topology doesn't match maximum vcpu count: it makes {total} CPUs, "
                f"<vcpu> has {dom.vcpus}",
            )


def _boot_orders(dom: Domain) -> None:
    devices: tuple[Any, ...] = (*dom.devices.disk, *dom.devices.interface)
    seen: set[int] = set()
    for one in devices:
        if not one.boot_order:
            continue
        if dom.os.boot:
            raise _unsupported(
                dom, one, "per-device boot elements cannot be used together with os/boot elements"
            )
        if one.boot_order in seen:
            raise _refused(dom, one, f"boot order '{one.boot_order}' used for more than one device")
        seen.add(one.boot_order)


def _controllers(dom: Domain) -> None:
    seen: set[tuple[str, int | None]] = set()
    for one in dom.devices.controller:
        key = (one.type, one.index)
        if key in seen and one.model not in (
            "ich9-uhci1",
            "ich9-uhci2",
            "ich9-uhci3",
            "ich9-ehci1",
        ):
            raise _refused(dom, one, f"Multiple '{one.type}' controllers with index '{one.index}'")
        seen.add(key)
    is_q35 = (dom.os.machine or "").startswith(("q35", "pc-q35-"))
    for one in dom.devices.controller:
        if one.type == "ide" and is_q35:
            raise _unsupported(
                dom,
                one,
                "IDE controllers are unsupported for this machine type, 'sata' is accepted",
            )
        if one.type in ("ide", "fdc") and one.index:
            raise _unsupported(
                dom, one, f"Only a single {one.type} controller is supported for this machine type"
            )
    masters = {one.index for one in dom.devices.controller if one.model == "ich9-ehci1"}
    for one in dom.devices.controller:
        if one.master_startport is not None and one.index not in masters:
            raise _refused(
                dom, one, f"'{one.model}' has no 'ich9-ehci1' controller with index '{one.index}'"
            )


def _disks(dom: Domain) -> None:
    targets: set[str] = set()
    places: set[tuple[Any, ...]] = set()
    for disk in dom.devices.disk:
        name = disk.target.dev
        if name in targets:
            raise _refused(dom, disk, f"target '{name}' duplicated for disk sources")
        targets.add(name)
        if isinstance(disk.address, DriveAddress):
            a = disk.address
            place = (disk.target.bus, a.controller, a.bus, a.target, a.unit)
            if place in places:
                raise _unsupported(
                    dom,
                    disk,
                    f"Found duplicate drive address for disk with target name '{name}' "
                    f"controller='{a.controller}' bus='{a.bus}' target='{a.target}' unit='{a.unit}'",
                )
            places.add(place)
        image = disk.driver.type if disk.driver else None
        if disk.shareable and image not in (None, "raw"):
            raise _unsupported(
                dom, disk, f"shared access for disk '{name}' requires format 'raw', not '{image}'"
            )
        _unit(dom, disk)
        if disk.target.bus == "usb" and (disk.source is None or not disk.source.is_named):
            raise _unsupported(dom, disk, "'usb' disk must not be empty")
        if (disk.vendor or disk.product) and disk.target.bus != "scsi":
            raise _unsupported(dom, disk, "Only scsi disk supports 'vendor' and 'product'")


def _unit(dom: Domain, disk: Disk) -> None:
    """A place that its controller does not have."""
    a = disk.address
    if not isinstance(a, DriveAddress):
        return
    kind = disk.target.bus or ""
    model = next(
        (
            one.model
            for one in dom.devices.controller
            if one.type == kind and one.index == a.controller
        ),
        None,
    )
    wide = kind == "scsi" and model != "lsilogic"
    limits = (0, 255, 16383) if wide else PLACES.get(kind, (0, 0, 0))
    for name, value, most in zip(
        ("bus", "target", "unit"), (a.bus, a.target, a.unit), limits, strict=True
    ):
        if (value or 0) > most:
            raise _unsupported(
                dom,
                disk,
                f"disk '{disk.target.dev}' has {name} {value} on its {kind} controller, "
                f"accepted are 0 to {most}",
            )


def _numa(dom: Domain) -> None:
    ids = [cell.id for cell in dom.cells]
    if ids != list(range(len(ids))):
        what = "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or"
        raise _refused(dom, dom.cells[0], f"{what} ranges not starting from 0 are not allowed")
    taken: set[int] = set()
    for cell in dom.cells:
        cpus = set(parse_cpuset(cell.cpus)) if cell.cpus else set()
        if cpus & taken:
            raise _unsupported(dom, cell, f"NUMA cell {cell.id} has CPUs of another cell")
        if cpus and max(cpus) >= dom.vcpus:
            what = f"NUMA cell {cell.id} has CPU {max(cpus)}, and the guest has {dom.vcpus}"
            raise _unsupported(dom, cell, what)
        taken |= cpus
        if cell.memory_kib > MEMORY_KIB_MAX - MIB_KIB:
            what = f"memory size of NUMA node '{cell.id}' overflowed after alignment"
            raise _unsupported(dom, cell, what)
    for one in dom.numatune.memnode if dom.numatune else ():
        if not ids:
            raise _refused(dom, one, "Element 'memnode' is invalid without any guest NUMA cells")
        if one.cellid not in ids:
            raise _refused(dom, one, f"<memnode cellid='{one.cellid}'> is of no guest NUMA cell")
    most = dom.max_memory
    if most is None:
        return
    if not ids:
        what = "At least one numa node has to be configured when enabling memory hotplug"
        raise _unsupported(dom, most, what)
    if most.kib < dom.memory_kib:
        what = "maximum memory size must be equal or greater than the actual memory size"
        raise _refused(dom, most, what)


def _firmware(dom: Domain) -> None:
    loader = dom.os.loader
    if loader is None:
        return
    q35 = (dom.os.machine or "").startswith(("q35", "pc-q35"))
    if loader.is_flash and q35 and not (dom.features and dom.features.acpi):
        raise _unsupported(dom, loader, "UEFI requires ACPI on this architecture")
    if loader.secure:
        smm = dom.features.smm if dom.features else None
        if not q35 or smm is None or smm.state is False:
            what = "Secure boot is supported with q35 machine types and SMM only"
            raise _unsupported(dom, loader, f"{what}: add <smm state='on'/> to <features>")


def _serial_ports(dom: Domain) -> None:
    taken: dict[int | None, Serial] = {}
    for one in dom.devices.serial:
        if one.target_type != "isa-serial":
            continue
        other = taken.setdefault(one.port, one)
        if other is not one:
            what = f"target port '{one.port}' already allocated: two serial devices are ISA port"
            raise _refused(dom, one, f"{what} {one.port}; leave <target port=...> of one out")


def _videos(dom: Domain) -> None:
    videos = dom.devices.video
    if len(videos) > 1 and any(one.type == "none" for one in videos):
        raise _unsupported(
            dom,
            videos[0],
            "a 'none' video type must be the only video device defined for the domain",
        )
    for one in videos:
        if one.type == "ramfb" and one.address is not None:
            raise _unsupported(dom, one, "address not supported for video type ramfb")
        for name, size_kib in _video_memory(one):
            if size_kib < MIB_KIB:
                what = f"value for '{name}' must be at least 1 MiB (1024 KiB)"
                raise _unsupported(dom, one, f"{what}: this {one.type} card has {size_kib} KiB")
            if name == "vgamem" and size_kib.bit_count() != 1:
                what = f"value for '{name}' must be power of two"
                raise _unsupported(dom, one, f"{what}: this {one.type} card has {size_kib} KiB")


def _video_memory(video: Video) -> Iterator[tuple[str, int]]:
    """Yield the sizes of a card's memory that QEMU takes in whole MiB only."""
    if video.type == "qxl" and video.vgamem_kib is not None:
        yield "vgamem", video.vgamem_kib
    if video.type in ("vga", "vmvga") and video.vram_kib:
        yield "vram", video.vram_kib


def _aliases(dom: Domain) -> None:
    seen: set[str] = set()
    for name in dom.devices.__dataclass_fields__:
        group = getattr(dom.devices, name)
        for one in group if isinstance(group, tuple) else (group,):
            alias = getattr(one, "alias", None)
            if alias is None:
                continue
            if alias in seen:
                raise _refused(dom, one, f"alias '{alias}' is used by two devices")
            seen.add(alias)


def _kvm(dom: Domain) -> None:
    if dom.type == "kvm":
        return
    features = dom.features
    if features is not None and features.pvspinlock:
        raise _unsupported(dom, features, "<pvspinlock state='on'/> needs a domain of type 'kvm'")


def _q35_only(dom: Domain) -> None:
    if len(dom.devices.iommu) > 1:
        raise _refused(dom, dom.devices.iommu[1], "a guest has one IOMMU")
    if (dom.os.machine or "").startswith(("q35", "pc-q35-")):
        return
    for one in dom.devices.iommu:
        raise _unsupported(dom, one, "IOMMU device: 'intel' is only supported with Q35 machines")
    smm = dom.features.smm if dom.features else None
    if smm is not None and smm.tseg_mib is not None:
        raise _unsupported(dom, smm, "SMM TSEG is only supported with q35 machine type")


def _iothreads(dom: Domain) -> None:
    ids = [one.id for one in dom.iothreadids]
    if len(ids) != len(set(ids)):
        raise _refused(dom, dom.iothreadids[0], "two iothreads have the same id")
    drivers: tuple[Any, ...] = (*dom.devices.disk, *dom.devices.controller)
    for one in drivers:
        wanted = one.driver.iothread if one.driver else None
        if wanted is not None and wanted not in ids:
            raise _unsupported(dom, one, f"iothread '{wanted}' is not defined in <iothreads>")

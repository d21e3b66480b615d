"""A definition made whole: what libvirt adds to it before it is kept and started.

Defaults, the canonical machine type, implicit controllers, inputs and the balloon, and all
addresses. The result is stable: completing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain import consoles, drives, implicit
from virtup.model.domain.caps import Caps, MachineType
from virtup.model.domain.devices.graphics import Graphics, Listen
from virtup.model.domain.draft import Draft
from virtup.model.domain.firmware import Nvram
from virtup.model.domain.guest import Domain
from virtup.model.domain.inactive import as_definition
from virtup.model.domain.machine import Clock, Cpu, CpuModel, Features, IoThread, Os, Vcpu
from virtup.model.domain.pci import assign_pci
from virtup.model.domain.serialbus import assign_ports
from virtup.model.domain.usb import assign_usb
from virtup.model.domain.validate import validate
from virtup.model.scalar import format_cpuset, parse_cpuset


def complete(
    dom: Domain,
    caps: Caps,
    *,
    uuid: str | None,
    mac: Callable[[], str],
    host_arch: str = "x86_64",
    emulator: str,
    genid: str | None = None,
    usb_ports: bool = True,
    nvram_dir: str = "/var/lib/virtup/qemu/nvram",
) -> Domain:
    """*dom* as libvirt would keep it.

    *uuid* is given to a definition without one, *genid* to one that asks for a generation id, *mac* makes addresses for network cards
    without one, *emulator* stands in where none is named. Without *usb_ports*, USB devices that
    name no port get theirs at the start only. *nvram_dir* is where the variables of firmware are
    kept whose definition names no file. Raises XmlRefused and
    ConfigUnsupported, naming file and line.
    """
    dom = _defaults(
        as_definition(dom), caps, uuid=uuid, genid=genid, host_arch=host_arch, emulator=emulator
    )
    dom = _numa(replace(dom, os=_firmware(dom, nvram_dir)))
    draft = Draft(dom, caps)
    implicit.order_lists(draft)
    implicit.add_machine_devices(draft)
    _device_defaults(draft, mac)
    drives.assign_drives(draft)
    consoles.default_characters(draft)
    drives.add_bus_controllers(draft)
    draft.edit("controller", implicit.default_controller)
    assign_ports(draft)
    assign_pci(draft)
    consoles.mirror_console(draft)
    draft.edit("controller", implicit.default_controller)
    assign_usb(draft, make=usb_ports)
    done = draft.freeze()
    validate(done, caps)
    return done


def _device_defaults(draft: Draft, mac: Callable[[], str]) -> None:
    draft.edit("controller", implicit.default_controller)
    draft.edit("input", implicit.default_input(draft))
    draft.edit(
        "interface", lambda one: replace(one, mac=one.mac or mac(), model=one.model or "rtl8139")
    )
    draft.edit("watchdog", lambda one: replace(one, action=one.action or "reset"))
    draft.edit(
        "sound",
        lambda one: replace(one, streams=one.streams or 2) if one.model == "virtio" else one,
    )
    draft.edit(
        "filesystem",
        lambda one: replace(
            one, type=one.type or "mount", accessmode=one.accessmode or "passthrough"
        ),
    )
    draft.edit("panic", lambda one: replace(one, model=one.model or "isa"))
    draft.edit("graphics", _with_listen)
    videos = draft.lists["video"]
    videos.sort(key=lambda one: not one.primary)
    for position, one in enumerate(videos):
        videos[position] = implicit.default_video(one, primary=position == 0)


def _with_listen(one: Graphics) -> Graphics:
    """A display with its port and its place to listen said in all the forms that libvirt has."""
    listens = one.listens
    if not listens:
        if one.socket:
            listens = (Listen(type="socket", socket=one.socket),)
        else:
            listens = (Listen(type="address", address=one.listen),)
    first = listens[0]
    if first.type == "address" and first.address is None and one.listen:
        first = replace(first, address=one.listen)
    is_address = first.type == "address"
    auto = bool(one.autoport) or one.port in (None, 0, -1)
    return replace(
        one,
        listens=(first,),
        listen=first.address if is_address else None,
        socket=first.socket if first.type == "socket" else None,
        port=(-1 if auto else one.port) if is_address else None,
        autoport=auto if is_address else None,
        # they belong to a password, and libvirt forgets them without one
        password_valid_to=one.password_valid_to if one.password is not None else None,
        connected=one.connected if one.password is not None else None,
    )


def _defaults(
    dom: Domain, caps: Caps, *, uuid: str | None, genid: str | None, host_arch: str, emulator: str
) -> Domain:
    arch = dom.os.arch or host_arch
    if arch not in ("x86_64", "i686"):
        place = Place(dom.source, dom.os.line)
        raise ConfigUnsupported(
            f"emulator '{dom.devices.emulator or emulator}' does not support arch '{arch}' ({place})"
        )
    machine = canonical_machine(dom, caps, emulator)
    clock = dom.clock or Clock()
    boot = dom.os.boot
    if not boot and not _has_boot_order(dom):
        boot = ("hd",)
    vcpu = dom.vcpu or Vcpu()
    return replace(
        dom,
        id=None,
        uuid=dom.uuid or uuid,
        genid=(genid or dom.uuid or uuid) if dom.genid == "" else dom.genid,
        iothreads=max(dom.iothreads or 0, len(dom.iothreadids)) or dom.iothreads,
        iothreadids=_iothreads(dom),
        features=_features(dom.features),
        seclabel=replace(dom.seclabel, model="none") if dom.seclabel else None,
        current_memory_kib=min(dom.current_memory_kib or dom.memory_kib, dom.memory_kib),
        vcpu=replace(
            vcpu,
            placement=vcpu.placement or "static",
            count=dom.vcpus,
            current=None if vcpu.current == dom.vcpus else vcpu.current,
        ),
        os=replace(dom.os, arch=arch, machine=machine.name, boot=boot),
        cpu=_cpu(dom.cpu, machine, kvm=dom.type == "kvm"),
        clock=replace(clock, offset=clock.offset or "utc"),
        on_poweroff=dom.on_poweroff or "destroy",
        on_reboot=dom.on_reboot or "restart",
        on_crash=dom.on_crash or "destroy",
        devices=replace(dom.devices, emulator=dom.devices.emulator or emulator),
    )


def _numa(dom: Domain) -> Domain:
    """The guest's nodes numbered and in order, with every virtual CPU in one."""
    if not dom.cells or dom.cpu is None:
        return dom
    numbered = [
        replace(cell, id=place if cell.id is None else cell.id)
        for place, cell in enumerate(dom.cells)
    ]
    cells = sorted(numbered, key=lambda cell: cell.id or 0)
    placed = {number for cell in cells if cell.cpus for number in parse_cpuset(cell.cpus)}
    left = set(range(dom.vcpus)) - placed
    if left:
        own = set(parse_cpuset(cells[0].cpus)) if cells[0].cpus else set()
        cells[0] = replace(cells[0], cpus=format_cpuset(tuple(sorted(own | left))))
    return replace(dom, cpu=replace(dom.cpu, numa=tuple(cells)))


def _firmware(dom: Domain, nvram_dir: str) -> Os:
    """The formats of the firmware's files, and where its variables are."""
    loader, nvram = dom.os.loader, dom.os.nvram
    if loader is None or not loader.is_flash:
        return dom.os
    loader = replace(loader, format="raw")
    if loader.needs_store or nvram is not None:
        nvram = nvram or Nvram()
        path = nvram.path or f"{nvram_dir}/{dom.name}_VARS.fd"
        nvram = replace(nvram, format="raw", path=path)
    return replace(dom.os, loader=loader, nvram=nvram)


def _iothreads(dom: Domain) -> tuple[IoThread, ...]:
    """The threads that are given, and more up to their number."""
    given = list(dom.iothreadids)
    taken = {one.id for one in given}
    number = 1
    while len(given) < (dom.iothreads or 0):
        if number not in taken:
            given.append(IoThread(id=number))
        number += 1
    return tuple(given)


def _features(features: Features | None) -> Features | None:
    if features is None:
        return None
    hyperv, smm = features.hyperv, features.smm
    if hyperv is not None:
        hyperv = replace(hyperv, mode=hyperv.mode or "custom")
    if smm is not None:
        smm = replace(smm, state=True if smm.state is None else smm.state)
    return replace(features, hyperv=hyperv, smm=smm)


def canonical_machine(dom: Domain, caps: Caps, emulator: str) -> MachineType:
    """The machine type that *dom* names, or the default one. Raises ConfigUnsupported."""
    name = dom.os.machine or "pc"
    found = caps.machine(name)
    if found is None:
        place = Place(dom.source, dom.os.line)
        raise ConfigUnsupported(
            f"Emulator '{dom.devices.emulator or emulator}' does not support machine type "
            f"'{name}' ({place})"
        )
    return found


def _has_boot_order(dom: Domain) -> bool:
    devices: tuple[Any, ...] = (*dom.devices.disk, *dom.devices.interface)
    return any(one.boot_order for one in devices)


def _cpu(cpu: Cpu | None, machine: MachineType, *, kvm: bool) -> Cpu:
    cpu = cpu or Cpu()
    mode: Any = cpu.mode
    if cpu.topology is not None:
        topology = cpu.topology
        topology = replace(topology, dies=topology.dies or 1, clusters=topology.clusters or 1)
        cpu = replace(cpu, topology=topology)
    if mode in ("host-passthrough", "maximum"):
        return replace(
            cpu,
            check=cpu.check or "none",
            migratable=True if cpu.migratable is None else cpu.migratable,
        )
    if mode == "host-model":
        return replace(cpu, check=cpu.check or "partial")
    if cpu.model is None or not cpu.model.name:
        name = (machine.default_cpu or "qemu64").removesuffix("-x86_64-cpu")
        model = CpuModel(fallback="forbid", name=name)
        return replace(cpu, mode="custom", match="exact", check=cpu.check or "none", model=model)
    match = cpu.match or "exact"
    model = replace(cpu.model, fallback=cpu.model.fallback or "allow")
    check = cpu.check or ("partial" if kvm else "none")
    return replace(cpu, mode="custom", match=match, check=check, model=model)

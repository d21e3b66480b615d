"""The host: what it is, which QEMU binaries it has, and what their guests can have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from virtup.drivers.emulators import Emulators
from virtup.errors import ConfigUnsupported, InvalidArgument
from virtup.host import emulators as binaries
from virtup.host import node as host_node
from virtup.host import topology
from virtup.host.accounts import Account
from virtup.host.disk import Disk
from virtup.host.kvm import KvmState
from virtup.host.layout import Layout
from virtup.machine import probe
from virtup.model import capabilities as document
from virtup.model.capabilities import HostCapabilities, format_capabilities
from virtup.model.domain_capabilities import format_domain_capabilities
from virtup.qemu.capabilities import Capabilities, Machine, UnusableQemu
from virtup.qemu.offer import VirtType, offer, served

ARCHES = {"x86_64": ("x86_64", 64)}
"""Architectures whose guests virtup runs, by libvirt's name: QEMU's name for it, and word size."""


class Node:
    """The host of one daemon; *account* gives the user that QEMU runs as (None: our own)."""

    def __init__(
        self,
        layout: Layout,
        account: Callable[[], Account | None] | None = None,
        *,
        disk: Disk | None = None,
        probe_timeout_s: float = probe.TIMEOUT_S,
    ) -> None:
        self._account = account or _own_user
        self._emulators = Emulators(
            layout.cache_dir, self._account, disk=disk, timeout_s=probe_timeout_s
        )

    async def hostname(self) -> str:
        """Return the host's name, the full one where the resolver knows it."""
        return await asyncio.to_thread(host_node.hostname)

    def info(self) -> dict[str, Any]:
        """Return libvirt's node info: model, memory (KiB), cpus, mhz, nodes, sockets, ..."""
        seen = asdict(host_node.info())
        seen["memory"] = seen.pop("memory_kib")
        return seen

    async def version(self) -> int:
        """Return the default QEMU's version as libvirt counts: 7.2.22 is 7002022."""
        caps = await self.capabilities(self.default_emulator("x86_64"))
        major, minor, micro = caps.version
        return major * 1_000_000 + minor * 1_000 + micro

    async def capabilities(self, emulator: str) -> Capabilities:
        """Return what the QEMU at that path can do; see `Emulators.capabilities`."""
        return await self._emulators.capabilities(emulator)

    def default_emulator(self, arch: str | None = None) -> str:
        """Return the QEMU for guests of *arch* (None: the host's).

        Where none is installed it is the path at which one is expected, so that what is missing
        has a name. Raises ConfigUnsupported for an architecture that virtup does not serve.
        """
        arch = arch or "x86_64"
        if arch not in ARCHES:
            raise ConfigUnsupported(
                f"unable to find any emulator to serve '{arch}' architecture: "
                f"guests of {', '.join(sorted(ARCHES))} are supported"
            )
        return binaries.find(arch) or f"/usr/bin/qemu-system-{ARCHES[arch][0]}"

    def kvm(self) -> KvmState:
        """Return whether QEMU's user can use KVM now."""
        return self._emulators.kvm()

    def forget(self, emulator: str) -> None:
        """Have that QEMU probed again at its next use."""
        self._emulators.forget(emulator)

    async def close(self) -> None:
        """End running probes and finish what is being written."""
        await self._emulators.close()

    async def capabilities_xml(self) -> str:
        """Return libvirt's `<capabilities>`; a QEMU that cannot be probed is left out."""
        host = await asyncio.to_thread(_host, self._account())
        guests = []
        for arch in ARCHES:
            emulator = binaries.find(arch)
            if emulator is None:
                continue
            try:
                caps = await self.capabilities(emulator)
            except (probe.ProbeFailed, UnusableQemu):
                continue
            guests.append(_guest(caps, arch, emulator))
        return format_capabilities(HostCapabilities(host=host, guest=tuple(guests)))

    async def domain_capabilities_xml(
        self,
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virttype: str | None = None,
        flags: int = 0,
    ) -> str:
        """Return libvirt's `<domainCapabilities>`; what is not given is the default.

        Raises InvalidArgument for what that QEMU has not, ConfigUnsupported for an architecture
        without a QEMU, and ProbeFailed.
        """
        if flags:
            raise InvalidArgument(f"unsupported flags (0x{flags:x}) for domain capabilities")
        path = emulator or self._installed(arch)
        caps = await self.capabilities(path)
        serves = next((name for name, (qemu, _) in ARCHES.items() if qemu == caps.arch), None)
        if serves is None:
            raise ConfigUnsupported(
                f"emulator '{path}' runs guests of '{caps.arch}' architecture only: "
                f"guests of {', '.join(sorted(ARCHES))} are supported"
            )
        arch = arch or serves
        if serves != arch:
            raise InvalidArgument(f"Emulator '{path}' does not support arch '{arch}'")
        found = caps.default_machine if machine is None else caps.machine(machine)
        if found is None or not served(found):
            raise InvalidArgument(f"the machine '{machine}' is not supported by emulator '{path}'")
        kind = _virt_type(caps, path, virttype)
        if kind == "qemu":
            caps = await self._emulators.without_kvm(path)
        return format_domain_capabilities(
            offer(caps, emulator=path, arch=arch, machine=found, virt_type=kind)
        )

    def _installed(self, arch: str | None) -> str:
        path = self.default_emulator(arch)
        if arch is not None and binaries.find(arch) is None:
            raise ConfigUnsupported(f"unable to find any emulator to serve '{arch}' architecture")
        return path


def _own_user() -> Account | None:
    return None


def _virt_type(caps: Capabilities, path: str, asked: str | None) -> VirtType:
    """Return the type of domain that is meant. Raises InvalidArgument when it cannot be had."""
    if asked is None:
        return "kvm" if caps.kvm_enabled else "qemu"
    if asked == "kvm" and caps.kvm_enabled:
        return "kvm"
    if asked == "qemu" and caps.has("tcg"):
        return "qemu"
    raise InvalidArgument(f"Emulator '{path}' does not support virt type '{asked}'")


def _guest(caps: Capabilities, arch: str, emulator: str) -> document.Guest:
    machines = []
    for machine in sorted(filter(served, caps.machines), key=lambda one: not one.is_default):
        machines.append(_machine(machine, None))
        if machine.alias:
            machines.append(_machine(machine, machine.alias))
    types: list[VirtType] = ["qemu"] if caps.has("tcg") else []
    if caps.kvm_enabled:
        types.append("kvm")
    return document.Guest(
        os_type="hvm",
        arch=arch,
        wordsize=ARCHES[arch][1],
        emulator=emulator,
        machine=tuple(machines),
        domain=tuple(document.GuestDomain(type=one) for one in types),
        acpi=document.Toggle(default=True, toggle=True),
        apic=document.Toggle(default=True, toggle=False),
        cpuselection=True,
        deviceboot=True,
    )


def _machine(machine: Machine, alias: str | None) -> document.GuestMachine:
    return document.GuestMachine(
        name=alias or machine.name,
        canonical=machine.name if alias else None,
        cpu_max=machine.cpu_max,
        deprecated=True if machine.deprecated else None,
    )


def _host(account: Account | None) -> document.Host:
    cells = topology.cells()
    return document.Host(
        uuid=topology.host_uuid(),
        cpu=_host_cpu(cells),
        iommu=False,
        cell_count=len(cells),
        cells=tuple(_cell(cell) for cell in cells),
        cache=tuple(_bank(cache) for cache in topology.caches()),
        secmodel=tuple(_security(account)),
    )


def _host_cpu(cells: tuple[topology.Cell, ...]) -> document.HostCpu:
    info, model = host_node.info(), topology.cpu_model()
    dies = {(cpu.socket, cpu.die) for cell in cells for cpu in cell.processors}
    sockets = {socket for socket, _ in dies}
    per_socket = max(len(dies) // max(len(sockets), 1), 1)
    told = model.family >= 0 and model.model >= 0 and model.stepping >= 0
    return document.HostCpu(
        arch=info.model,
        vendor=model.vendor or None,
        microcode=model.microcode if model.microcode >= 0 else None,
        signature=document.Signature(
            family=model.family, model=model.model, stepping=model.stepping
        )
        if told
        else None,
        topology=document.CpuTopology(
            sockets=info.sockets,
            dies=per_socket if info.cores % per_socket == 0 else 1,
            cores=info.cores // per_socket if info.cores % per_socket == 0 else info.cores,
            threads=info.threads,
        ),
        physical_bits_mode="emulate" if model.physical_bits > 0 else None,
        physical_bits=model.physical_bits if model.physical_bits > 0 else None,
        pages=tuple(
            document.Pages(unit="KiB", size_kib=size) for size in topology.page_sizes_kib()
        ),
    )


def _cell(cell: topology.Cell) -> document.Cell:
    return document.Cell(
        id=cell.number,
        memory_kib=cell.memory_kib,
        pages=tuple(
            document.Pages(unit="KiB", size_kib=size, count=count) for size, count in cell.pages
        ),
        distances=tuple(document.Sibling(id=other, value=value) for other, value in cell.distances),
        cpu_count=len(cell.processors),
        cpus=tuple(
            document.CellCpu(
                id=cpu.number,
                socket_id=cpu.socket,
                die_id=cpu.die,
                core_id=cpu.core,
                siblings=cpu.siblings,
            )
            for cpu in cell.processors
        ),
    )


def _bank(cache: topology.Cache) -> document.Bank:
    whole = cache.size_kib % 1024 == 0
    return document.Bank(
        id=cache.number,
        level=cache.level,
        type=cache.kind,  # type: ignore[arg-type]
        size=cache.size_kib // 1024 if whole else cache.size_kib,
        unit="MiB" if whole else "KiB",
        cpus=cache.cpus,
    )


def _security(account: Account | None) -> list[document.SecModel]:
    models = [document.SecModel(model="none", doi="0")]
    if account is not None:
        label = f"+{account.uid}:+{account.gid}"
        labels = (
            document.BaseLabel(type="kvm", label=label),
            document.BaseLabel(type="qemu", label=label),
        )
        models.append(document.SecModel(model="dac", doi="0", baselabel=labels))
    return models

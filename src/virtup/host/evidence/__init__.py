"""Answers to the probes of the causes, from this host, without side effects and in bounded time.

`answer` looks; it may take as long as the kernel does. `answer_all` bounds the looking: a probe
that hangs on a dead file server or device is given up and said to be, and its thread left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from virtup.host.bounded import each_within
from virtup.host.evidence import (
    content,
    devices,
    emulators,
    holders,
    images,
    kernel,
    links,
    networks,
    paths,
    resources,
    security,
    system,
)
from virtup.model import probe as p
from virtup.model import probe_devices, probe_files, probe_network, probe_system
from virtup.model.probe import Fact, Probe, Unanswered

__all__ = ["answer", "answer_all"]

_ANSWERS: dict[type[Any], Callable[[Any], Fact]] = {
    p.PathAccess: paths.path_access,
    p.LockHolder: holders.lock_holder,
    p.PortHolder: holders.port_holder,
    p.Process: holders.process,
    p.Kvm: resources.kvm,
    p.Memory: resources.memory,
    p.Account: resources.account,
    p.Machines: emulators.machines,
    p.CpuModels: emulators.cpu_models,
    p.Devices: emulators.devices,
    p.Options: emulators.options,
    p.SpiceSettings: emulators.spice_settings,
    p.Objects: emulators.objects,
    p.NetDrivers: emulators.net_drivers,
    p.AudioDrivers: emulators.audio_drivers,
    p.Displays: emulators.displays,
    p.BlockDrivers: emulators.block_drivers,
    p.Emulator: emulators.emulator,
    p.ImageInfo: images.image_info,
    p.Link: links.link,
    p.KernelLog: kernel.kernel_log,
    probe_system.Setting: system.setting,
    probe_system.Program: system.program,
    probe_system.System: system.system,
    probe_system.Module: system.module,
    probe_system.Cpu: system.cpu,
    probe_system.KvmOffer: system.kvm_offer,
    probe_system.Limits: system.limits,
    probe_system.LogTail: system.log_tail,
    probe_system.Listener: system.listener,
    probe_system.Cgroups: system.cgroups,
    probe_system.IoUring: system.io_uring,
    probe_system.Open: system.opened,
    probe_system.OpenFiles: holders.open_files_of,
    probe_system.Denials: security.denials,
    probe_system.KernelSays: security.kernel_says,
    probe_system.Label: security.label,
    probe_devices.PciDevice: devices.pci,
    probe_devices.IommuGroup: devices.iommu_group,
    probe_devices.Vfio: devices.vfio,
    probe_devices.Usb: devices.usb,
    probe_network.Network: networks.network,
    probe_network.Pool: networks.pool,
    probe_network.Addresses: networks.addresses,
    probe_network.Carried: networks.carried,
    probe_files.KernelImage: content.kernel_image,
    probe_files.Certificate: content.certificate,
    probe_files.Firmware: content.firmware,
    probe_files.SavedState: content.saved_state,
    probe_files.Run: emulators.run,
}


def answer(probe: Probe[Any]) -> Fact:
    """Return what *probe* sees on this host; `Unanswered` when it cannot look."""
    look = _ANSWERS.get(type(probe))
    if look is None:
        return Unanswered(f"nothing on this host answers {type(probe).__name__}")
    try:
        return look(probe)
    except (OSError, ValueError) as error:
        return Unanswered(str(error))


def answer_all(probes: Collection[Probe[Any]], deadline_s: float) -> dict[Probe[Any], Fact]:
    """Return a fact for each of *probes* within *deadline_s* seconds.

    What has no answer by then is `Unanswered` with ``late`` set.
    """
    facts = each_within(probes, answer, deadline_s)
    late = Unanswered(f"no answer within {deadline_s:g} s", late=True)
    return {probe: facts.get(probe, late) for probe in probes}

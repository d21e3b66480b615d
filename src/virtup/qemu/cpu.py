"""The CPU option: the model, and the features that all parts of a definition switch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain.guest import Domain
from virtup.model.domain.machine import Cpu, Features, Hyperv, Kvm, Timer
from virtup.qemu.option import Option, keyed, on_off

Pairs = list[tuple[str, Any]]

FEATURES = {
    "cmp_legacy": "cmp-legacy",
    "ds_cpl": "ds-cpl",
    "fxsr_opt": "fxsr-opt",
    "kvm_pv_eoi": "kvm-pv-eoi",
    "kvm_pv_unhalt": "kvm-pv-unhalt",
    "lahf_lm": "lahf-lm",
    "nodeid_msr": "nodeid-msr",
    "pclmuldq": "pclmulqdq",
    "perfctr_core": "perfctr-core",
    "perfctr_nb": "perfctr-nb",
    "tsc_adjust": "tsc-adjust",
}
"""CPU features that QEMU calls otherwise."""

ENLIGHTENMENTS = (
    "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "vendor_id",
    "frequencies", "reenlightenment", "tlbflush", "ipi", "evmcs", "avic", "emsr_bitmap", "xmm_input",
)  # fmt: skip
"""Hyper-V features in libvirt's order; QEMU's names have ``hv-`` before and ``-`` for ``_``."""


def timers_of(dom: Domain) -> dict[str, Timer]:
    """The guest's timers by name."""
    return {one.name: one for one in dom.clock.timer} if dom.clock else {}


def cpu(dom: Domain) -> Iterator[Option]:
    """``-cpu``."""
    one = dom.cpu
    assert one is not None
    name, pairs = _model(dom, one)
    pairs.extend(
        (FEATURES.get(feature.name, feature.name), feature.policy not in ("disable", "forbid"))
        for feature in one.feature
        if feature.policy != "optional" or one.mode != "custom"
    )
    kvmclock = timers_of(dom).get("kvmclock")
    features = dom.features or Features()
    pairs += [
        ("kvmclock", kvmclock.present if kvmclock else None),
        ("kvm-pv-eoi", features.apic.eoi if features.apic else None),
        ("kvm-pv-unhalt", features.pvspinlock),
        *_hyperv(features.hyperv or Hyperv()),
    ]
    head = keyed("-cpu", name, pairs).value or ""
    if any(panic.model == "hyperv" for panic in dom.devices.panic):
        head += ",hv-crash"
    rest = [*_kvm(features.kvm or Kvm()), ("pmu", features.pmu), *_cache(one), *_physical(one)]
    tail = keyed("-cpu", None, rest).value
    yield Option("-cpu", f"{head},{tail}" if tail else head)


def _model(dom: Domain, one: Cpu) -> tuple[str, Pairs]:
    match one.mode:
        case "host-passthrough":
            return "host", [("migratable", one.migratable)]
        case "maximum":
            return "max", [("migratable", one.migratable if dom.type == "kvm" else None)]
        case "host-model":
            at = Place(dom.source, one.line)
            raise ConfigUnsupported(
                f"CPU mode 'host-model' is not supported, accepted: 'custom', "
                f"'host-passthrough', 'maximum' ({at})"
            )
        case _:
            assert one.model is not None
            return one.model.name or "qemu64", [("vendor", one.model.vendor_id)]


def _hyperv(one: Hyperv) -> Pairs:
    if one.mode == "passthrough":
        return [("hv-passthrough", True)]
    pairs: Pairs = []
    for name in ENLIGHTENMENTS:
        option = f"hv-{name.replace('_', '-')}"
        if name == "spinlocks":
            locks = one.spinlocks
            if locks is not None and locks.state:
                pairs.append((option, f"{locks.retries or 4095:#x}"))
        elif name == "vendor_id":
            vendor = one.vendor_id
            if vendor is not None and vendor.state:
                pairs.append((option, vendor.value))
        elif getattr(one, name):
            pairs.append((option, True))
            if name == "stimer" and one.stimer_direct:
                pairs.append(("hv-stimer-direct", True))
    return pairs


def _kvm(one: Kvm) -> Pairs:
    return [
        ("kvm", False if one.hidden else None),
        ("kvm-hint-dedicated", True if one.hint_dedicated else None),
        ("kvm-poll-control", True if one.poll_control else None),
        ("kvm-pv-ipi", False if one.pv_ipi is False else None),
    ]


def _cache(one: Cpu) -> Pairs:
    if one.cache is None:
        return []
    is_host = one.mode in ("host-passthrough", "maximum")
    host_off = ("host-cache-info", on_off(False) if is_host else None)
    match one.cache.mode:
        case "emulate":
            return [("l3-cache", True), host_off]
        case "passthrough":
            return [("host-cache-info", True), ("l3-cache", False)]
        case "disable":
            return [host_off, ("l3-cache", False)]


def _physical(one: Cpu) -> Pairs:
    bits = one.maxphysaddr
    if bits is None:
        return []
    if bits.mode == "passthrough":
        return [("host-phys-bits", True), ("host-phys-bits-limit", bits.limit)]
    if bits.bits is not None:
        return [("phys-bits", bits.bits)]
    return [("host-phys-bits", False)]

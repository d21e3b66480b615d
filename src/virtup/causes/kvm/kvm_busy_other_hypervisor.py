"""Another hypervisor holds the virtualization extensions.

## What it means
VT-x can be used by one hypervisor at a time. VirtualBox (before 6.1 with KVM's help), VMware
Workstation or Xen has it, and KVM is refused.

## How to confirm
`lsmod | grep -e vboxdrv -e vmmon`; `ps -ef | grep -i -e vbox -e vmware`.

## What to do
End the other hypervisor's machines, or unload its module (`rmmod vboxdrv`, `systemctl stop vmware`).

## Strings it goes by
- `ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy`
- `failed to initialize KVM: Device or resource busy`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes import accel
from virtup.causes.finding import Finding, Fix
from virtup.model.evidence import Evidence
from virtup.model.probe import Kvm, KvmFact
from virtup.model.probe_system import Module, ModuleFact

CODE = "VU065"
SLUG = "kvm-busy-other-hypervisor"

_SAID = (
    "Could not access KVM kernel module: Device or resource busy\n"
    "qemu-system-x86_64: failed to initialize kvm: Device or resource busy\n"
)
_HOST = KvmFact(node=True, allowed=True, busy=True, module="kvm_intel", cpu_flag="vmx")
POSITIVE = (
    Evidence(
        stderr="ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy\n"
        "qemu-system-x86_64: failed to initialize kvm: Device or resource busy\n"
    ),
    Evidence(stderr=_SAID, uid=991, host={Kvm(991): _HOST}),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={Kvm(991): _HOST, Module("vboxdrv"): ModuleFact(loaded=True)},
    ),
)
NEGATIVE = accel.OTHERWISE

OTHERS = {"vboxdrv": "VirtualBox", "vmmon": "VMware"}
"""Kernel modules of other hypervisors, and whose they are."""
_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Kvm | Module]:
    """Ask for the state of KVM, and for the other hypervisors' modules where it is taken."""
    yield from accel.probe(ev)
    if ev.uid is not None and accel.verdict_of(ev, SLUG) is not None:
        yield from (Module(name) for name in OTHERS)


def _who(ev: Evidence) -> dict[str, str]:
    """Return the other hypervisors whose modules are loaded, by module."""
    facts = {name: ev.fact(Module(name)) for name in OTHERS}
    return {name: OTHERS[name] for name, fact in facts.items() if fact is not None and fact.loaded}


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when KVM is there and taken."""
    verdict = accel.verdict_of(ev, SLUG)
    if verdict is None:
        return
    evidence = list(verdict.quotes)
    if verdict.fact is not None:
        evidence.append(
            "this host: KVM refuses to make a machine: the processor's extension is taken"
        )
    who = _who(ev)
    evidence += [f"this host: the kernel module {module} is loaded" for module in who]
    noun = " and ".join(who.values()) or "Another hypervisor (VirtualBox, VMware, Xen)"
    yield _found(
        f"{noun} holds this host's hardware virtualization.",
        "/dev/kvm",
        verdict.certainty,
        tuple(evidence),
        (
            Fix(
                "end the other hypervisor's machines: `lsmod | grep -e vboxdrv -e vmmon` tells whose"
            ),
        ),
        verdict.at,
    )

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
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace("Device or resource busy", "Permission denied")),
    Evidence(stderr="qemu-system-x86_64: warning: host doesn't support requested feature\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Kvm]:
    """Ask for the state of KVM when it was refused."""
    return accel.probe(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when KVM is there and taken."""
    verdict = accel.verdict(ev)
    if verdict is None or verdict.slug != SLUG:
        return
    evidence = list(verdict.quotes)
    if verdict.fact is not None:
        evidence.append(
            "this host: KVM refuses to make a machine: the processor's extension is taken"
        )
    yield _found(
        "Another hypervisor (VirtualBox, VMware, Xen) holds this host's hardware virtualization.",
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

"""The host is itself a guest without nested virtualization.

## What it means
This host is a virtual machine, and its own hypervisor does not pass hardware virtualization on to
it: the processor shows neither `vmx` nor `svm`. No setting inside this host changes that.

## How to confirm
`systemd-detect-virt` names the hypervisor; `grep -cE 'vmx|svm' /proc/cpuinfo` prints 0.

## What to do
Let the outer hypervisor pass it on: KVM: `options kvm_intel nested=1` and CPU mode
host-passthrough; VMware: "Virtualize Intel VT-x/EPT"; Hyper-V: `Set-VMProcessor -ExposeVirtualization
Extensions $true`; clouds: an instance type with nested virtualization. Or run the guest without KVM:
`<domain type='qemu'>`, which is slow.

## Strings it goes by
- `Could not access KVM kernel module: No such file or directory`
- `Domain requires KVM, but it is not available`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes import accel, revise
from virtup.causes.finding import Finding
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Kvm, KvmFact
from virtup.model.repair import Change

CODE = "VU062"
SLUG = "kvm-nested-off"

_HOST = KvmFact(guest_of="Xen HVM domU", architecture="x86_64")
POSITIVE = (Evidence(stderr=accel.NOT_FOUND, uid=991, host={Kvm(991): _HOST}),)
NEGATIVE = accel.OTHERWISE

probes = accel.probe
_found = partial(Finding, CODE, SLUG)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when this host is a guest whose processor has no virtualization."""
    verdict = accel.verdict_of(ev, SLUG)
    if verdict is None:
        return
    outer = verdict.fact.guest_of if verdict.fact else ""
    named = f" ({outer})" if outer else ""
    yield _found(
        f"This host is itself a virtual machine{named} without nested virtualization, "
        "so it has no KVM.",
        "/dev/kvm",
        verdict.certainty,
        (
            *verdict.quotes,
            verdict.note
            or f"this host: a guest{named}, and its processor shows neither vmx nor svm",
        ),
        (
            edit(
                "switch nested virtualization on in the outer hypervisor, "
                "or run without KVM (slow): <domain type='qemu'>"
            ),
        ),
        verdict.at,
    )


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Run without KVM."""
    return revise.without_kvm(ev.definition)

"""KVM is not usable here, and nothing narrows it down.

## What it means
The guest needs KVM (`<domain type='kvm'>`), and this host or this QEMU does not offer it. Behind it
are: no module, the firmware, a virtual machine without nesting, a container without `/dev/kvm`, or an
emulator built without KVM.

## How to confirm
`ls -l /dev/kvm`; `lsmod | grep kvm`; `systemd-detect-virt`; `EMULATOR -accel help` lists kvm.

## What to do
On a physical host: firmware setting and module. In a container: pass the device in (`--device
/dev/kvm`), or make it inside: `mknod -m 600 /dev/kvm c 10 232`. In a virtual machine: nested
virtualization. Or run the guest without KVM: `<domain type='qemu'>`.

## Strings it goes by
- `Domain requires KVM, but it is not available`
- `Emulator '...' does not support virt type 'kvm'`
- `could not find capabilities for domaintype=kvm`
- `invalid accelerator kvm`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes import accel, revise
from virtup.causes.finding import Finding, Fix, Safety
from virtup.causes.who import account_name, edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Kvm, KvmFact
from virtup.model.repair import Change

CODE = "VU064"
SLUG = "kvm-unavailable"

_HOST = KvmFact(node=True, allowed=True, cpu_flag="vmx", module="kvm_intel", architecture="x86_64")
POSITIVE = (
    Evidence(stderr=accel.NOT_FOUND),
    Evidence(stderr=accel.NOT_FOUND, uid=991, host={Kvm(991): _HOST}),
    Evidence(error="unsupported configuration: Domain requires KVM, but it is not available"),
    Evidence(
        stderr=accel.NOT_FOUND,
        uid=991,
        host={Kvm(991): KvmFact(module="kvm", architecture="x86_64", guest_of="KVM")},
    ),
    Evidence(error="hardware emulation device '/dev/kvm' not present"),
)
NEGATIVE = accel.OTHERWISE

probes = accel.probe
_found = partial(Finding, CODE, SLUG)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when nothing tells why."""
    verdict = accel.verdict_of(ev, SLUG)
    if verdict is None:
        return
    fact = verdict.fact
    evidence = list(verdict.quotes)
    if fact is not None:
        state = "there and open to QEMU" if fact.node else "not there"
        evidence.append(f"this host: /dev/kvm is {state}, kernel module {fact.module or 'none'}")
    sentence = "KVM cannot be used here, and the guest asks for it."
    look = Fix("see what is missing", ("ls -l /dev/kvm; lsmod | grep kvm; dmesg | grep -i kvm",))
    if fact is not None and fact.module and not fact.node:
        sentence = "There is no /dev/kvm, though the kernel has KVM (a container, a private /dev?)."
        look = _make(ev)
    yield _found(
        sentence,
        "/dev/kvm",
        verdict.certainty,
        tuple(evidence),
        (look, edit("or run without KVM (slow): <domain type='qemu'>")),
        verdict.at,
    )


def _make(ev: Evidence) -> Fix:
    """Make the device by its number (Linux, admin-guide/devices), open to QEMU's account alone."""
    grant = (f"setfacl -m u:{account_name(ev)}:rw- /dev/kvm",) if ev.uid else ()
    return Fix(
        "give the container the device, or make it",
        ("mknod -m 600 /dev/kvm c 10 232", *grant),
        Safety.CONFIRM,
        ("rm /dev/kvm",),
    )


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Run without KVM."""
    return revise.without_kvm(ev.definition)

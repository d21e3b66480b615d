"""Hardware virtualization is off in the firmware.

## What it means
The host is no virtual machine, and its processor shows neither `vmx` nor `svm`: the firmware (BIOS,
UEFI) switched it off, or the processor has none (rare since 2010).

## How to confirm
`grep -cE 'vmx|svm' /proc/cpuinfo` prints 0; `dmesg | grep -i kvm` may say "disabled by bios";
`rdmsr 0x3a` shows the lock bit on Intel.

## What to do
Switch on "Intel Virtualization Technology", "VT-x", "SVM Mode" or "AMD-V" in the firmware's setup,
then switch the host off and on (a reboot is not always enough). Or run the guest without KVM:
`<domain type='qemu'>`, which is slow.

## Strings it goes by
- `kvm: disabled by bios`
- `Could not access KVM kernel module: No such file or directory`
- `KVM virtualisation configured, but not available. Either disable in VM configuration or enable in BIOS`
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

CODE = "VU063"
SLUG = "kvm-disabled-firmware"

_HOST = KvmFact(architecture="x86_64")
POSITIVE = (Evidence(stderr=accel.NOT_FOUND, uid=991, host={Kvm(991): _HOST}),)
NEGATIVE = accel.OTHERWISE

probes = accel.probe
_found = partial(Finding, CODE, SLUG)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when bare metal shows no virtualization."""
    verdict = accel.verdict_of(ev, SLUG)
    if verdict is None:
        return
    yield _found(
        "Hardware virtualization is switched off in this host's firmware (or the processor has none), "
        "so it has no KVM.",
        "/dev/kvm",
        verdict.certainty,
        (*verdict.quotes, verdict.note or "this host: the processor shows neither vmx nor svm"),
        (
            edit(
                "switch VT-x or SVM on in the firmware's setup, then power the host off and on; "
                "or run without KVM (slow): <domain type='qemu'>"
            ),
        ),
        verdict.at,
    )


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Run without KVM."""
    return revise.without_kvm(ev.definition)

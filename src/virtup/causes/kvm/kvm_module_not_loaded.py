"""The KVM kernel module is not loaded.

## What it means
The processor has hardware virtualization and shows it, and `/dev/kvm` is not there: neither
`kvm_intel` nor `kvm_amd` is loaded. It was blacklisted, the kernel was updated and not rebooted (the
modules of the running one are gone), or it refused to load.

## How to confirm
`lsmod | grep kvm` is empty; `grep -cE 'vmx|svm' /proc/cpuinfo` is not 0.

## What to do
`modprobe kvm_intel` (or `kvm_amd`). When it fails, `dmesg | tail` says why: "disabled by bios" is
another cause, "Module not found" wants a reboot into the installed kernel.

## Strings it goes by
- `Could not access KVM kernel module: No such file or directory`
- `Domain requires KVM, but it is not available`
- `could not find capabilities for domaintype=kvm`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes import accel
from virtup.causes.finding import Finding, Safety, mend
from virtup.model.evidence import Evidence
from virtup.model.probe import Kvm, KvmFact
from virtup.model.repair import LoadModule

CODE = "VU060"
SLUG = "kvm-module-not-loaded"

_HOST = KvmFact(cpu_flag="svm", architecture="x86_64")
POSITIVE = (Evidence(stderr=accel.NOT_FOUND, uid=991, host={Kvm(991): _HOST}),)
NEGATIVE = accel.OTHERWISE

probes = accel.probe
_found = partial(Finding, CODE, SLUG)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the processor could and the module is missing."""
    verdict = accel.verdict_of(ev, SLUG)
    if verdict is None:
        return
    flag = verdict.fact.cpu_flag if verdict.fact else "vmx"
    module = "kvm_amd" if flag == "svm" else "kvm_intel"
    yield _found(
        f"The kernel module {module} is not loaded, so there is no /dev/kvm.",
        module,
        verdict.certainty,
        (
            *verdict.quotes,
            verdict.note or f"this host: the processor has {flag}, and {module} is not loaded",
        ),
        (mend(f"load the module {module}", LoadModule(module), safety=Safety.CONFIRM),),
        verdict.at,
    )

"""The CPU model or the features of the domain exceed the host CPU.

## What it means
The guest's CPU (a model by name, a feature list, the recorded CPU of a migrated or saved guest)
has features that this host's processor, its microcode or its kernel does not offer.

## How to confirm
`virsh cpu-compare FILE`; `virsh domcapabilities` lists the models with `usable='yes'`; `grep
flags /proc/cpuinfo`.

## What to do
Use a lesser model, `<cpu mode='host-model'/>` or `host-passthrough`, or `<feature
policy='disable' name=.../>` for what is missing.

## Strings it goes by
- `Host CPU does not provide required features: svm`
- `guest CPU doesn't match specification: missing features: vaes,fsrm`
- `the CPU is incompatible with host CPU`
- `Host doesn't support requested features`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU220"
SLUG = "cpu-feature-missing-on-host"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's CPU needs what this host's does not have: {subject}.",
    subject="CPU features",
    phrases=(
        r"does(?:n't| not) provide required features: (?P<subject>[\w.,:\- ]+?)(?=['\x22);]|\s*\(|\s*$)",
        r"missing features: (?P<subject>[\w.,\-]+)",
        r"(?:cpu is|cpus? are|is) (?:incompatible|not compatible) with (?:the )?host CPU(?!: host cpu)[^\n]*",
        r"guest and host CPU are not compatible(?!: host cpu)[^\n]*",
        r"host doesn't support requested features?$",
        r"unacceptable CPU info: [^\n]*",
        r"cpu model '?(?P<subject>[\w.-]+)'? (?:is )?not (?:usable|supported by (?:the )?(?:host|hypervisor))",
        r"(?:incompatible|unsupported) CPU features?: (?P<subject>[\w, .-]+)",
        r"host's CPU doesn't support requested features?$",
        r"hyper-v [^\n]*?(?P<subject>hv-[\w-]+)'?[^\n]* (?:is|are) not supported by kernel",
    ),
    unless=r"for \w+ qemu domain",
    fixes=(edit("use <cpu mode='host-model'/>, or disable the features that are missing,"),),
    proof=hosts.CPU_LACKS,
)
POSITIVE = (
    Evidence(
        error="the CPU is incompatible with host CPU: Host CPU does not provide required features: svm"
    ),
    Evidence(
        error="operation failed: guest CPU doesn't match specification: missing features: erms,vaes"
    ),
    Evidence(
        stderr="qemu-kvm: Hyper-V VP_INDEX MSR (requested by 'hv-vpindex' cpu flag) is not supported by kernel\n"
    ),
)
NEGATIVE = (
    Evidence(
        error="qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.07H:EBX.rtm [bit 11]"
    ),
    Evidence(error="unable to find CPU model 'Hostile'"),
)

probes = _TOLD.probes
find = _TOLD.find

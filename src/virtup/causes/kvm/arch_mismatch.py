"""The domain asks for KVM with another architecture than the host has.

## What it means
KVM runs guests of the host's own architecture only. An aarch64 guest on an x86_64 host, or the
other way round, is emulated (TCG).

## How to confirm
`uname -m`; `virtup dumpxml NAME | grep -e '<type arch' -e '<domain'`.

## What to do
`<domain type='qemu'>` with a `<cpu>` model that QEMU emulates, or a host of that architecture.

## Strings it goes by
- `Host does not support domain type kvm with virtualization type 'hvm' and architecture 'aarch64'`
- `CPU mode 'host-passthrough' for aarch64 kvm domain on x86_64 host is not supported by hypervisor`
- `qemu-system-aarch64: invalid accelerator kvm`
"""

from __future__ import annotations

from virtup.causes import hosts, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU224"
SLUG = "arch-mismatch"
OVER = (
    "kvm-unavailable",
    "cpu-host-mode-without-kvm",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest is of architecture '{subject}', and KVM here runs guests of the host's own only.",
    phrases=(
        r"cpu mode '[^'\n]*' for (?P<subject>\w+) kvm domain on (?!(?P=subject) )\w+ host is not supported",
        r"qemu-system-(?P<subject>(?!x86_64|i386)\w+): (?:[^\n]*: )?invalid accelerator '?kvm",
        r"host does not support domain type '?kvm'?[^\n]*arch\w* '?(?P<subject>(?!x86_64)[\w-]+)",
        r"emulator '[^'\n]*qemu-system-(?P<subject>(?!x86_64|i386)\w+)' does not support virt type '?kvm",
        r"(?:domain|guest|image) arch\w* '?(?P<subject>\w+)'? (?:does not match|is not compatible with) (?:the )?host[^\n]*",
    ),
    doubtful=(
        r"could not find capabilities for arch=(?P<subject>(?!x86_64|i686)\w+) domaintype=kvm",
    ),
    fixes=(edit("use <domain type='qemu'>"),),
    proof=hosts.OTHER_ARCHITECTURE,
)
POSITIVE = (
    Evidence(
        error="unsupported configuration: CPU mode 'host-passthrough' for aarch64 kvm domain on x86_64 host is not supported by hypervisor"
    ),
    Evidence(stderr="qemu-system-aarch64: invalid accelerator kvm\n"),
)
NEGATIVE = (
    Evidence(
        error="CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported by hypervisor"
    ),
    Evidence(error="Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'kvm'"),
)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Run without KVM."""
    return revise.without_kvm(ev.definition)

"""The host KVM has no SMM emulation, which the domain needs.

## What it means
Secure boot protects its variables with the System Management Mode. The host's kernel was built
without CONFIG_KVM_SMM, or another hypervisor than KVM is below.

## How to confirm
`zgrep KVM_SMM /proc/config.gz` or `grep KVM_SMM /boot/config-$(uname -r)`.

## What to do
Use a kernel with CONFIG_KVM_SMM, or firmware without secure boot and `<smm state='off'/>`.

## Strings it goes by
- `System Management Mode not supported by this hypervisor.`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU222"
SLUG = "kvm-smm-not-in-kernel"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest needs SMM (secure boot), and this host's KVM does not emulate it.",
    subject="SMM",
    phrases=(
        r"system management mode (?:is )?not supported[^\n]*",
        r"\bKVM\b[^\n]{0,40}\bSMM\b(?!=)[^\n]{0,40}(?:not supported|unsupported|unavailable)",
    ),
    fixes=(edit("use <smm state='off'/> with firmware without secure boot"),),
    proof=hosts.NO_SMM,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: System Management Mode not supported by this hypervisor.\n"
    ),
)
NEGATIVE = (Evidence(error="Secure boot requires SMM feature enabled"),)

probes = _TOLD.probes
find = _TOLD.find

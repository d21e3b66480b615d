"""KVM refuses an MSR that QEMU sets.

## What it means
QEMU hands the guest's processor registers (MSRs) to KVM, and KVM refuses one. Kernel and QEMU do not
fit, or this host is a virtual machine whose own hypervisor (VMware, VirtualBox) does not offer what
the CPU model promises.

## How to confirm
`dmesg | grep -i msr` names the register; `systemd-detect-virt` tells a nested host.

## What to do
Use a plainer CPU model (`<cpu mode='custom'>` with `kvm64`, or `host-model`), update kernel and
QEMU together; as a last resort `options kvm ignore_msrs=1` in /etc/modprobe.d.

## Strings it goes by
- `kvm_put_msrs: Assertion 'ret == cpu->kvm_msr_buf->nmsrs' failed`
- `error: failed to set MSR 0x38d to 0x0`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import hosts
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe

CODE = "VU067"
SLUG = "kvm-msr-rejected"
OVER = ("qemu-crashed",)

_WORDS = re.compile(
    r"(?:kvm_(?:put|get|buf_set)_msrs[^\n]*assertion|failed to set MSR (?P<msr>0x[0-9a-f]+))[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: error: failed to set MSR 0x38d to 0x0\nqemu-system-x86_64: "
        "kvm.c:1: kvm_put_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.\n"
    ),
    Evidence(error="kvm_put_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed."),
)
NEGATIVE = (Evidence(error="block.c:42: bdrv_close: Assertion `!bs->refcnt' failed."),)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the kernel's own words about registers."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        yield from hosts.MSR_REFUSED.probes(ev, [seen["msr"]])


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when KVM refused a register."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    noun = f"the processor register (MSR) {seen['msr']}" if seen["msr"] else "a processor register"
    found = _found(
        f"KVM refuses {noun} that the guest's CPU model needs.",
        seen["msr"],
        Certainty.LIKELY,
        tuple(dict.fromkeys(one.quote for one in said(ev).find_all(_WORDS))),
        (edit("use a plainer CPU model, such as kvm64"),),
        seen.at,
    )
    yield from hosts.MSR_REFUSED.settled(ev, found, seen["msr"])

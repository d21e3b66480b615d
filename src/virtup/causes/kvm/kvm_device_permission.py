"""/dev/kvm is not accessible for the QEMU account.

## What it means
KVM works on this host, and the account that QEMU runs as may not open `/dev/kvm`. Distributions give
the device to the group `kvm`; an account outside it is kept out.

## How to confirm
`ls -l /dev/kvm`; `id QEMU_USER`.

## What to do
Put the account into the device's group (`usermod -aG kvm USER`), then start again; a session's user
has to log in anew. Where the device has no group of its own (containers, hand-made nodes), an access
list lets the one account in.

## Strings it goes by
- `Could not access KVM kernel module: Permission denied`
- `failed to initialize KVM: Permission denied`
- `Domain requires KVM, but it is not available`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes import accel
from virtup.causes.finding import Finding, Fix, Safety, mend
from virtup.causes.who import account, account_name
from virtup.model.evidence import Evidence
from virtup.model.probe import Kvm, KvmFact
from virtup.model.repair import GrantAccess, JoinGroup

CODE = "VU061"
SLUG = "kvm-device-permission"

_SAID = (
    "Could not access KVM kernel module: Permission denied\n"
    "qemu-system-x86_64: failed to initialize kvm: Permission denied\n"
)
_CLOSED = KvmFact(node=True, owner="root", group="kvm", mode="0660", cpu_flag="vmx")
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, user="virtup-qemu", uid=991, host={Kvm(991): _CLOSED}),
)
NEGATIVE = (
    Evidence(stderr="Could not access KVM kernel module: No such file or directory\n"),
    Evidence(stderr="qemu: could not open kernel file '/boot/k': Permission denied\n"),
)

probes = accel.probe
_found = partial(Finding, CODE, SLUG)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the device is there and closed to QEMU."""
    verdict = accel.verdict_of(ev, SLUG)
    if verdict is None:
        return
    fact, who = verdict.fact, account_name(ev)
    evidence = list(verdict.quotes)
    sentence = f"{account(ev)} may not use /dev/kvm"
    if fact is not None:
        held = f"mode {fact.mode}, owner {fact.owner}:{fact.group}"
        evidence.append(f"this host: /dev/kvm has {held}")
        sentence += f" ({held})"
    group = fact.group if fact else "kvm"
    join = mend(
        f"put the account into the group '{group}'",
        JoinGroup(who, group),
        safety=Safety.CONFIRM if ev.user else Safety.MANUAL,
    )
    fixes = [join]
    if group == "root" or (fact and fact.mode[-2:-1] not in {"6", "7"}):
        # the group would not help, or would give the account far more than this device
        text = "let the account use the device until the next boot"
        repair = GrantAccess("/dev/kvm", ev.uid or 0, who, "rw-")
        safety = Safety.CONFIRM if ev.uid else Safety.MANUAL
        again = ("udevadm trigger --name-match=kvm",)
        fixes = [
            mend(text, repair, safety=safety),
            Fix("have udev give the device its usual group and mode", again),
        ]
    yield _found(
        sentence + ".",
        "/dev/kvm",
        verdict.certainty,
        tuple(evidence),
        tuple(fixes),
        verdict.at,
    )

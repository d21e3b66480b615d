"""A QEMU that is newer than the tool refuses an argument form of old.

## What it means
QEMU deprecates options and removes them two releases later (its manual: 'Removed features'). A
tool or a raw argument that was written for an older QEMU then fails.

## How to confirm
`EMULATOR --version`, and QEMU's page of removed features.

## What to do
Update the tool; for a raw argument use today's form (`-audiodev` for `-soundhw`, `-machine
hpet=off` for `-no-hpet`, `-overcommit mem-lock` for `-realtime mlock`).

## Strings it goes by
- `-soundhw: invalid option`
- `-no-hpet: invalid option`
- `Invalid parameter type for 'wait', expected: boolean`
"""

from __future__ import annotations

from virtup.causes import known
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU263"
SLUG = "qemu-arg-syntax-changed"
OVER = ("qemu-arg-typo",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="This QEMU no longer takes '{subject}' in the form that is used.",
    subject="the argument",
    phrases=(
        r"[:\s](?P<subject>-(?:soundhw|no-hpet|no-acpi|realtime|enable-fips|no-kvm\w*|chroot|runas|balloon|tdf|no-frame|alt-grab|ctrl-grab|no-quit|sdl|writeconfig|enable-hax|singlestep|async-teardown|portrait|usbdevice|mem-prealloc|show-cursor|drive-if|hdachs|win2k-hack|no-user-config|device-add)\b)[^\n]*: invalid option",
        r"invalid parameter '(?P<subject>vlan|cyls|heads|secs|trans|addr|serial|boot|acl)'",
        r"invalid parameter type for '(?P<subject>[\w.-]+)', expected: \w+",
        r"(?:the )?(?:option|parameter|property) '?(?P<subject>[\w.-]+)'? (?:has been|was|is) (?:removed|no longer supported)[^\n]*",
        r"block format '\w+' does not support the option '(?P<subject>serial|addr|cyls|heads|secs)'",
        r"unrecognized -machine option[^\n]*",
        r"(?P<subject>\w+=0|[\w-]+=) ?[^\n]{0,40}deprecated parameter[^\n]*",
    ),
    fixes=(Fix("update the tool that made the argument, or write it in today's form"),),
    proof=known.OPTION_GONE,
)
POSITIVE = (
    Evidence(stderr="qemu-system-x86_64: -soundhw hda: invalid option\n"),
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,wait=no: Invalid parameter type for 'wait', expected: boolean\n"
    ),
)
NEGATIVE = (Evidence(stderr="qemu-system-x86_64: -frobnicate: invalid option\n"),)

probes = _TOLD.probes
find = _TOLD.find

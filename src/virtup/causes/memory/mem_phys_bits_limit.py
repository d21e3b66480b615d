"""Guest memory exceeds the physical address bits of the CPU or machine.

## What it means
A machine can address as much as its CPU has physical address bits; the (virtual) CPU has fewer
than the memory and the devices behind it need.

## How to confirm
The message names the bits; `grep 'address sizes' /proc/cpuinfo`.

## What to do
Less `<memory>` or `<maxMemory>`; `<maxphysaddr mode='passthrough'/>` in `<cpu>`; on ARM
`highmem=on`.

## Strings it goes by
- `Addressing limited to 36 bits, but memory exceeds it by 1073741824 bytes`
- `Address space limit 0xfffffffff < 0x1fc00000000 phys-bits too low (36)`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU306"
SLUG = "mem-phys-bits-limit"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's memory is beyond what its machine can address ({subject}).",
    subject="address bits",
    phrases=(
        r"addressing limited to (?P<subject>\d+ bits)[^\n]*",
        r"phys-bits too low \((?P<subject>\d+)\)",
        r"(?:exceeds?|beyond|above)[^\n]{0,60}physical address (?:bits|space|width)[^\n]*",
        r"phys-bits[^\n]*(?:too (?:low|large|small)|should be)[^\n]*",
    ),
    fixes=(edit("lower <memory> and <maxMemory>, or set <maxphysaddr mode='passthrough'/>"),),
    proof=hosts.TOO_WIDE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-aarch64: Addressing limited to 36 bits, but memory exceeds it by 1073741824 bytes\n"
    ),
)
NEGATIVE = (Evidence(stderr="cannot set up guest memory 'pc.ram': Cannot allocate memory\n"),)

probes = _TOLD.probes
find = _TOLD.find

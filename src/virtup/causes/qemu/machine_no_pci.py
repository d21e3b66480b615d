"""The machine type has no PCI bus, as libvirt sees it.

## What it means
The definition has devices on PCI (a virtio disk, a controller), and the machine type has no PCI
bus: `isapc`, many ARM boards, microvm, or `virt` with an old libvirt.

## How to confirm
`virtup dumpxml NAME | grep -e machine= -e "type='pci'"`.

## What to do
Another machine type (`virt` on ARM and RISC-V), or devices of the kind that the board has
(`virtio-mmio`).

## Strings it goes by
- `No PCI buses available`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU259"
SLUG = "machine-no-pci"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest has PCI devices, and its machine type has no PCI bus.",
    subject="PCI",
    phrases=(
        r"no PCI buses available",
        r"(?:machine|board)[^\n]{0,60}(?:has no|does not have a|without a) PCI (?:bus|host|controller)[^\n]*",
        r"PCI (?:bus|controllers?) (?:is|are) not (?:supported|available) (?:by|on|for|with)[^\n]*machine[^\n]*",
    ),
    fixes=(
        edit("change the machine type to one with PCI ('pc', 'q35'), or remove what needs PCI"),
    ),
    proof=contradictions.MACHINE_WITHOUT_PCI,
)
WITHOUT_PCI = ("isapc", "microvm", "none")
POSITIVE = (
    Evidence(error="XML error: No PCI buses available"),
    Evidence(
        error="XML error: No PCI buses available",
        definition="<domain><os><type machine='isapc'>hvm</type></os></domain>",
    ),
)
NEGATIVE = (
    Evidence(error="qemu-system-x86_64: -device x: No 'PCI' bus found for device 'virtio-blk-pci'"),
)

probes = _TOLD.probes


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the machine type that the definition names."""
    machine = definition.machine(ev.definition)
    for found in _TOLD.find(ev):
        if not machine or machine in found.sentence:
            yield found
            continue
        sentence = f"The guest has PCI devices, and its machine type '{machine}' has no PCI bus."
        shown = f"the definition: its machine type is '{machine}'"
        yield replace(
            found,
            sentence=sentence,
            subject=machine,
            certainty=Certainty.PROVEN if machine in WITHOUT_PCI else found.certainty,
            evidence=tuple(dict.fromkeys((*found.evidence, shown))),
        )


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Use the plain PC where the machine was a PC without PCI."""
    machine = revise.first(ev.definition, "os/type")
    is_isa = machine is not None and machine.get("machine") == "isapc"
    return revise.given(machine, "machine", "pc") if is_isa else ()

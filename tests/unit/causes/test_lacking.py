"""What of the host a refused element asks for, and what is said when it is not there."""

from __future__ import annotations

from typing import Any

import pytest

from virtup.causes.catalogue import diagnose
from virtup.model.evidence import Evidence
from virtup.model.probe import BlockDrivers, Fact, Link, LinkFact, NamesFact, Probe
from virtup.model.probe_devices import PciDevice, PciFact
from virtup.model.probe_network import Network, NetworkFact
from virtup.model.probe_system import Program, ProgramFact

DEVICES = {
    "tpm": "<tpm model='tpm-tis'><backend type='emulator'/></tpm>",
    "hostdev": "<hostdev type='pci'><source><address bus='7' slot='0'/></source></hostdev>",
    "macvtap": "<interface type='direct'><source dev='eth9'/></interface>",
    "network": "<interface type='network'><source network='lan'/></interface>",
    "rbd": "<disk type='network'><source protocol='rbd' name='p/v'/></disk>",
}
QEMU = "/usr/bin/qemu-system-x86_64"
LOOKS: dict[str, tuple[Probe[Any], Fact, Fact, str]] = {
    "tpm": (Program("swtpm"), ProgramFact(), ProgramFact("/usr/bin/swtpm", True), "'swtpm' is not"),
    "hostdev": (
        PciDevice("0000:07:00.0"),
        PciFact(),
        PciFact(exists=True),
        "no PCI device 0000:07:00.0",
    ),
    "macvtap": (Link("eth9"), LinkFact(), LinkFact(exists=True), "'eth9' does not exist"),
    "network": (Network("lan"), NetworkFact(), NetworkFact(defined=True), "'lan' is not defined"),
    "rbd": (
        BlockDrivers(QEMU, 1),
        NamesFact(("raw", "nbd")),
        NamesFact(("raw", "rbd")),
        "has no block driver 'rbd'",
    ),
}


def said(device: str, probe: Probe[Any], fact: Fact) -> str:
    tag, kind = device[1:].split(" ", 1)[0], device.partition("type='")[2].partition("'")[0]
    words = f"attribute 'type' of <{tag}> is '{kind}', accepted is 'x'"
    if tag in ("tpm", "hostdev"):
        words = f"element <{tag}> in <devices> is not supported"
    ev = Evidence(
        phase="parse",
        error=f"XML error: {words} (<xml>, line 2, column 3)",
        definition=f"<domain><devices>\n{device}\n</devices></domain>",
        uid=1,
        host={probe: fact},
    )
    (finding,) = (one for one in diagnose(ev) if one.slug == "config-element-unsupported")
    return "\n".join(finding.evidence)


@pytest.mark.parametrize("what", sorted(DEVICES))
def test_only_what_is_not_there_is_said_to_be_lacking(what: str) -> None:
    probe, gone, there, words = LOOKS[what]
    assert words in said(DEVICES[what], probe, gone)
    assert words not in said(DEVICES[what], probe, there)


def test_the_definition_itself_may_lack_what_is_needed() -> None:
    error = (
        "XML error: attribute 'type' of <driver> is 'virtiofs', accepted is 'path' or 'handle' "
        "(<xml>, line 2, column 3)"
    )
    xml = (
        "<domain>{}<devices><filesystem>\n<driver type='virtiofs'/></filesystem></devices></domain>"
    )
    shared = "<memoryBacking><access mode='shared'/></memoryBacking>"
    for head, lacks in (("", True), (shared, False)):
        (first, *_) = diagnose(Evidence(phase="parse", error=error, definition=xml.format(head)))
        assert ("memory is not shared" in "".join(first.evidence)) is lacks

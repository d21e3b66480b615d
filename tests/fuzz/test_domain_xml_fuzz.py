"""A damaged definition gives a definition or one clear error, never anything else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.caps import AnyQemu
from virtup.errors import ConfigUnsupported, XmlInvalid, XmlRefused
from virtup.model.domain import format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.qemu.argv import build
from virtup.qemu.runtime import Runtime

EXPECTED = (XmlInvalid, XmlRefused, ConfigUnsupported)


RICH = """<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm</name>
  <uuid>ebfaadbe-e908-ba92-fdb8-3fa2db557a42</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/boot/vmlinuz</kernel>
    <cmdline>a=b,c</cmdline>
    <bootmenu enable='yes' timeout='3000'/>
  </os>
  <features><acpi/><apic eoi='on'/><vmcoreinfo/></features>
  <cpu mode='host-passthrough'><topology sockets='2' cores='1' threads='1'/></cpu>
  <clock offset='absolute' start='1234'><timer name='rtc' tickpolicy='catchup'/></clock>
  <on_reboot>destroy</on_reboot>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
      <source file='/tmp/a,b.qcow2'/><target dev='vda'/><boot order='1'/></disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
    <disk type='file'><source file='/x'/><target dev='sdb' bus='scsi'/>
      <address type='drive' controller='1' unit='3'/></disk>
    <disk type='file' device='floppy'><target dev='fda'/></disk>
    <controller type='scsi' model='virtio-scsi'/>
    <controller type='usb' model='ich9-ehci1'/>
    <controller type='usb' model='ich9-uhci1'/>
    <controller type='pci' index='3' model='pcie-root-port'/>
    <interface type='user'><model type='e1000'/></interface>
    <interface type='ethernet'><model type='virtio'/><target dev='tap0'/></interface>
    <serial type='pty'/>
    <serial type='file'><source path='/tmp/log'/></serial>
    <console type='pty'><target type='virtio'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <input type='tablet' bus='usb'/>
    <hub type='usb'/>
    <graphics type='vnc' port='-1' keymap='en-gb'/>
    <video><model type='qxl'/></video>
    <watchdog model='i6300esb'/>
    <rng model='virtio'><rate bytes='10'/><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio' autodeflate='on'/>
    <panic model='isa'/>
  </devices>
  <qemu:commandline><qemu:arg value='-x'/><qemu:env name='A' value='b'/></qemu:commandline>
</domain>
"""


def run(xml: str | bytes) -> bool:
    """Whether *xml* is accepted, and everything that is made of it can be made."""
    try:
        dom = complete(
            parse_domain(xml, source="vm.xml"),
            AnyQemu(),
            uuid="ebfaadbe-e908-ba92-fdb8-3fa2db557a42",
            mac=lambda: "52:54:00:00:00:01",
            emulator="/usr/bin/qemu-system-x86_64",
        )
        text = format_domain(dom)
        live = with_aliases(dom)
        line = build(live, AnyQemu(), Runtime.example(live))
    except EXPECTED as caught:
        refusal = caught.message
    else:
        assert parse_domain(text, source="vm.xml") == dom
        assert all("\0" not in word for word in line.argv)
        return True
    assert "vm.xml" in refusal
    assert len(refusal) < 2000
    return False


def test_the_whole_one_is_accepted() -> None:
    assert run(RICH)


@given(st.data())
@settings(max_examples=150)
def test_changed_words(data: st.DataObject) -> None:
    """A word becomes another word of the document, or a strange one."""
    words = sorted({part for part in RICH.replace("'", " ").split() if part.isalnum()})
    strange = ["", "-1", "0", "99999999999999999999", "/", "x" * 300, "\t", "none", "0x1f", "é"]
    old = data.draw(st.sampled_from(words))
    new = data.draw(st.sampled_from(words + strange))
    run(RICH.replace(old, new))


@given(st.lists(st.integers(0, RICH.count("\n") - 1), min_size=1, max_size=6))
@settings(max_examples=150)
def test_lost_and_doubled_lines(numbers: list[int]) -> None:
    lines = RICH.splitlines(keepends=True)
    for position, number in enumerate(numbers):
        lines[number] = "" if position % 2 else lines[number] * 2
    run("".join(lines))


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes(seed: int) -> None:
    chance = random.Random(seed)
    raw = bytearray(RICH.encode())
    for _ in range(chance.randint(1, 8)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)

    run(bytes(raw))


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_garbage(raw: bytes) -> None:
    assert not run(raw)


@given(st.text(max_size=300))
@settings(max_examples=100)
def test_text(text: str) -> None:
    assert not run(text)

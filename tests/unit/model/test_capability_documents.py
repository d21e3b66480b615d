"""The two documents about what can be had: one declaration, both directions, libvirt's schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.fakes.answers import answers
from virtup.model import capabilities as document
from virtup.model.capabilities import HostCapabilities, format_capabilities
from virtup.model.domain_capabilities import DomainCapabilities, format_domain_capabilities
from virtup.model.field import Element, Reader, parse_element
from virtup.qemu.capabilities import from_answers
from virtup.qemu.offer import offer

SCHEMAS = Path("/usr/share/libvirt/schemas")

HOST = HostCapabilities(
    host=document.Host(
        uuid="4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
        cpu=document.HostCpu(
            arch="x86_64",
            vendor="AMD",
            microcode=1,
            signature=document.Signature(family=25, model=17, stepping=1),
            topology=document.CpuTopology(sockets=1, dies=1, cores=2, threads=1),
            physical_bits_mode="emulate",
            physical_bits=48,
            pages=(document.Pages(unit="KiB", size_kib=4),),
        ),
        iommu=False,
        cell_count=1,
        cells=(
            document.Cell(
                id=0,
                memory_kib=1024,
                pages=(document.Pages(unit="KiB", size_kib=4, count=256),),
                distances=(document.Sibling(id=0, value=10),),
                cpu_count=1,
                cpus=(document.CellCpu(id=0, socket_id=0, die_id=0, core_id=0, siblings="0-1"),),
            ),
        ),
        cache=(document.Bank(id=0, level=3, type="both", size=32, unit="MiB", cpus="0-1"),),
        secmodel=(
            document.SecModel(
                model="dac",
                doi="0",
                baselabel=(document.BaseLabel(type="kvm", label="+1:+1"),),
            ),
        ),
    ),
    guest=(
        document.Guest(
            os_type="hvm",
            arch="x86_64",
            wordsize=64,
            emulator="/usr/bin/qemu",
            machine=(
                document.GuestMachine(name="pc-i440fx-8.1", cpu_max=255),
                document.GuestMachine(name="pc", canonical="pc-i440fx-8.1", deprecated=True),
            ),
            domain=(document.GuestDomain(type="qemu"),),
            acpi=document.Toggle(default=True, toggle=True),
            cpuselection=True,
        ),
    ),
)


def domain() -> DomainCapabilities:
    caps = from_answers(answers())
    machine = caps.machine("pc")
    assert machine is not None
    return offer(caps, emulator="/usr/bin/qemu", arch="x86_64", machine=machine, virt_type="kvm")


def again(kind: type[Element], xml: str) -> Element:
    return parse_element(kind, etree.fromstring(xml), Reader("<test>", xml))


def valid(name: str, xml: str) -> None:
    path = SCHEMAS / f"{name}.rng"
    if not path.is_file():
        pytest.skip(f"{path} is not installed (libvirt-daemon or libvirt-clients has it)")
    schema = etree.RelaxNG(etree.parse(path))
    assert schema.validate(etree.fromstring(xml)), schema.error_log


def test_the_hosts_document_is_read_again_equal() -> None:
    assert again(HostCapabilities, format_capabilities(HOST)) == HOST


def test_the_domains_document_is_read_again_equal() -> None:
    made = domain()
    assert again(DomainCapabilities, format_domain_capabilities(made)) == made


def test_the_hosts_document_is_as_libvirts_schema_says() -> None:
    valid("capability", format_capabilities(HOST))


def test_the_domains_document_is_as_libvirts_schema_says() -> None:
    valid("domaincaps", format_domain_capabilities(domain()))


def test_the_hosts_document_in_full() -> None:
    """The text itself, once: element and attribute names are an interface."""
    text = format_capabilities(HOST)
    for line in (
        "    <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>",
        "      <maxphysaddr mode='emulate' bits='48'/>",
        "          <memory unit='KiB'>1024</memory>",
        "          <pages unit='KiB' size='4'>256</pages>",
        "            <cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0-1'/>",
        "      <bank id='0' level='3' type='both' size='32' unit='MiB' cpus='0-1'/>",
        "      <baselabel type='kvm'>+1:+1</baselabel>",
        "      <machine canonical='pc-i440fx-8.1' deprecated='yes'>pc</machine>",
        "      <acpi default='on' toggle='yes'/>",
        "      <cpuselection/>",
    ):
        assert line in text.splitlines(), line

"""A small definition made whole: defaults, implicit devices, addresses, aliases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.caps import AnyQemu
from virtup.errors import Code, ConfigUnsupported, VirtError, XmlRefused
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete

UUID = "ebfaadbe-e908-ba92-fdb8-3fa2db557a42"
MAC = "52:54:00:00:00:01"


def xml(devices: str = "", *, machine: str = "pc", type: str = "qemu", head: str = "") -> str:
    return (
        f"<domain type='{type}'>\n<name>vm</name>\n<memory unit='MiB'>64</memory>\n"
        f"<os><type arch='x86_64' machine='{machine}'>hvm</type></os>\n{head}\n"
        f"<devices>\n{devices}\n</devices>\n</domain>"
    )


def made(text: str, **options: Any) -> Domain:
    dom = parse_domain(text, source="vm.xml")
    return complete(dom, AnyQemu(), uuid=UUID, mac=lambda: MAC, emulator="/usr/bin/qemu", **options)


def places(dom: Domain) -> dict[str, str]:
    """The PCI address of every device, by alias."""
    live = with_aliases(dom)
    found: dict[str, str] = {}
    for name in live.devices.__dataclass_fields__:
        group = getattr(live.devices, name)
        for one in group if isinstance(group, tuple) else (group,):
            address = getattr(one, "address", None)
            if getattr(address, "KIND", ("", ""))[1] == "pci":
                found[one.alias] = str(address)
    return found


def test_defaults() -> None:
    dom = made(xml())

    assert dom.uuid == UUID
    assert dom.os.machine == "pc-i440fx-7.2"
    assert dom.os.boot == ("hd",)
    assert dom.current_memory_kib == dom.memory_kib == 65536
    assert dom.vcpus == dom.vcpus_current == 1
    assert (dom.on_poweroff, dom.on_reboot, dom.on_crash) == ("destroy", "restart", "destroy")
    assert dom.devices.emulator == "/usr/bin/qemu"
    assert dom.cpu is not None
    assert dom.cpu.model is not None
    assert dom.cpu.model.name == "qemu64"


def test_what_is_given_stays() -> None:
    dom = made(
        xml("<emulator>/opt/qemu</emulator>", head=f"<uuid>{UUID[::-1][:0]}{UUID}</uuid>"),
    )

    assert dom.devices.emulator == "/opt/qemu"


def test_implicit_devices_of_a_pc() -> None:
    devices = made(xml()).devices

    assert [(one.type, one.model) for one in devices.controller] == [
        ("usb", "piix3-uhci"),
        ("pci", "pci-root"),
    ]
    assert [(one.type, one.bus) for one in devices.input] == [("mouse", "ps2"), ("keyboard", "ps2")]
    assert devices.memballoon is not None
    assert devices.memballoon.model == "virtio"


def test_implicit_devices_of_a_q35_leave_one_port_free() -> None:
    devices = made(xml(machine="q35")).devices

    models = [one.model for one in devices.controller]
    assert models == ["qemu-xhci", None, "pcie-root", *["pcie-root-port"] * 3]


def test_an_older_qemu_gets_an_older_usb_controller() -> None:
    dom = parse_domain(xml(machine="q35"))
    lacking = AnyQemu(lacks=frozenset({"device.qemu-xhci"}))
    done = complete(dom, lacking, uuid=UUID, mac=lambda: MAC, emulator="/q")

    assert done.devices.controller[0].model == "nec-xhci"


def test_conventional_cards_on_q35_get_a_bridge_below_a_port() -> None:
    devices = made(
        xml("<interface type='user'><model type='rtl8139'/></interface>", machine="q35")
    ).devices

    bridge = next(one for one in devices.controller if one.model == "pcie-to-pci-bridge")
    assert str(devices.interface[0].address) == f"0000:{bridge.index:02x}:01.0"
    assert bridge.address is not None
    assert str(bridge.address) == "0000:01:00.0"


def test_a_full_bus_gets_a_bridge() -> None:
    disks = "".join(
        f"<disk><source file='/d{n}'/><target dev='vd{chr(97 + n // 26)}{chr(97 + n % 26)}'/></disk>"
        for n in range(40)
    )
    dom = made(xml(disks))

    bridges = [one for one in dom.devices.controller if one.model == "pci-bridge"]
    assert [one.index for one in bridges] == [1]
    assert len(set(places(dom).values())) == len(places(dom))
    assert bridges[0].target is not None
    assert bridges[0].target.chassis_nr == 1


def test_the_founding_guest_has_its_hardware_where_libvirt_puts_it() -> None:
    dom = made(
        xml(
            "<disk type='file'><source file='/a'/><target dev='hda'/></disk>"
            "<interface type='user'><model type='virtio'/></interface>"
            "<serial type='pty'/><graphics type='vnc'/>"
        )
    )

    assert places(dom) == {
        "usb": "0000:00:01.2",
        "ide": "0000:00:01.1",
        "net0": "0000:00:03.0",
        "video0": "0000:00:02.0",
        "balloon0": "0000:00:04.0",
    }
    assert dom.devices.video[0].type == "cirrus"
    assert dom.devices.graphics[0].port == -1
    assert dom.devices.graphics[0].autoport is True


def test_functions_that_share_a_slot_are_marked() -> None:
    card = "<interface type='user'><address type='pci' slot='5' function='{}'/></interface>"
    first, second = made(xml(card.format(0) + card.format(1))).devices.interface

    assert first.address is not None
    assert second.address is not None
    assert getattr(first.address, "multifunction", None) is True
    assert getattr(second.address, "multifunction", None) is None


@pytest.mark.parametrize(
    ("dev", "alias"),
    [
        ("hda", "ide0-0-0"),
        ("hdd", "ide0-1-1"),
        ("sdb' bus='sata", "sata0-0-1"),
        ("fda", "fdc0-0-0"),
        ("vdc", "virtio-disk2"),
        ("sdc' bus='scsi", "scsi0-0-2"),
        ("sda' bus='usb", "usb-disk0"),
        ("vdab", "virtio-disk27"),
    ],
)
def test_disks_are_named_after_their_place(dev: str, alias: str) -> None:
    dom = made(xml(f"<disk type='file'><source file='/a'/><target dev='{dev}'/></disk>"))

    assert with_aliases(dom).devices.disk[0].alias == alias


def test_scsi_unit_seven_is_the_controllers_own() -> None:
    disks = "".join(
        f"<disk><source file='/{letter}'/><target dev='sd{letter}' bus='scsi'/></disk>"
        for letter in "abcdefghijklmnop"
    )
    found = made(xml(disks)).devices.disk

    units = [
        (getattr(d.address, "controller", None), getattr(d.address, "unit", None)) for d in found
    ]
    assert units == [*((0, n) for n in range(16) if n != 7), (1, 0)]


def test_a_console_is_the_serial_ports_other_name() -> None:
    for devices in ("<serial type='pty'/>", "<console type='pty'/>"):
        live = with_aliases(made(xml(devices))).devices
        assert live.serial[0].target_type == "isa-serial"
        assert live.console[0].target_type == "serial"
        assert live.console[0].alias == live.serial[0].alias == "serial0"


def test_usb_devices_get_ports() -> None:
    live = made(xml("<input type='tablet' bus='usb'/><hub type='usb'/>")).devices

    assert live.hub[0].address is not None
    assert [getattr(one.address, "port", None) for one in (live.hub[0], live.input[0])] == [
        "1",
        "2",
    ]


def test_agent_channels_get_a_controller_and_a_port() -> None:
    live = made(
        xml("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")
    ).devices

    assert any(one.type == "virtio-serial" for one in live.controller)
    assert getattr(live.channel[0].address, "port", None) == 1


def test_a_bus_that_only_an_address_names_is_made() -> None:
    rng = (
        "<rng model='virtio'><backend model='random'/><address type='pci' bus='2' slot='3'/></rng>"
    )

    assert [one.index for one in made(xml(rng)).devices.controller if one.type == "pci"] == [
        0,
        1,
        2,
    ]


def test_controllers_without_an_index_are_numbered() -> None:
    devices = made(xml("<controller type='usb'/><controller type='usb' index='0'/>")).devices

    assert sorted(one.index or 0 for one in devices.controller if one.type == "usb") == [0, 1]


def test_completing_again_changes_nothing() -> None:
    once = made(xml("<serial type='pty'/><graphics type='vnc'/>", machine="q35"))
    again = complete(
        parse_domain(format_domain(once)), AnyQemu(), uuid=None, mac=lambda: "", emulator="/none"
    )

    assert format_domain(again) == format_domain(once)


def test_a_running_guests_xml_may_be_defined_again() -> None:
    once = made(xml("<serial type='pty'/><interface type='user'/>"))
    live = format_domain(with_aliases(once), id=7)

    assert "id='7'" in live
    assert "<alias name='net0'/>" in live
    assert format_domain(made(live)) == format_domain(once)


def test_kvm_guests_have_their_cpu_compared() -> None:
    head = "<cpu><model>Haswell</model></cpu>"
    for type_, check in (("kvm", "partial"), ("qemu", "none")):
        cpu = made(xml(type=type_, head=head)).cpu
        assert cpu is not None
        assert (cpu.mode, cpu.match, cpu.check) == ("custom", "exact", check)


REFUSED = [
    ("<disk><source file='/a'/><target dev='hde'/></disk>", "Only a single ide controller"),
    ("<disk><source file='/a'/><target dev='hdzzzzzz'/></disk>", "accepted are up to 255"),
    (
        "<disk><source file='/a'/><target dev='vda'/></disk>" * 2,
        "target 'vda' duplicated for disk sources",
    ),
    (
        "<disk><source file='/a'/><target dev='sda' bus='sata'/><address type='drive' unit='6'/></disk>",
        "has unit 6 on its sata controller, accepted are 0 to 5",
    ),
    (
        "<disk><source file='/a'/><target dev='hda'/><address type='pci' slot='4'/></disk>",
        "invalid address type 'pci'",
    ),
    ("<controller type='pci' index='0' model='pcie-root'/>", "must be model='pci-root'"),
    ("<controller type='pci' index='1'/>", "a pci controller has no 'model'"),
    ("<controller type='usb' index='256'/>", "from 0 to 255"),
    ("<controller type='usb' model='virtio'/>", "a usb controller has no model 'virtio'"),
    ("<controller type='usb' model='ich9-uhci1'/>", "has no 'ich9-ehci1' controller"),
    (
        (
            "<rng model='virtio'><backend model='random'/><address type='pci' slot='3'/></rng>"
            "<rng model='virtio'><backend model='random'/><address type='pci' slot='3'/></rng>"
        ),
        "attempted double use of PCI Address 0000:00:03.0",
    ),
    (
        "<controller type='usb' model='none'/><input type='tablet' bus='usb'/>",
        "needs a USB bus, which is disabled",
    ),
    (
        (
            "<channel type='unix'><target type='virtio' name='a'/>"
            "<address type='virtio-serial' controller='0' port='40'/></channel>"
        ),
        "virtio serial port 40 on controller 0 is taken or not there",
    ),
    (
        "<input type='tablet' bus='usb'><address type='usb' port='9'/></input>",
        "requested USB port 9 not present on USB bus 0",
    ),
    ("<input type='tablet' bus='ps2'/>", "does not support tablet input"),
    ("<serial type='pty'><target port='0'/></serial>" * 2, "target port '0' already allocated"),
    ("<video><model type='qxl' vgamem='100'/></video>", "'vgamem' must be at least 1 MiB"),
    ("<video><model type='qxl' vgamem='3072'/></video>", "'vgamem' must be power of two"),
    ("<video><model type='vga' vram='100'/></video>", "'vram' must be at least 1 MiB"),
    ("<interface type='network'/>", "accepted is 'user' or 'ethernet' or 'bridge'"),
    ("<interface type='bridge'/>", "names its bridge"),
    ("<graphics type='spice'/>", "accepted is 'vnc'"),
    ("<graphics type='vnc' port='22'/>", "VNC port 22 is not accepted"),
    ("<graphics type='vnc' passwd='123456789'/>", "VNC password is 9 characters long, only 8"),
    (
        "<graphics type='vnc' passwd='x' passwdValidTo='2099-02-30T00:00:00'/>",
        "accepted is a time in UTC such as",
    ),
    ("<graphics type='vnc' passwd='x' connected='disconnect'/>", "'connected' of <graphics>"),
    ("<memballoon model='xen'/>", "attribute 'model' of <memballoon> is 'xen'"),
    ("<tpm model='tpm-tis'/>", "element <tpm> in <devices> is not supported"),
]


@pytest.mark.parametrize(("devices", "words"), REFUSED)
def test_impossible_devices_are_refused_with_their_line(devices: str, words: str) -> None:
    with pytest.raises((XmlRefused, ConfigUnsupported)) as caught:
        made(xml(devices))
    assert words in caught.value.message
    assert "vm.xml, line " in caught.value.message


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("<name>", xml().replace("<name>vm", "<name>a/b")),
        ("<memory", xml().replace(">64<", ">0<")),
        ("<kernel>", xml().replace("</type>", "</type>\n    <kernel></kernel>")),
    ],
)
def test_an_impossible_value_is_pointed_at_where_it_stands(tag: str, text: str) -> None:
    with pytest.raises(XmlRefused) as caught:
        made(text)
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if tag in line)
    column = lines[at].index(tag) + 1
    assert caught.value.message.endswith(f"(vm.xml, line {at + 1}, column {column})")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (xml().replace("<name>vm", "<name>a/b"), "name 'a/b' cannot contain '/'"),
        (xml().replace("<name>vm", "<name>a&#10;b"), "cannot contain control characters"),
        (xml().replace("<name>vm", "<name>"), "cannot be empty"),
        (xml().replace("<name>vm", "<name>.."), "it is a directory"),
        (xml().replace("<name>vm", f"<name>{'x' * 201}"), "longer than 200 bytes"),
        (xml().replace(">64<", ">0<"), "the guest has no memory"),
        (xml().replace("<memory unit='MiB'>64</memory>", ""), "<domain> has no <memory>"),
        (xml(machine="virt"), "does not support machine type 'virt'"),
        (xml().replace("x86_64", "alpha"), "does not support arch 'alpha'"),
        (xml(head="<vcpu>300</vcpu>"), "machine type limit 255"),
        (xml(head="<vcpu current='3'>2</vcpu>"), "3 CPUs at the start"),
        (
            xml(head="<vcpu>3</vcpu><cpu><topology sockets='1' cores='2' threads='1'/></cpu>"),
            "it makes 2 CPUs, <vcpu> has 3",
        ),
        (
            xml(head="<seclabel type='dynamic' model='selinux'/>"),
            "<seclabel> is 'dynamic', accepted is 'none'",
        ),
        ("<network/>", "the root element is <network>, accepted is <domain>"),
        (xml(head="<features><pvspinlock/></features>"), "needs a domain of type 'kvm'"),
        (
            xml(
                "<disk><source file='/a'/><target dev='vda'/><boot order='1'/></disk>"
                "<disk><source file='/b'/><target dev='vdb'/><boot order='1'/></disk>"
            ),
            "boot order '1' used for more than one device",
        ),
    ],
)
def test_impossible_guests_are_refused_with_their_place(text: str, words: str) -> None:
    with pytest.raises(VirtError) as caught:
        made(text)

    assert words in caught.value.message
    assert "vm.xml, line " in caught.value.message
    assert caught.value.code in (Code.XML_ERROR, Code.CONFIG_UNSUPPORTED)


def test_a_domain_without_devices_is_one_with_none() -> None:
    text = "<domain type='qemu'><name>g</name><memory>65536</memory><os><type>hvm</type></os>"
    assert parse_domain(f"{text}</domain>") == parse_domain(f"{text}<devices/></domain>")

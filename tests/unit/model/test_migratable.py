"""What another host is given of a definition."""

from tests.fakes.caps import AnyQemu
from tests.unit.model.test_complete import MAC, UUID, xml
from virtup.model.domain import format_domain, parse_domain
from virtup.model.domain.fill import complete
from virtup.model.domain.migratable import as_migratable


def shown(devices: str, **more: str) -> str:
    dom = parse_domain(xml(devices, **more))
    done = complete(dom, AnyQemu(), uuid=UUID, mac=lambda: MAC, emulator="/usr/bin/qemu")
    return format_domain(as_migratable(done), secure=True, inactive=True)


def test_what_every_libvirt_adds_is_left_out() -> None:
    text = shown("<graphics type='vnc' passwd='s'/>")
    for implied in ("<controller", "type='keyboard'", "<audio"):
        assert implied not in text
    assert "<input type='mouse' bus='ps2'/>" in text
    assert "port='-1' autoport='yes' passwd='s'" in text


def test_what_was_chosen_stays() -> None:
    text = shown(
        "<controller type='usb' index='0' model='nec-xhci'/><controller type='sata' index='0'/>"
        "<input type='keyboard' bus='usb'/><audio id='1' type='file' />"
        "<graphics type='vnc' port='5901' autoport='no' listen='0.0.0.0'/>"
    )
    for chosen in ("nec-xhci", "type='sata'", "type='keyboard' bus='usb'", "<audio id='1'"):
        assert chosen in text
    assert "port='5901' autoport='no' listen='0.0.0.0'" in text


def test_the_first_of_several_usb_controllers_stays() -> None:
    text = shown("<controller type='usb' index='0'/><controller type='usb' index='1'/>")
    assert text.count("type='usb'") == 2

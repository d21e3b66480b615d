"""What was meant where a definition is refused, and which of several arguments is taken out."""

from __future__ import annotations

import pytest

from virtup.causes import catalogue
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import mistyped
from virtup.model.evidence import Evidence
from virtup.model.repair import Change, EditDefinition

QEMU = "/usr/bin/qemu-system-x86_64"


@pytest.mark.parametrize(
    ("typed", "names", "meant"),
    [
        ("kmv", ["qemu", "kvm"], "kvm"),
        ("virtoi", ["ide", "virtio", "usb"], "virtio"),
        ("qcow3", ["qcow", "qcow2", "qed"], "qcow2"),
        ("Haswel", ["Haswell", "Haswell-v1"], "Haswell"),
        ("pulse", ["alsa", "pulseaudio"], "pulseaudio"),
        ("local", ["utc", "localtime"], "localtime"),
        ("xen", ["qemu", "kvm"], ""),
        ("vhostuser", ["user", "ethernet", "bridge"], ""),
        ("network", ["user", "ethernet", "bridge"], ""),
        ("xhci", ["ehci", "qemu-xhci", "nec-xhci"], ""),
        ("virtio-sound-pci", ["virtio-mouse-pci", "virtio-net-pci"], ""),
        ("", ["a"], ""),
        ("a", [], ""),
    ],
)
def test_a_slip_of_the_keys_is_told_from_another_word(typed, names, meant):
    assert mistyped(typed, names) == meant


def only(ev: Evidence) -> Finding:
    (found,) = catalogue.diagnose(ev)
    return found


def changes(found: Finding) -> list[Change]:
    repairs = [one for fix in found.fixes for one in fix.repair]
    return [change for one in repairs if isinstance(one, EditDefinition) for change in one.changes]


def refused(value: str, accepted: str) -> Evidence:
    return Evidence(
        error=f"XML error: attribute 'type' of <domain> is '{value}', accepted is {accepted} "
        "(<xml>, line 1, column 1)",
        definition=f"<domain type='{value}'><name>vm</name></domain>",
    )


def test_the_word_that_was_meant_is_put_there():
    found = only(refused("kmv", "'qemu' or 'kvm'"))
    assert (found.slug, found.certainty) == ("xml-value-invalid", Certainty.PROVEN)
    assert "'kvm' was meant" in found.sentence
    assert [(one.attribute, one.old, one.new) for one in changes(found)] == [("type", "kmv", "kvm")]


def test_a_kind_that_libvirt_may_know_is_one_that_is_lacking():
    found = only(refused("xen", "'qemu' or 'kvm'"))
    assert found.slug == "config-element-unsupported"
    assert "use qemu or kvm there" in found.fixes[0].text
    assert changes(found) == []


def raw(*words: str) -> str:
    args = "".join(f"<qemu:arg value='{word}'/>" for word in words)
    return (
        "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        f"<qemu:commandline>{args}</qemu:commandline></domain>"
    )


@pytest.mark.parametrize(
    "said",
    [
        "-device e1000,x=1: Property 'e1000.x' not found",
        "-device e1000,x=1: Property 'e1000.netdev' can't find value 'n'",
    ],
)
def test_of_several_arguments_the_one_that_qemu_quotes_goes(said):
    words = ("-device", "usb-ehci", "-device", "e1000,x=1", "-device", "i6300esb")
    ev = Evidence(
        stderr=f"qemu-system-x86_64: {said}\n", argv=(QEMU, *words), definition=raw(*words)
    )
    paths = [one.path for one in changes(only(ev))]
    assert all(path.endswith(("[3]", "[4]")) for path in paths), paths
    assert [one.old for one in changes(only(ev))] == [
        "value='-device'",
        "value='e1000,x=1'",
    ]


def test_a_device_of_the_definition_is_named_by_its_place():
    ev = Evidence(
        stderr='qemu-system-x86_64: -device {"id":"serial1"}: it cannot be.\n',
        argv=(QEMU, "-device", '{"id":"serial0"}', "-device", '{"id":"serial1"}'),
        definition="<domain><devices>\n<serial type='pty'/>\n<serial type='pty'/></devices></domain>",
    )
    found = only(ev)
    assert found.slug == "qemu-argument-refused"
    assert found.sentence == "QEMU refuses <serial> (line 3) ('serial1'): it cannot be."

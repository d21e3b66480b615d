from __future__ import annotations

import pytest

from tests.fakes.caps import AnyQemu
from tests.unit.model.test_complete import MAC, UUID, xml
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.qemu.settle import commands, host_cpus, pins


def made(text: str) -> Domain:
    dom = parse_domain(text)
    return with_aliases(
        complete(dom, AnyQemu(), uuid=UUID, mac=lambda: MAC, emulator="/usr/bin/qemu")
    )


def told(text: str) -> list[tuple[str, dict[str, object]]]:
    return [(one.name, one.arguments) for one in commands(made(text))]


def test_a_plain_guest_needs_none() -> None:
    assert told(xml()) == []
    assert host_cpus(made(xml())) == ()


def test_all_that_has_no_option() -> None:
    text = xml(
        "<disk device='cdrom'><target dev='hdc' tray='open'/></disk>"
        "<interface type='user'><link state='down'/></interface>"
        "<memballoon model='virtio'><stats period='10'/></memballoon>",
        head="<on_reboot>destroy</on_reboot><currentMemory unit='MiB'>32</currentMemory>",
    )

    assert told(text) == [
        ("set-action", {"reboot": "shutdown"}),
        ("set_link", {"name": "net0", "up": False}),
        ("blockdev-open-tray", {"id": "ide0-1-0", "force": True}),
        (
            "qom-set",
            {
                "path": "/machine/peripheral/balloon0",
                "property": "guest-stats-polling-interval",
                "value": 10,
            },
        ),
        ("balloon", {"value": 32 << 20}),
    ]


def test_a_guest_without_a_balloon_keeps_its_memory() -> None:
    text = xml("<memballoon model='none'/>", head="<currentMemory unit='MiB'>32</currentMemory>")

    assert told(text) == []


def test_host_cpus() -> None:
    assert host_cpus(made(xml(head="<vcpu cpuset='0-2,^1'>1</vcpu>"))) == (0, 2)


@pytest.mark.parametrize(
    ("attributes", "until"),
    [
        ("passwd='s'", "never"),
        ("passwd='s' passwdValidTo='2099-04-09T15:51:00' connected='keep'", "4079433060"),
        ("passwd=''", "now"),
    ],
)
def test_a_password_is_told_on_the_monitor_alone(attributes: str, until: str) -> None:
    text = xml(f"<graphics type='vnc' {attributes}/>")
    password = {"protocol": "vnc", "password": attributes[8:9].strip("'"), "connected": "keep"}

    assert told(text) == [
        ("set_password", password),
        ("expire_password", {"protocol": "vnc", "time": until}),
    ]
    assert "password='s'" not in repr(made(text))


def test_without_a_password_its_term_is_forgotten() -> None:
    text = xml("<graphics type='vnc' passwdValidTo='2099-04-09T15:51:00' connected='keep'/>")
    assert told(text) == []
    assert "passwdValidTo" not in format_domain(made(text), secure=True)


def test_threads_are_pinned_where_the_definition_says():
    whole = "<vcpu cpuset='0-3'>2</vcpu>"
    tune = (
        "<iothreads>1</iothreads><cputune><vcpupin vcpu='1' cpuset='2'/>"
        "<emulatorpin cpuset='0'/><iothreadpin iothread='1' cpuset='3'/></cputune>"
    )
    none = pins(made(xml()))
    assert (none.any_thread, [cpus for _, cpus in none.named() if cpus]) == (False, [])
    assert not pins(made(xml(head=whole))).any_thread
    found = pins(made(xml(head=whole + tune)))
    assert (found.emulator, found.other_vcpus) == ((0,), (0, 1, 2, 3))
    assert (found.vcpus, found.iothreads) == ({1: (2,)}, {1: (3,)})
    assert dict(found.named())["<vcpupin vcpu='1'>"] == (2,)
    assert pins(made(xml(head=tune))).other_vcpus == ()

from __future__ import annotations

from tests.fakes.caps import AnyQemu
from tests.unit.model.test_complete import MAC, UUID, xml
from virtup.model.domain import Domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.qemu.settle import commands, host_cpus


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

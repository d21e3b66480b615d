"""Settings that nothing would come of are refused, each by name and place."""

from __future__ import annotations

import pytest

from tests.fakes.caps import AnyQemu
from virtup.errors import ConfigUnsupported
from virtup.model.domain import parse_domain
from virtup.model.domain.fill import complete

XML = """<domain type='qemu'><name>g</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
<memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>{head}
<devices>{devices}</devices></domain>"""


def disk(inside="", *, driver="type='raw'", more="", bus="ide", device="disk"):
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' {driver}/>"
        f"<source file='/x' {more}/><target dev='{'vda' if bus == 'virtio' else 'hda'}' bus='{bus}'/>"
        f"{inside}</disk>"
    )


def nic(inside, *, kind="ethernet", model="rtl8139"):
    return f"<interface type='{kind}'>{inside}<model type='{model}'/></interface>"


REFUSED = [
    (disk(driver="type='raw' queues='2'"), "'queues' belongs to bus 'virtio'"),
    (disk(driver="type='raw' iommu='on'"), "'iommu' belongs to bus 'virtio'"),
    (disk("<acpi index='3'/>"), "<acpi> belongs to bus 'virtio'"),
    (disk(driver="type='raw' discard_no_unref='on'"), "needs an image of type 'qcow2'"),
    (disk(more="startupPolicy='requisite'"), "'requisite' belongs to CD-ROM and floppy"),
    (disk().replace("bus='ide'", "bus='ide' removable='on'"), "'removable' belongs to"),
    (disk().replace("bus='ide'", "bus='ide' tray='open'"), "'tray' belongs to"),
    (
        "<rng model='virtio'><backend model='builtin'/><address type='dimm' slot='0'/></rng>",
        "<rng> has no address of type 'dimm'",
    ),
    (
        "<parallel type='null'><address type='isa' irq='0x7'/></parallel>",
        "<parallel> has no address of type 'isa'",
    ),
    (
        disk("<address type='drive' unit='0'/>", bus="virtio"),
        "<disk> has no address of type 'drive'",
    ),
    (nic("<driver rx_queue_size='256'/>"), "'rx_queue_size' belongs to model 'virtio'"),
    (nic("<target managed='no'/>"), "names the tap that is to be used"),
    (
        nic("<source bridge='b'/><target dev='t' managed='no'/>", kind="bridge"),
        "belongs to type 'ethernet'",
    ),
    (nic("<mtu size='1400'/>", kind="user"), "<mtu> with user networking"),
    (
        "<watchdog model='i6300esb' action='dump'/>",
        "watchdog action 'dump' is not supported",
    ),
    (
        "<watchdog model='i6300esb' action='none'/><watchdog model='ib700' action='pause'/>",
        "one action in common",
    ),
    ("<controller type='scsi' model='virtio-scsi'><acpi index='4'/></controller>", "<acpi index"),
]


def completed(devices="", head=""):
    dom = parse_domain(XML.format(devices=devices, head=head))
    return complete(
        dom, AnyQemu(), uuid=None, mac=lambda: "52:54:00:00:00:01", emulator="/usr/bin/q"
    )


@pytest.mark.parametrize(("devices", "said"), REFUSED)
def test_a_setting_of_another_device_is_refused(devices, said):
    with pytest.raises(ConfigUnsupported) as caught:
        completed(devices)
    assert said in str(caught.value)
    assert "line " in str(caught.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("<on_crash>rename-restart</on_crash>", "'rename-restart' action for 'on_crash'"),
        ("<on_crash>coredump-restart</on_crash>", "'on_crash' with 'coredump-restart'"),
        (
            "<on_poweroff>restart</on_poweroff><on_reboot>destroy</on_reboot>",
            "'on_reboot' set to 'destroy' and 'on_poweroff' set to 'restart'",
        ),
        ("<cpu mode='custom' match='strict'><model>qemu64</model></cpu>", "CPU match 'strict'"),
    ],
)
def test_what_nobody_would_do_is_refused(head, said):
    with pytest.raises(ConfigUnsupported) as caught:
        completed(head=head)
    assert said in str(caught.value)


def test_the_same_settings_are_kept_where_they_belong():
    done = completed(
        disk("<acpi index='3'/>", driver="type='qcow2' queues='2' iommu='on'", bus="virtio")
        + nic("<driver rx_queue_size='256'/><target dev='t' managed='no'/>", model="virtio")
    )
    assert done.devices.disk[0].acpi_index == 3
    assert done.devices.interface[0].target.managed is False

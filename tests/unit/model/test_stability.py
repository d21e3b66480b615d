"""What may change in the definition of a guest whose memory is kept, and what may not."""

from __future__ import annotations

import pytest

from virtup.model.domain import parse_domain
from virtup.model.domain.stability import difference

XML = """<domain type='qemu'>
  <name>g</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
  <memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><source file='/a.img'/><target dev='vda' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x04' function='0x0'/></disk>
    <interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
    <graphics type='vnc' port='5901'/>
  </devices></domain>"""
DISK = XML[XML.index("<disk") : XML.index("<interface")]


def changed(was: str, now: str) -> str:
    assert was in XML
    return difference(parse_domain(XML.replace(was, now)), parse_domain(XML))


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (">g<", ">g2<", "name 'g2' does not match source 'g'"),
        ("28<", "29<", "uuid 6dbd80e5-37ed-4a4f-b7a0-f36e68c15d29 does not"),
        (">64<", ">128<", "max memory 131072 does not match source 65536"),
        ("<vcpu>1<", "<vcpu>2<", "vCPU max 2 does not match source 1"),
        ("-7.2", "-6.2", "OS type pc-i440fx-6.2 does not"),
        (DISK, "", "disk count 0 does not match source 1"),
        ("'vda' bus='virtio'", "'sda' bus='scsi'", "disk target sda does not match source vda"),
        ("slot='0x04'", "slot='0x05'", "disk address slot=5 does not match source slot=4"),
        ("00:01'", "00:02'", "interface mac 52:54:00:00:00:02 does not"),
        ("model type='virtio'", "model type='e1000'", "interface model e1000 does not"),
    ],
)
def test_what_the_guest_sees_may_not_change(was, now, told):
    assert changed(was, now).startswith(f"Target domain {told}")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("/a.img", "/b.img"),
        ("port='5901'", "port='5902' listen='127.0.0.1'"),
        ("<vcpu>", "\n<title>a title</title><vcpu cpuset='0'>"),
        ("<graphics type='vnc' port='5901'/>", ""),
        ("function='0x0'", "function='0x0' multifunction='off'"),
    ],
)
def test_what_is_the_hosts_affair_may_change(was, now):
    assert changed(was, now) == ""

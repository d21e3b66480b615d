"""Documents of storage: what is read is written back, and what virtup has not is refused by name."""

from __future__ import annotations

import pytest

from virtup.errors import ConfigUnsupported, VirtError, XmlRefused
from virtup.model.domain import format_domain, parse_domain
from virtup.model.storage.needed import needed_pools
from virtup.model.storage.pool import format_pool, format_state, parse_pool, parse_state
from virtup.model.storage.volume import format_volume, parse_volume

POOL = """<pool type='dir'>
  <name>default</name>
  <uuid>1b4a7f43-9d2f-4d2c-a6a1-0c7d4d1f6a01</uuid>
  <capacity unit='bytes'>1000</capacity>
  <allocation unit='bytes'>400</allocation>
  <available unit='bytes'>600</available>
  <source>
  </source>
  <target>
    <path>/var/lib/libvirt/images</path>
    <permissions>
      <mode>0711</mode>
      <owner>0</owner>
      <group>-1</group>
    </permissions>
  </target>
</pool>
"""

VOLUME = """<volume type='file'>
  <name>a.qcow2</name>
  <key>/img/a.qcow2</key>
  <capacity unit='bytes'>10485760</capacity>
  <allocation unit='bytes'>200704</allocation>
  <physical unit='bytes'>196616</physical>
  <target>
    <path>/img/a.qcow2</path>
    <format type='qcow2'/>
    <permissions>
      <mode>0600</mode>
      <owner>0</owner>
      <group>0</group>
    </permissions>
    <clusterSize unit='B'>65536</clusterSize>
  </target>
  <backingStore>
    <path>/img/base.qcow2</path>
    <format type='qcow2'/>
  </backingStore>
</volume>
"""


def test_a_pool_is_written_as_it_was_read() -> None:
    assert format_pool(parse_pool(POOL)) == POOL


def test_a_state_file_holds_the_pool() -> None:
    text = format_state(parse_pool(POOL))
    assert text.startswith("<poolstate>\n  <pool type='dir'>\n    <name>default</name>\n")
    assert parse_state(text) == parse_pool(POOL)


def test_what_stock_libvirt_writes_above_a_pool_is_no_part_of_it() -> None:
    head = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. virsh pool-edit default\n-->\n\n"
    assert parse_pool(head + POOL) == parse_pool(POOL)


@pytest.mark.parametrize(
    ("given", "path"), [("/a//b/", "/a/b"), ("/a/b", "/a/b"), ("///", "/"), ("/a/b//", "/a/b")]
)
def test_a_path_has_single_slashes(given: str, path: str) -> None:
    text = f"<pool type='dir'><name>p</name><target><path>{given}</path></target></pool>"
    assert parse_pool(text).target.path == path


def pool(inner: str, kind: str = "dir") -> str:
    return f"<pool type='{kind}'>\n<name>p</name>\n{inner}</pool>"


TARGET = "<target><path>/x</path></target>"


@pytest.mark.parametrize("kind", ["fs", "netfs", "logical", "iscsi", "rbd", "zfs", "gluster"])
def test_another_type_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        parse_pool(pool(TARGET, kind), source="p.xml")
    assert f"type '{kind}' is not supported, accepted is 'dir' (p.xml, line 1" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (pool(TARGET, "foo"), "accepted is 'dir'"),
        (pool(""), "<pool> has no <target>"),
        (pool("<target/>"), "<target> has no <path>"),
        (pool("<target><path>x</path></target>"), "accepted is an absolute path (p.xml, line 3"),
        (pool(TARGET).replace(">p<", ">a/b<"), "without '/'"),
        (pool(TARGET).replace(">p<", ">..<"), "a pool cannot be called '..'"),
        (pool(TARGET + "<source><host name='h'/></source>"), "<host> in <source> is not supported"),
        ("<network/>", "accepted is <pool>"),
        (POOL.replace("0711", "0798"), "a mode in octal digits"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(VirtError) as caught:
        parse_pool(text, source="p.xml")
    assert says in str(caught.value)
    assert "(p.xml" in str(caught.value)


def test_a_state_file_without_a_pool_is_refused() -> None:
    with pytest.raises(XmlRefused, match="no <poolstate>"):
        parse_state(POOL)


def test_a_volume_is_written_as_it_was_read() -> None:
    assert format_volume(parse_volume(VOLUME)) == VOLUME


def test_sizes_of_a_volume_are_in_any_unit() -> None:
    text = (
        "<volume><name>a</name><capacity unit='M'>1</capacity><allocation>5</allocation></volume>"
    )
    volume = parse_volume(text)
    assert (volume.capacity, volume.allocation, volume.target.format) == (1 << 20, 5, None)


@pytest.mark.parametrize("name", ["", "a/b", "..", "."])
def test_a_volume_has_the_name_of_a_file(name: str) -> None:
    with pytest.raises(XmlRefused):
        parse_volume(f"<volume><name>{name}</name></volume>")


# -- disks that are volumes ------------------------------------------------------------------------


def domain(disk: str) -> str:
    return (
        "<domain type='qemu'><name>g</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>\n{disk}</devices></domain>"
    )


def volume_disk(source: str = "<source pool='p' volume='v'/>", kind: str = "volume") -> str:
    return f"<disk type='{kind}'>{source}<target dev='vda'/></disk>"


def test_a_volume_disk_keeps_its_pool_and_policy() -> None:
    source = "<source pool='p' volume='v' startupPolicy='optional'/>"
    dom = parse_domain(domain(volume_disk(source)))
    found = dom.devices.disk[0].source
    assert found is not None
    assert (found.pool, found.volume, found.path, found.is_named) == ("p", "v", None, True)
    assert "<disk type='volume'>" in format_domain(dom)
    assert source in format_domain(dom)


@pytest.mark.parametrize(
    ("disk", "says"),
    [
        (volume_disk("<source pool='p'/>"), "a pool and a volume, neither empty"),
        (volume_disk("<source pool='p' volume=''/>"), "neither empty"),
        (volume_disk("<source file='/x'/>"), "names its image in <source pool=... volume=...>"),
        (volume_disk("<source file='/x' pool='p'/>", "file"), "belong to <disk type='volume'>"),
        (volume_disk(""), "disk 'vda' has no source"),
        (volume_disk("<source pool='p' volume='v' mode='host'/>"), "'mode' is not supported"),
    ],
)
def test_half_a_volume_is_refused(disk: str, says: str) -> None:
    with pytest.raises(VirtError) as caught:
        parse_domain(domain(disk), source="vm.xml")
    assert says in str(caught.value)
    assert "(vm.xml, line 2" in str(caught.value)


def test_the_pools_that_a_guest_needs() -> None:
    optional = "<source pool='o' volume='v' startupPolicy='optional'/>"
    iscsi = "<source pool='i' volume='v' mode='host'/>"
    disks = [
        volume_disk(),
        volume_disk(iscsi),
        volume_disk(optional),
        volume_disk(),
        volume_disk(""),
    ]
    assert needed_pools(domain("".join(disks))) == ("p", "i")
    assert needed_pools("<domain>") == ()

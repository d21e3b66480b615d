"""Storage pools and volumes over the wire: every call reaches the driver; events are told."""

import uuid as uuids

import pytest

from virtup.drivers.pool_store import PoolStore
from virtup.drivers.pools import Pools
from virtup.drivers.volumes import Volumes
from virtup.errors import Code
from virtup.host import layout as layouts
from virtup.host.disk import FileDisk

UUID = "1b4a7f43-9d2f-4d2c-a6a1-0c7d4d1f6a01"
POOL = {"name": "p", "uuid": uuids.UUID(UUID).bytes}
MIB = 1 << 20


@pytest.fixture
async def lab(serve, tmp_path):
    """A server with real pools on a real directory, and a client."""
    served = await serve()
    layout = layouts.find("system", root=str(tmp_path / "root"), env={}, uid=0)
    layouts.create(layout, None)
    hypervisor = served.hypervisor
    hypervisor.pools = Pools(PoolStore(layout, FileDisk(), "boot"), hypervisor.pool_events)
    hypervisor.volumes = Volumes(hypervisor.pools, lambda _path: "")
    served.folder = tmp_path / "images"
    served.folder.mkdir()
    served.peer = await served.connect()
    target = f"<target><path>{served.folder}</path></target>"
    served.xml = f"<pool type='dir'><name>p</name><uuid>{UUID}</uuid>{target}</pool>"
    return served


async def test_the_life_of_a_pool(lab):
    call = lab.peer.call
    assert await call("STORAGE_POOL_DEFINE_XML", xml=lab.xml, flags=0) == {"pool": POOL}
    assert await call("STORAGE_POOL_IS_ACTIVE", pool=POOL) == {"active": 0}
    await call("STORAGE_POOL_BUILD", pool=POOL, flags=0)
    await call("STORAGE_POOL_CREATE", pool=POOL, flags=0)
    await call("STORAGE_POOL_SET_AUTOSTART", pool=POOL, autostart=1)
    assert await call("STORAGE_POOL_GET_AUTOSTART", pool=POOL) == {"autostart": 1}
    assert await call("STORAGE_POOL_IS_PERSISTENT", pool=POOL) == {"persistent": 1}
    info = await call("STORAGE_POOL_GET_INFO", pool=POOL)
    assert (info["state"], info["capacity"] > 0) == (2, True)
    xml = (await call("STORAGE_POOL_GET_XML_DESC", pool=POOL, flags=0))["xml"]
    assert f"<path>{lab.folder}</path>" in xml
    await call("STORAGE_POOL_REFRESH", pool=POOL, flags=0)
    await call("STORAGE_POOL_DESTROY", pool=POOL)
    await call("STORAGE_POOL_DELETE", pool=POOL, flags=0)
    await call("STORAGE_POOL_UNDEFINE", pool=POOL)
    refusal = await lab.peer.refusal("STORAGE_POOL_DESTROY", pool=POOL)
    assert refusal.code == Code.NO_STORAGE_POOL
    assert refusal.message == (
        f"Storage pool not found: no storage pool with matching uuid '{UUID}' (p)"
    )


async def test_pools_are_found_and_listed(lab):
    call = lab.peer.call
    await call("STORAGE_POOL_CREATE_XML", xml=lab.xml, flags=0)
    await lab.hypervisor.pools.define(lab.xml.replace(">p<", ">q<").replace(UUID, UUID[:-1] + "9")
                                      .replace("images", "other"), 0)  # fmt: skip
    for name, args in (
        ("NAME", {"name": "p"}),
        ("UUID", {"uuid": POOL["uuid"]}),
        ("TARGET_PATH", {"path": str(lab.folder)}),
    ):
        assert await call(f"STORAGE_POOL_LOOKUP_BY_{name}", **args) == {"pool": POOL}
    assert await call("CONNECT_NUM_OF_STORAGE_POOLS") == {"num": 1}
    assert await call("CONNECT_NUM_OF_DEFINED_STORAGE_POOLS") == {"num": 1}
    assert await call("CONNECT_LIST_STORAGE_POOLS", maxnames=9) == {"names": ["p"]}
    assert await call("CONNECT_LIST_DEFINED_STORAGE_POOLS", maxnames=9) == {"names": ["q"]}
    assert await call("CONNECT_LIST_STORAGE_POOLS", maxnames=0) == {"names": []}


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, ["p", "q"]),
        (1, ["q"]),
        (2, ["p"]),
        (3, ["p", "q"]),
        (4, ["q"]),
        (8, ["p"]),
        (16, []),
        (32 | 2, ["p"]),
        (64, ["p", "q"]),
        (128, []),
        (64 | 128 | 1, ["q"]),
    ],
)
async def test_flags_choose_pools(lab, flags, names):
    await lab.hypervisor.pools.create(lab.xml, 0)
    other = lab.xml.replace(">p<", ">q<").replace(UUID, UUID[:-1] + "9")
    await lab.hypervisor.pools.define(other.replace("images", "other"), 0)
    args = {"need_results": 1, "flags": flags}
    got = await lab.peer.call("CONNECT_LIST_ALL_STORAGE_POOLS", **args)
    assert ([pool["name"] for pool in got["pools"]], got["ret"]) == (names, len(names))


async def test_what_is_asked_for_wrongly(lab):
    for name, args in (
        ("CONNECT_LIST_ALL_STORAGE_POOLS", {"need_results": 1, "flags": 1 << 31}),
        ("CONNECT_LIST_STORAGE_POOLS", {"maxnames": -1}),
        ("STORAGE_POOL_CREATE_XML", {"xml": lab.xml, "flags": 2}),
    ):
        assert (await lab.peer.refusal(name, **args)).code == Code.INVALID_ARG
    readonly = await lab.connect(readonly=True)
    refusal = await readonly.refusal("STORAGE_POOL_CREATE_XML", xml=lab.xml, flags=0)
    assert refusal.code == Code.OPERATION_DENIED


async def test_the_life_of_a_volume(lab):
    call = lab.peer.call
    await call("STORAGE_POOL_CREATE_XML", xml=lab.xml, flags=0)
    path = f"{lab.folder}/a"
    volume = {"pool": "p", "name": "a", "key": path}
    xml = "<volume><name>a</name><capacity unit='MiB'>1</capacity></volume>"
    made = await call("STORAGE_VOL_CREATE_XML", pool=POOL, xml=xml, flags=0)
    assert made == {"vol": volume}
    for name, args in (
        ("NAME", {"pool": POOL, "name": "a"}),
        ("KEY", {"key": path}),
        ("PATH", {"path": path}),
    ):
        assert await call(f"STORAGE_VOL_LOOKUP_BY_{name}", **args) == {"vol": volume}
    assert await call("STORAGE_POOL_LOOKUP_BY_VOLUME", vol=volume) == {"pool": POOL}
    assert await call("STORAGE_POOL_NUM_OF_VOLUMES", pool=POOL) == {"num": 1}
    assert await call("STORAGE_POOL_LIST_VOLUMES", pool=POOL, maxnames=5) == {"names": ["a"]}
    listed = await call("STORAGE_POOL_LIST_ALL_VOLUMES", pool=POOL, need_results=1, flags=0)
    assert listed == {"vols": [volume], "ret": 1}
    assert await call("STORAGE_VOL_GET_PATH", vol=volume) == {"name": path}
    await call("STORAGE_VOL_RESIZE", vol=volume, capacity=2 * MIB, flags=0)
    info = await call("STORAGE_VOL_GET_INFO", vol=volume)
    assert (info["type"], info["capacity"]) == (0, 2 * MIB)
    assert (await call("STORAGE_VOL_GET_INFO_FLAGS", vol=volume, flags=1))["allocation"] == 2 * MIB
    document = (await call("STORAGE_VOL_GET_XML_DESC", vol=volume, flags=0))["xml"]
    assert "<name>a</name>" in document
    await call("STORAGE_VOL_DELETE", vol=volume, flags=0)
    assert list(lab.folder.iterdir()) == []
    assert (await lab.peer.refusal("STORAGE_VOL_GET_PATH", vol=volume)).code == Code.NO_STORAGE_VOL


async def test_what_happens_to_pools_is_told(lab):
    other = {"name": "q", "uuid": bytes(16)}
    ask = "CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY"
    every = (await lab.peer.call(ask, eventID=0, pool=None))["callbackID"]
    await lab.peer.call(ask, eventID=0, pool=other)
    fresh = (await lab.peer.call(ask, eventID=1, pool=POOL))["callbackID"]
    assert (await lab.peer.refusal(ask, eventID=2, pool=None)).code == Code.INTERNAL_ERROR
    await lab.peer.call("STORAGE_POOL_CREATE_XML", xml=lab.xml, flags=0)
    await lab.peer.call("STORAGE_POOL_REFRESH", pool=POOL, flags=0)
    await lab.peer.call("STORAGE_POOL_DESTROY", pool=POOL)
    life = [await lab.peer.message("STORAGE_POOL_EVENT_LIFECYCLE") for _ in range(2)]
    told = {"callbackID": every, "pool": POOL, "detail": 0}
    assert life == [{**told, "event": 2}, {**told, "event": 3}]
    refreshed = await lab.peer.message("STORAGE_POOL_EVENT_REFRESH")
    assert refreshed == {"callbackID": fresh, "pool": POOL}
    await lab.peer.call("CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY", callbackID=every)
    await lab.peer.call("STORAGE_POOL_CREATE_XML", xml=lab.xml, flags=0)
    assert not lab.peer.events

"""What the verbs of storage pools and volumes ask of the daemon, and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.cli.grammar import Failure
from virtup.cli.size import in_bytes, pretty
from virtup.client.guests import format_uuid
from virtup.errors import PoolNotFound, VirtError, VolumeNotFound

UUID = bytes(range(16))
ON = {"name": "on", "uuid": UUID}
OFF = {"name": "Off", "uuid": bytes(16)}
VOLUME = {"pool": "on", "name": "a", "key": "/on/a"}
GIB = 1 << 30


def refusing(error: VirtError) -> Callable[[Any], dict[str, Any]]:
    def refuse(_: object) -> dict[str, Any]:
        raise error

    return refuse


@pytest.fixture(autouse=True)
def stored(fake: FakeDaemon) -> FakeDaemon:
    """Two pools: ``on`` is active, ``Off`` is not; ``on`` has a volume ``a``."""

    def by_name(args: dict[str, Any]) -> dict[str, Any]:
        for pool in (ON, OFF):
            if pool["name"] == args["name"]:
                return {"pool": pool}
        raise PoolNotFound(f"no storage pool with matching name '{args['name']}'")

    def by_uuid(args: dict[str, Any]) -> dict[str, Any]:
        if args["uuid"] == UUID:
            return {"pool": ON}
        raise PoolNotFound("no storage pool with matching uuid")

    def info(args: dict[str, Any]) -> dict[str, Any]:
        on = args["pool"]["name"] == "on"
        sizes = {"capacity": 4 * GIB, "allocation": GIB, "available": 3 * GIB}
        return {"state": 2, **sizes} if on else dict.fromkeys(("state", *sizes), 0)

    def volume(args: dict[str, Any]) -> dict[str, Any]:
        for key in ("name", "key", "path"):
            if key in args and args[key] in (VOLUME["name"], VOLUME["key"]):
                return {"vol": VOLUME}
            if key in args:
                raise VolumeNotFound(f"no storage vol with matching {key} '{args[key]}'")
        raise AssertionError(args)

    fake.handlers |= {
        "CONNECT_LIST_ALL_STORAGE_POOLS": lambda _: {"pools": [ON, OFF], "ret": 2},
        "STORAGE_POOL_LOOKUP_BY_NAME": by_name,
        "STORAGE_POOL_LOOKUP_BY_UUID": by_uuid,
        "STORAGE_POOL_GET_INFO": info,
        "STORAGE_POOL_IS_PERSISTENT": lambda _: {"persistent": 1},
        "STORAGE_POOL_GET_AUTOSTART": lambda args: {"autostart": int(args["pool"] == ON)},
        "STORAGE_POOL_IS_ACTIVE": lambda args: {"active": int(args["pool"] == ON)},
        "STORAGE_POOL_GET_XML_DESC": lambda _: {"xml": "<pool type='dir'>\n</pool>\n"},
        "STORAGE_POOL_DEFINE_XML": lambda _: {"pool": OFF},
        "STORAGE_POOL_LIST_ALL_VOLUMES": lambda _: {"vols": [VOLUME], "ret": 1},
        "STORAGE_VOL_LOOKUP_BY_NAME": volume,
        "STORAGE_VOL_LOOKUP_BY_KEY": volume,
        "STORAGE_VOL_LOOKUP_BY_PATH": volume,
        "STORAGE_VOL_GET_PATH": lambda _: {"name": "/on/a"},
        "STORAGE_VOL_GET_INFO": lambda _: {"type": 0, "capacity": GIB, "allocation": 4096},
        "STORAGE_VOL_GET_INFO_FLAGS": lambda _: {"type": 2, "capacity": GIB, "allocation": 7},
        "STORAGE_VOL_GET_XML_DESC": lambda _: {"xml": "<volume/>\n"},
        "STORAGE_VOL_CREATE_XML": lambda _: {"vol": VOLUME},
        "STORAGE_VOL_DELETE": lambda _: None,
    }
    for name in ("CREATE", "BUILD", "DESTROY", "UNDEFINE", "REFRESH", "SET_AUTOSTART"):
        fake.handlers[f"STORAGE_POOL_{name}"] = lambda _: None
    return fake


@pytest.mark.parametrize(
    ("words", "call", "extra", "out"),
    [
        ("pool-start Off", "CREATE", {"flags": 0}, "Pool Off started"),
        ("pool-start Off --build", "CREATE", {"flags": 1}, "Pool Off started"),
        ("pool-build Off", "BUILD", {"flags": 0}, "Pool Off built"),
        ("pool-destroy on", "DESTROY", {}, "Pool on destroyed"),
        ("pool-undefine Off", "UNDEFINE", {}, "Pool Off has been undefined"),
        ("pool-refresh on", "REFRESH", {"flags": 0}, "Pool on refreshed"),
        ("pool-autostart on", "SET_AUTOSTART", {"autostart": 1}, "Pool on marked as autostarted"),
        (
            "pool-autostart on --disable",
            "SET_AUTOSTART",
            {"autostart": 0},
            "Pool on unmarked as autostarted",
        ),
    ],
)
def test_an_act_is_asked_for_and_told(
    virtup: Virtup, fake: FakeDaemon, words: str, call: str, extra: dict[str, Any], out: str
) -> None:
    assert virtup(*words.split()) == (0, f"{out}\n\n", "")
    pool = ON if " on" in out else OFF
    assert fake.asked(f"STORAGE_POOL_{call}") == [{"pool": pool, **extra}]
    facts = json.loads(virtup("--json", *words.split()).out)
    assert (facts["pool"], facts["message"]) == (pool["name"], out)


@pytest.mark.parametrize(
    ("words", "call", "complaint"),
    [
        ("pool-start Off", "CREATE", "Failed to start pool Off"),
        ("pool-destroy on", "DESTROY", "Failed to destroy pool on"),
        ("pool-autostart on", "SET_AUTOSTART", "failed to mark pool on as autostarted"),
        ("pool-define-as x dir", "DEFINE_XML", "Failed to define pool x"),
        ("vol-list on", "LIST_ALL_VOLUMES", "Failed to list volumes"),
    ],
)
def test_an_act_that_fails_is_told_in_two_lines(
    virtup: Virtup, fake: FakeDaemon, words: str, call: str, complaint: str
) -> None:
    fake.handlers[f"STORAGE_POOL_{call}"] = refusing(VirtError("so it is"))
    assert virtup(*words.split()) == (1, "\n", f"error: {complaint}\nerror: so it is\n")


def test_a_pool_is_found_by_its_uuid_and_by_a_name_that_looks_like_one(virtup: Virtup) -> None:
    assert virtup("pool-destroy", format_uuid(UUID)).out == "Pool on destroyed\n\n"
    other = format_uuid(bytes(range(1, 17)))
    said = virtup("pool-info", other)
    assert said.err == (
        f"error: failed to get pool '{other}'\n"
        f"error: Storage pool not found: no storage pool with matching name '{other}'\n"
    )


def test_pools_are_listed(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("pool-list", "--all").out == (
        " Name   State      Autostart\n"
        "------------------------------\n"
        " Off    inactive   no\n"
        " on     active     yes\n\n"
    )
    assert virtup("-q", "pool-list", "--all", "--details").out == (
        " Off   inactive   no    yes   -          -          -\n"
        " on    running    yes   yes   4.00 GiB   1.00 GiB   3.00 GiB\n"
    )
    assert virtup("pool-list", "--name", "--inactive").out.split() == ["Off", "on"]
    assert virtup("pool-list", "--uuid").out.split()[1] == format_uuid(UUID)
    virtup("pool-list", "--all", "--persistent", "--no-autostart")
    asked = [one["flags"] for one in fake.asked("CONNECT_LIST_ALL_STORAGE_POOLS")]
    assert asked == [3, 3, 1, 2, 3 | 4 | 32]
    (_, on) = json.loads(virtup("pool-list", "--all", "--json").out)
    assert on == {
        "name": "on",
        "uuid": format_uuid(UUID),
        "state": "running",
        "active": True,
        "persistent": True,
        "autostart": True,
        "capacity": 4 * GIB,
        "allocation": GIB,
        "available": 3 * GIB,
    }


def test_the_facts_of_a_pool(virtup: Virtup) -> None:
    assert virtup("pool-info", "on").out.splitlines() == [
        "Name:           on",
        f"UUID:           {format_uuid(UUID)}",
        "State:          running",
        "Persistent:     yes",
        "Autostart:      yes",
        "Capacity:       4.00 GiB",
        "Allocation:     1.00 GiB",
        "Available:      3.00 GiB",
        "",
    ]
    assert "Capacity" not in virtup("pool-info", "Off").out
    assert f"Available:      {3 * GIB}\n" in virtup("pool-info", "on", "--bytes").out
    assert json.loads(virtup("pool-info", "Off", "--json").out)["state"] == "inactive"


def test_documents_of_pools(virtup: Virtup, fake: FakeDaemon, tmp_path: Path) -> None:
    assert virtup("pool-dumpxml", "on", "--inactive").out == "<pool type='dir'>\n</pool>\n\n"
    assert fake.asked("STORAGE_POOL_GET_XML_DESC") == [{"pool": ON, "flags": 1}]
    file = tmp_path / "p.xml"
    file.write_text("<pool/>")
    said = virtup("pool-define", str(file), "--validate")
    assert said.out == f"Pool Off defined from {file}\n\n"
    assert fake.asked("STORAGE_POOL_DEFINE_XML")[-1] == {"xml": "<pool/>", "flags": 1}
    text = (
        "<pool type='d&apos;r'>\n  <name>a&amp;b</name>\n  <target>\n    <path>/x</path>\n"
        "  </target>\n</pool>\n"
    )
    words = ("pool-define-as", "a&b", "d'r", "--target", "/x")
    assert virtup(*words, "--print-xml").out == f"{text}\n"
    assert virtup(*words).out == "Pool Off defined\n\n"
    assert fake.asked("STORAGE_POOL_DEFINE_XML")[-1]["xml"] == text


def test_volumes_are_listed(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("-q", "vol-list", "on").out == " a   /on/a\n"
    assert virtup("-q", "vol-list", "on", "--details").out == (
        " a   /on/a   file   1.00 GiB   4.00 KiB\n"
    )
    (item,) = json.loads(virtup("vol-list", "on", "--json").out)
    assert item == {
        "name": "a",
        "path": "/on/a",
        "type": "file",
        "capacity": GIB,
        "allocation": 4096,
    }
    fake.handlers["STORAGE_VOL_GET_PATH"] = refusing(VolumeNotFound("gone"))
    assert virtup("-q", "vol-list", "on").out == " a   -\n"
    assert virtup("-q", "vol-list", "on", "--details").out == ""


def test_the_facts_of_a_volume(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("vol-path", "/on/a").out == "/on/a\n\n"
    assert virtup("vol-info", "a", "--pool", "on").out.splitlines() == [
        "Name:           a",
        "Type:           file",
        "Capacity:       1.00 GiB",
        "Allocation:     4.00 KiB",
        "",
    ]
    said = virtup("vol-info", "a", "on", "--physical", "--bytes").out.splitlines()
    assert said[1:4] == [
        "Type:           dir",
        f"Capacity:       {GIB} bytes",
        "Physical:       7 bytes",
    ]
    assert fake.asked("STORAGE_VOL_GET_INFO_FLAGS")[0]["flags"] == 1
    assert json.loads(virtup("vol-info", "/on/a", "--json").out)["allocation"] == 4096
    assert virtup("vol-dumpxml", "/on/a").out == "<volume/>\n\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("a", "failed to get vol 'a', specifying --pool might help"),
        ("x --pool on", "failed to get vol 'x'"),
        ("a --pool Off", "pool 'Off' is not active"),
        ("a --pool none", "failed to get pool 'none'"),
    ],
)
def test_a_volume_that_is_not_found(
    virtup: Virtup, fake: FakeDaemon, words: str, says: str
) -> None:
    fake.handlers["STORAGE_VOL_LOOKUP_BY_KEY"] = refusing(VolumeNotFound("none"))
    fake.handlers["STORAGE_VOL_LOOKUP_BY_PATH"] = refusing(VolumeNotFound("none"))
    said = virtup("vol-path", *words.split())
    assert said.status == 1
    assert said.err.splitlines()[0] == f"error: {says}"


def test_a_volume_is_made_and_deleted(virtup: Virtup, fake: FakeDaemon) -> None:
    words = "vol-create-as on n 10G --allocation 1MB --format qcow2 --backing-vol a"
    words += " --backing-vol-format raw --prealloc-metadata"
    assert virtup(*words.split()).out == "Vol n created\n\n"
    (asked,) = fake.asked("STORAGE_VOL_CREATE_XML")
    assert (asked["pool"], asked["flags"]) == (ON, 1)
    assert asked["xml"] == (
        "<volume>\n  <name>n</name>\n"
        f"  <capacity>{10 * GIB}</capacity>\n  <allocation>1000000</allocation>\n"
        "  <target>\n    <format type='qcow2'/>\n  </target>\n"
        "  <backingStore>\n    <path>/on/a</path>\n    <format type='raw'/>\n"
        "  </backingStore>\n</volume>\n"
    )
    shown = virtup("vol-create-as", "on", "n", "5", "--print-xml").out
    assert "<capacity>5</capacity>" in shown
    assert len(fake.asked("STORAGE_VOL_CREATE_XML")) == 1
    assert virtup("vol-delete", "a", "--pool", "on").out == "Vol a deleted\n\n"
    assert fake.asked("STORAGE_VOL_DELETE") == [{"vol": VOLUME, "flags": 0}]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7", 7),
        ("7B", 7),
        ("7 bytes", 7),
        ("2k", 2048),
        ("2KiB", 2048),
        ("2KB", 2000),
        ("1G", GIB),
        ("1gib", GIB),
        ("3T", 3 << 40),
    ],
)
def test_sizes_as_a_person_writes_them(text: str, size: int) -> None:
    assert in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1Q", "1.5G", "G", "1iB", "1kbytes", "1BB"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(Failure, match="Malformed size"):
        in_bytes(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KiB"), (1 << 60, "1.00 EiB"), (1 << 64, "16.00 EiB")],
)  # fmt: skip
def test_sizes_as_virsh_prints_them(size: int, text: str) -> None:
    assert pretty(size) == text

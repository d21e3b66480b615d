"""Storage pools: one definition a name, UUID and directory; what is active survives the daemon."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from virtup.drivers.pool_store import PoolStore
from virtup.drivers.pools import Change, Pools, State
from virtup.errors import (
    InternalError,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    PoolNotFound,
    SystemError_,
)
from virtup.host import layout as layouts
from virtup.host.disk import FileDisk
from virtup.host.layout import Layout
from virtup.machine.events import PoolEvent, PoolEventBus

UUID = "1b4a7f43-9d2f-4d2c-a6a1-0c7d4d1f6a01"
OTHER = "2b4a7f43-9d2f-4d2c-a6a1-0c7d4d1f6a02"

Again = Callable[..., Pools]


@pytest.fixture
def place(tmp_path: Path) -> Layout:
    layout = layouts.find("system", root=str(tmp_path / "root"), env={}, uid=0)
    layouts.create(layout, None)
    return layout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    return made


@pytest.fixture
def told() -> list[tuple[str, str, int]]:
    return []


@pytest.fixture
def daemon(place: Layout, told: list[tuple[str, str, int]]) -> Again:
    """Return the pools of a daemon that comes up in *boot*."""

    def start(boot: str = "boot-1") -> Pools:
        def tell(event: PoolEvent) -> None:
            told.append((event.kind, event.pool.name, event.event))

        bus = PoolEventBus()
        bus.subscribe(tell)
        return Pools(PoolStore(place, FileDisk(), boot), bus)

    return start


def xml(name: str, path: Path | str, *, uuid: str = UUID) -> str:
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    target = f"<target><path>{path}</path></target>"
    return f"<pool type='dir'><name>{name}</name>{identity}{target}</pool>"


async def test_the_life_of_a_pool(
    daemon: Again, folder: Path, place: Layout, told: list[tuple[str, str, int]]
) -> None:
    pools = daemon()
    await pools.open()
    pool = await pools.define(xml("p", folder), 0)
    assert (pool.persistent, pool.active, pool.autostart) == (True, False, False)
    stored = Path(place.pools_dir, "p.xml")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert (await pools.info(pool))[0] == State.INACTIVE

    await pools.start(pool)
    state, room = await pools.info(pool)
    assert state == State.RUNNING
    assert room.capacity == room.allocation + room.available > 0
    document = await pools.xml(pool, 0)
    assert f"<capacity unit='bytes'>{room.capacity}</capacity>" in document
    assert f"<owner>{os.geteuid()}</owner>" in document
    with pytest.raises(OperationInvalid, match="already active"):
        await pools.start(pool)
    with pytest.raises(OperationInvalid, match="still active"):
        await pools.undefine(pool)

    await pools.refresh(pool)
    await pools.destroy(pool)
    with pytest.raises(OperationInvalid, match="is not active"):
        await pools.destroy(pool)
    await pools.undefine(pool)
    assert pools.all() == []
    assert not stored.exists()
    assert folder.is_dir()
    assert told == [
        ("lifecycle", "p", Change.DEFINED),
        ("lifecycle", "p", Change.STARTED),
        ("refresh", "p", 0),
        ("lifecycle", "p", Change.STOPPED),
        ("lifecycle", "p", Change.UNDEFINED),
    ]


async def test_a_daemon_that_was_killed_finds_its_pools_again(daemon: Again, folder: Path) -> None:
    first = daemon()
    await first.open()
    on = await first.define(xml("on", folder), 0)
    await first.start(on)
    await first.define(xml("off", folder / "off", uuid=OTHER), 0)
    (folder / "transient").mkdir()
    await first.create(xml("loose", folder / "transient", uuid=""), 0)

    second = daemon()  # nobody closed the first one
    await second.open()
    seen = [(pool.name, pool.active, pool.persistent) for pool in second.all()]
    assert seen == [("loose", True, False), ("off", False, True), ("on", True, True)]
    await second.destroy(second.by_name("loose"))
    with pytest.raises(PoolNotFound):
        second.by_name("loose")


async def test_pools_start_with_the_host_once_a_boot(
    daemon: Again, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = daemon()
    await first.open()
    for name, uuid in (("yes", UUID), ("no", OTHER)):
        (folder / name).mkdir()
        await first.define(xml(name, folder / name, uuid=uuid), 0)
    await first.set_autostart(first.by_name("yes"), True)
    gone = await first.define(xml("gone", folder / "gone", uuid=""), 0)
    await first.set_autostart(gone, True)
    await first.start(first.by_name("no"))

    second = daemon("boot-2")
    with caplog.at_level(logging.ERROR):
        await second.open()
    assert {pool.name: pool.active for pool in second.all()} == {
        "yes": True,
        "no": False,
        "gone": False,
    }
    assert "storage pool 'gone' does not start with the host: cannot open directory" in caplog.text

    await second.destroy(second.by_name("yes"))
    third = daemon("boot-2")
    await third.open()
    assert not third.by_name("yes").active, "who stopped it meant it"
    assert third.by_name("yes").autostart


async def test_what_a_stock_libvirtd_left_active_is_active(
    daemon: Again, folder: Path, place: Layout
) -> None:
    Path(place.pools_active, "autostarted").touch()
    document = xml("p", folder)
    Path(place.pools_dir, "p.xml").write_text(document)
    head = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n"
    Path(place.pools_active, "p.xml").write_text(f"{head}<poolstate>{document}</poolstate>")
    pools = daemon()
    await pools.open()
    assert pools.by_name("p").active


async def test_a_pool_that_cannot_be_read_is_left_and_not_overwritten(
    daemon: Again, folder: Path, place: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = Path(place.pools_dir, "p.xml")
    foreign.write_text("<pool type='netfs'><name>p</name></pool>")
    Path(place.pools_dir, "other.xml").write_text(xml("q", folder))
    pools = daemon()
    with caplog.at_level(logging.ERROR):
        await pools.open()
    assert pools.all() == []
    assert "type 'netfs' is not supported" in caplog.text
    assert "names 'q'" in caplog.text
    with pytest.raises(OperationFailed, match="move it away first"):
        await pools.define(xml("p", folder), 0)
    assert "netfs" in foreign.read_text()


async def test_a_second_definition_takes_the_place_of_the_first(
    daemon: Again, folder: Path
) -> None:
    pools = daemon()
    await pools.open()
    pool = await pools.define(xml("p", folder), 0)
    await pools.start(pool)
    again = await pools.define(xml("p", folder / "sub"), 0)
    assert again is pool
    assert pool.path == str(folder), "what is active goes on as it was started"
    assert f"<path>{folder}/sub</path>" in await pools.xml(pool, 1)
    await pools.destroy(pool)
    assert pool.path == f"{folder}/sub"


@pytest.mark.parametrize(
    ("name", "path", "uuid", "says"),
    [
        ("p", "sub", OTHER, f"pool 'p' already exists with uuid {UUID}"),
        ("q", "sub", UUID, f"pool 'p' is already defined with uuid {UUID}"),
        ("q", "", OTHER, "Storage source conflict with pool: 'p'"),
    ],
)
async def test_two_pools_are_two(
    daemon: Again, folder: Path, name: str, path: str, uuid: str, says: str
) -> None:
    pools = daemon()
    await pools.open()
    await pools.define(xml("p", folder), 0)
    with pytest.raises(OperationFailed) as caught:
        await pools.define(xml(name, f"{folder}/{path}", uuid=uuid), 0)
    assert caught.value.message == f"operation failed: {says}"


async def test_a_directory_that_is_missing_is_made_on_demand_alone(
    daemon: Again, folder: Path
) -> None:
    pools = daemon()
    await pools.open()
    wanted = folder / "a" / "b"
    pool = await pools.define(xml("p", wanted), 0)
    with pytest.raises(SystemError_) as caught:
        await pools.start(pool)
    first, hint = caught.value.message.splitlines()
    assert first == f"cannot open directory '{wanted}': No such file or directory"
    assert "pool-build p" in hint
    assert not wanted.exists()
    await pools.build(pool, 0)
    assert stat.S_IMODE(wanted.stat().st_mode) == 0o711
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o755
    await pools.start(pool)
    with pytest.raises(OperationInvalid, match="still active"):
        await pools.delete(pool, 0)
    await pools.destroy(pool)
    (wanted / "kept").touch()
    with pytest.raises(SystemError_, match="Directory not empty"):
        await pools.delete(pool, 0)
    (wanted / "kept").unlink()
    await pools.delete(pool, 0)
    assert not wanted.exists()


async def test_permissions_of_a_definition_are_those_of_what_is_made(
    daemon: Again, folder: Path
) -> None:
    pools = daemon()
    await pools.open()
    permissions = "<permissions><mode>0750</mode></permissions></target>"
    text = xml("p", folder / "made").replace("</target>", permissions)
    await pools.create(text, 1)
    assert stat.S_IMODE((folder / "made").stat().st_mode) == 0o750


async def test_an_active_pool_without_its_directory(daemon: Again, folder: Path) -> None:
    pools = daemon()
    await pools.open()
    pool = await pools.define(xml("p", folder), 0)
    await pools.start(pool)
    folder.rmdir()
    assert (await pools.info(pool))[0] == State.INACCESSIBLE
    assert "<capacity unit='bytes'>0</capacity>" in await pools.xml(pool, 0)
    with pytest.raises(SystemError_, match="cannot open directory"):
        await pools.refresh(pool)
    assert not pool.active


async def test_what_is_refused(daemon: Again, folder: Path) -> None:
    pools = daemon()
    await pools.open()
    pool = await pools.create(xml("p", folder), 0)
    with pytest.raises(InternalError, match="no config file"):
        await pools.set_autostart(pool, True)
    with pytest.raises(OperationInvalid, match="already active as 'p'"):
        await pools.create(xml("p", folder), 0)
    with pytest.raises(OperationInvalid, match="already active"):
        await pools.build(pool, 0)
    for flags in (2, 4, 1 << 31):
        with pytest.raises(InvalidArgument, match="unsupported flags"):
            await pools.create(xml("q", folder / "q", uuid=""), flags)


async def test_pools_are_found(daemon: Again, folder: Path) -> None:
    pools = daemon()
    await pools.open()
    pool = await pools.define(xml("p", folder), 0)
    assert pools.by_name("p") is pools.by_uuid(pool.uuid) is pools.by_path(f"{folder}/") is pool
    for look, says in (
        (lambda: pools.by_name("x"), "no storage pool with matching name 'x'"),
        (lambda: pools.by_uuid(bytes(16), "x"), "uuid '00000000-0000-0000-0000-000000000000' (x)"),
        (lambda: pools.by_path("/x"), "no storage pool with matching target path '/x'"),
    ):
        with pytest.raises(PoolNotFound) as caught:
            look()
        assert caught.value.message.startswith("Storage pool not found: ")
        assert says in caught.value.message


async def test_a_disk_that_does_not_take_it(daemon: Again, folder: Path) -> None:
    pools = daemon()
    await pools.open()
    long = "p" * 300
    with pytest.raises(SystemError_, match=f"cannot write '.*{long}.xml': File name too long"):
        await pools.define(xml(long, folder), 0)
    assert pools.all() == []


async def test_a_full_disk_keeps_no_daemon_from_coming_up(
    daemon: Again, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = daemon()
    await first.open()
    pool = await first.define(xml("p", folder), 0)
    await first.set_autostart(pool, True)

    def full(_self: FileDisk, path: str, _mode: int) -> int:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(FileDisk, "create", full)
    second = daemon("boot-2")
    with caplog.at_level(logging.ERROR):
        await second.open()
    assert "that pools started with the host is not kept" in caplog.text
    assert "'p' does not start with the host: cannot write" in caplog.text
    assert not second.by_name("p").active

"""Volumes are the files of a pool's directory as it is now; they are made whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from tests.fakes.disk import ModelDisk
from virtup.drivers.pool_store import PoolStore
from virtup.drivers.pools import Pool, Pools
from virtup.drivers.volumes import Handle, Volumes
from virtup.errors import (
    ConfigUnsupported,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    PoolNotFound,
    SystemError_,
    VirtError,
    VolumeExists,
    VolumeNotFound,
)
from virtup.host import layout as layouts
from virtup.host.disk import FileDisk
from virtup.machine.events import PoolEventBus

MIB = 1 << 20


class Lab:
    """One active pool ``p`` in a directory, and who uses which file."""

    def __init__(self, pools: Pools, pool: Pool, folder: Path) -> None:
        self.pools = pools
        self.pool = pool
        self.folder = folder
        self.users: dict[str, str] = {}
        self.volumes = Volumes(pools, lambda path: self.users.get(path, ""))

    def handle(self, name: str) -> Handle:
        return Handle("p", name, f"{self.folder}/{name}")

    async def make(self, name: str, inner: str, flags: int = 0) -> Any:
        return await self.volumes.create(
            self.pool, f"<volume><name>{name}</name>{inner}</volume>", flags
        )


@pytest.fixture
async def lab(tmp_path: Path) -> Lab:
    layout = layouts.find("system", root=str(tmp_path / "root"), env={}, uid=0)
    layouts.create(layout, None)
    pools = Pools(PoolStore(layout, FileDisk(), "boot"), PoolEventBus())
    folder = tmp_path / "images"
    folder.mkdir()
    text = f"<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>"
    return Lab(pools, await pools.create(text, 0), folder)


def size(mib: int) -> str:
    return f"<capacity unit='MiB'>{mib}</capacity>"


def qcow2(mib: int, more: str = "") -> str:
    return f"{size(mib)}<target><format type='qcow2'/>{more}</target>"


def told_by_qemu_img(path: Path) -> str:
    return subprocess.run(
        ["qemu-img", "info", path], capture_output=True, text=True, check=True
    ).stdout


async def test_what_is_in_the_directory_is_in_the_pool(lab: Lab) -> None:
    await lab.make("a.qcow2", qcow2(10))
    (lab.folder / "late.img").write_bytes(b"x" * 5)  # nobody told the pool
    (lab.folder / "sub").mkdir()
    (lab.folder / "link").symlink_to("late.img")
    (lab.folder / "broken").symlink_to("nowhere")
    os.mkfifo(lab.folder / "pipe")
    names = await lab.volumes.names(lab.pool)
    assert names == ["a.qcow2", "late.img", "link", "sub"]
    found = {name: await lab.volumes.by_name(lab.pool, name) for name in names}
    assert (found["a.qcow2"].format, found["a.qcow2"].capacity) == ("qcow2", 10 * MIB)
    assert (found["late.img"].format, found["late.img"].capacity) == ("raw", 5)
    assert (found["sub"].is_dir, found["sub"].format, found["sub"].allocation) == (True, "dir", 0)
    for name in ("pipe", "broken", "", ".", "..", "../images/a.qcow2", "a\0b"):
        with pytest.raises(VolumeNotFound):
            await lab.volumes.by_name(lab.pool, name)


async def test_a_volume_is_found_by_its_path(lab: Lab) -> None:
    path = str(lab.folder / "a")
    Path(path).touch()
    pool, found = await lab.volumes.by_path(path, "path")
    assert (pool, found.path) == (lab.pool, path)
    with pytest.raises(VolumeNotFound, match="matching key '/x/a'"):
        await lab.volumes.by_path("/x/a", "key")
    await lab.pools.define(
        f"<pool type='dir'><name>p</name><uuid>{lab.pool.definition.uuid}</uuid>"
        f"<target><path>{lab.folder}</path></target></pool>",
        0,
    )
    await lab.pools.destroy(lab.pool)
    with pytest.raises(VolumeNotFound):
        await lab.volumes.by_path(path, "path")
    for refused in (lab.volumes.names(lab.pool), lab.volumes.by_name(lab.pool, "a")):
        with pytest.raises(OperationInvalid, match="'p' is not active"):
            await refused


async def test_the_file_of_a_disk(lab: Lab) -> None:
    (lab.folder / "a").touch()
    (lab.folder / "sub").mkdir()
    assert await lab.volumes.path_of("p", "a") == f"{lab.folder}/a"
    refusals: list[tuple[str, str, type[VirtError], str]] = [
        ("q", "a", PoolNotFound, "no storage pool with matching name 'q'"),
        ("p", "b", VolumeNotFound, "no storage vol with matching name 'b' in pool 'p'"),
        ("p", "../p/a", VolumeNotFound, "no storage vol with matching name"),
        ("p", "sub", ConfigUnsupported, "is a directory, accepted for a disk is a file"),
    ]
    for pool, volume, kind, says in refusals:
        with pytest.raises(kind) as caught:
            await lab.volumes.path_of(pool, volume)
        assert says in caught.value.message


async def test_raw_images_are_sparse_only_where_that_is_asked_for(lab: Lab) -> None:
    whole = await lab.make("whole", size(2))
    sparse = await lab.make("sparse", size(2) + "<allocation>0</allocation>")
    half = await lab.make("half", size(2) + "<allocation unit='MiB'>1</allocation>")
    assert [one.capacity for one in (whole, sparse, half)] == [2 * MIB] * 3
    assert (sparse.allocation, half.allocation) == (0, MIB)
    assert whole.allocation >= 2 * MIB
    assert (whole.mode, whole.format) == (0o600, "raw")


async def test_qcow2_is_made_as_it_is_asked_for(lab: Lab) -> None:
    await lab.make("base.qcow2", qcow2(8))
    base = f"<backingStore><path>{lab.folder}/base.qcow2</path></backingStore>"
    more = "<clusterSize unit='B'>131072</clusterSize><features><lazy_refcounts/></features>"
    made = await lab.make("top.qcow2", qcow2(8, more + "<compat>1.1</compat>") + base)
    assert (made.cluster_size, made.backing) == (131072, f"{lab.folder}/base.qcow2")
    info = told_by_qemu_img(lab.folder / "top.qcow2")
    assert "lazy refcounts: true" in info
    assert "backing file format: qcow2" in info
    document = await lab.volumes.xml(made)
    assert f"<backingStore>\n    <path>{lab.folder}/base.qcow2</path>" in document
    assert "<clusterSize unit='B'>131072</clusterSize>" in document


async def test_a_volume_has_the_mode_and_owner_that_is_asked_for(lab: Lab) -> None:
    owner = f"<owner>{os.geteuid()}</owner><group>{os.getegid()}</group>"
    target = f"<target><permissions><mode>0640</mode>{owner}</permissions></target>"
    made = await lab.make("a", size(1) + target)
    assert (made.mode, made.uid, made.gid) == (0o640, os.geteuid(), os.getegid())


async def test_one_that_is_there_is_never_touched(lab: Lab) -> None:
    there = lab.folder / "a"
    there.write_text("mine")
    (lab.folder / "dangling").symlink_to("nowhere")
    for name in ("a", "dangling"):
        with pytest.raises(VolumeExists, match=f"storage volume '{name}' exists already"):
            await lab.make(name, size(1))
    assert there.read_text() == "mine"


@pytest.mark.parametrize(
    ("inner", "kind", "says"),
    [
        (size(1) + "<target><format type='vmdk'/></target>", ConfigUnsupported, "'vmdk' is not"),
        ("", InvalidArgument, "has no <capacity>"),
        (
            size(1) + "<backingStore><path>/x</path></backingStore>",
            ConfigUnsupported,
            "'raw' has no backing store",
        ),
        (
            qcow2(1) + "<backingStore><path>/nowhere/x</path></backingStore>",
            SystemError_,
            "inaccessible backing store volume '/nowhere/x'",
        ),
        (qcow2(1, "<clusterSize>7</clusterSize>"), OperationFailed, "luster size must be"),
    ],
)
async def test_what_is_not_made_leaves_nothing(
    lab: Lab, inner: str, kind: type[VirtError], says: str
) -> None:
    with pytest.raises(kind) as caught:
        await lab.make("a", inner)
    assert says in caught.value.message
    assert list(lab.folder.iterdir()) == []


async def test_a_volume_grows_and_shrinks_on_demand(lab: Lab) -> None:
    await lab.make("a.qcow2", qcow2(4))
    handle = lab.handle("a.qcow2")
    await lab.volumes.resize(handle, 8 * MIB, 0)
    await lab.volumes.resize(handle, 2 * MIB, 2)
    assert (await lab.volumes.by_name(lab.pool, "a.qcow2")).capacity == 10 * MIB
    with pytest.raises(InvalidArgument, match="Can't shrink"):
        await lab.volumes.resize(handle, MIB, 0)
    await lab.volumes.resize(handle, 9 * MIB, 2 | 4)
    assert (await lab.volumes.by_name(lab.pool, "a.qcow2")).capacity == MIB
    await lab.make("raw", size(1) + "<allocation>0</allocation>")
    await lab.volumes.resize(lab.handle("raw"), 2 * MIB, 1)
    assert (await lab.volumes.by_name(lab.pool, "raw")).allocation == 2 * MIB


async def test_a_volume_is_deleted_by_name(lab: Lab) -> None:
    await lab.make("a", size(1))
    target = lab.folder / "target"
    target.touch()
    (lab.folder / "link").symlink_to("target")
    (lab.folder / "sub").mkdir()
    (lab.folder / "full").mkdir()
    (lab.folder / "full" / "x").touch()
    for name in ("a", "link", "sub"):
        await lab.volumes.delete(lab.handle(name), 0)
    with pytest.raises(SystemError_, match="not empty"):
        await lab.volumes.delete(lab.handle("full"), 0)
    assert sorted(one.name for one in lab.folder.iterdir()) == ["full", "target"]
    with pytest.raises(VolumeNotFound):
        await lab.volumes.delete(lab.handle("a"), 0)


async def test_what_a_running_guest_uses_is_left(lab: Lab) -> None:
    await lab.make("a", size(1))
    lab.users[f"{lab.folder}/a"] = "mail"
    for refused in (
        lab.volumes.delete(lab.handle("a"), 0),
        lab.volumes.resize(lab.handle("a"), 9 * MIB, 0),
    ):
        with pytest.raises(OperationInvalid, match="domain 'mail' runs with"):
            await refused
    assert stat.S_ISREG((lab.folder / "a").stat().st_mode)


async def test_a_directory_that_is_gone(lab: Lab) -> None:
    lab.folder.rmdir()
    with pytest.raises(SystemError_, match=f"cannot read '{lab.folder}': No such file"):
        await lab.volumes.names(lab.pool)
    with pytest.raises(SystemError_):
        await lab.make("a", size(1))


async def test_a_pool_of_nothing_has_no_volumes() -> None:
    places: Any = cast("Any", type("Places", (), {}))
    places.pools_dir = places.pools_autostart = places.pools_active = "/none"
    pools = Pools(PoolStore(places, ModelDisk(), "boot"), PoolEventBus())
    with pytest.raises(PoolNotFound):
        await Volumes(pools, lambda _: "").resolve(Handle("p", "a", "/a"))


async def test_the_file_of_a_disk_need_not_be_readable_here(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.folder / "a").touch()

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("virtup.host.evidence.images.read_header", refuse)
    assert await lab.volumes.path_of("p", "a") == f"{lab.folder}/a"
    with pytest.raises(SystemError_, match=f"cannot read '{lab.folder}/a': Permission denied"):
        await lab.volumes.by_name(lab.pool, "a")


async def test_names_that_are_no_text(lab: Lab) -> None:
    (lab.folder / os.fsdecode(b"\xff\n<")).touch()
    (name,) = await lab.volumes.names(lab.pool)
    found = await lab.volumes.by_name(lab.pool, name)
    assert os.fsencode(found.name) == b"\xff\n<"
    document = await lab.volumes.xml(found)
    assert document.encode("utf-8", "surrogateescape").count(b"\xff&#10;&lt;") == 3


async def test_a_directory_that_is_closed_is_told_in_words_that_have_a_cause(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(folder: str, name: str) -> str:
        raise PermissionError(13, "Permission denied", f"{folder}/{name}")

    monkeypatch.setattr("virtup.host.storage.kind", closed)
    with pytest.raises(SystemError_) as caught:
        await lab.volumes.path_of("p", "a")
    path = f"{lab.folder}/a"
    assert caught.value.message == f"Cannot access storage file '{path}': Permission denied"

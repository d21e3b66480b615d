"""Starting a storage pool as a repair: surveyed first, taken back by stopping it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from virtup.drivers.mending import GuestMender
from virtup.drivers.pool_store import PoolStore
from virtup.drivers.pools import Pools
from virtup.host import layout as layouts
from virtup.host.disk import FileDisk
from virtup.host.mending import CannotRepair, HostMender, NotNeeded
from virtup.machine.events import PoolEventBus
from virtup.model.repair import StartPool

START = StartPool("p")


@pytest.fixture
async def pools(tmp_path: Path) -> Pools:
    layout = layouts.find("system", root=str(tmp_path / "root"), env={}, uid=0)
    layouts.create(layout, None)
    (tmp_path / "images").mkdir()
    pools = Pools(PoolStore(layout, FileDisk(), "boot"), PoolEventBus())
    target = f"<target><path>{tmp_path}/images</path></target>"
    await pools.define(f"<pool type='dir'><name>p</name>{target}</pool>", 0)
    return pools


@pytest.fixture
def mender(pools: Pools) -> GuestMender:
    return GuestMender(cast("Any", None), pools, HostMender())


async def test_a_pool_is_started_and_stopped_again(mender: GuestMender, pools: Pools) -> None:
    before = await mender.survey(START, None)
    assert not pools.by_name("p").active, "a survey changes nothing"
    after = await mender.do(START, before, None)
    assert pools.by_name("p").active
    with pytest.raises(NotNeeded, match="is active already"):
        await mender.survey(START, None)
    await mender.undo(START, before, after, None)
    assert not pools.by_name("p").active
    await mender.undo(START, before, after, None)  # as it was, whoever stopped it


async def test_a_pool_that_cannot_be_started(
    mender: GuestMender, pools: Pools, tmp_path: Path
) -> None:
    (tmp_path / "images").rmdir()
    with pytest.raises(CannotRepair) as caught:
        await mender.survey(START, None)
    assert caught.value.message == (
        f"cannot open directory '{tmp_path}/images': No such file or directory"
    )
    with pytest.raises(CannotRepair, match="cannot open directory"):
        await mender.do(START, {}, None)
    await pools.undefine(pools.by_name("p"))
    for act in (mender.survey(START, None), mender.do(START, {}, None)):
        with pytest.raises(CannotRepair, match="no storage pool with matching name 'p'"):
            await act

"""Durable files under power cuts: every call is cut, every state that can follow is looked at."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

import pytest

from tests.fakes.disk import ModelDisk, PowerCut
from virtup.host import disk
from virtup.host.disk import Disk

OLD, NEW = b"the old definition", b"a new definition, somewhat longer"
PATH = "/etc/vm.xml"

Act = Callable[[Disk], object]
Make = Callable[[], ModelDisk]


def fresh(*, old: bytes | None = OLD, kind: type[ModelDisk] = ModelDisk) -> ModelDisk:
    model = kind(write_bytes_max=10)
    model.dirs.add("/etc")
    if old is not None:
        model.put(PATH, old)
    return model


def faults(make: Make, act: Act, *, before: bytes | None, after: bytes | None) -> list[str]:
    """Cut the power at each call of *act*; return what a reader may find and must not."""
    found = []
    for cut_at in range(1, 200):
        model = make()
        model.cut_at = cut_at
        try:
            act(model)
        except PowerCut:
            allowed, when = {before, after}, f"cut at call {cut_at}"
        else:
            allowed, when = {after}, "cut after the return"
        for world in (*model.worlds(), model.alive_again()):
            if world.content(PATH) not in allowed:
                found.append(f"{when}: {world.content(PATH)!r}")
            strangers = [n for n in world.list_dir("/etc") if n != "vm.xml"]
            found += [f"{when}: left '{n}'" for n in strangers if not disk.is_leftover(n)]
        if not model.off:
            return found
    raise AssertionError("the act never ended")


def write(model: Disk) -> None:
    disk.write_durably(model, PATH, NEW)


@pytest.mark.parametrize("old", [OLD, None], ids=["replaced", "new"])
def test_a_durable_write_is_old_or_new_at_any_cut_and_new_after_it(old: bytes | None) -> None:
    assert faults(lambda: fresh(old=old), write, before=old, after=NEW) == []


KEPT, PART = "/etc/kept", "/etc/part"


def test_what_is_replaced_is_old_or_new_at_any_cut_and_new_after_it() -> None:
    for cut_at in range(1, 20):
        model = fresh()
        model.put(PART, NEW)
        model.cut_at = cut_at
        with contextlib.suppress(PowerCut):
            disk.replace_durably(model, PART, PATH, KEPT)
        allowed = {OLD, NEW} if model.off else {NEW}
        found = {world.content(PATH) for world in (*model.worlds(), model.alive_again())}
        assert found <= allowed, f"cut at call {cut_at}"
        if not model.off:
            assert model.content(KEPT) is None
            return
    raise AssertionError("the act never ended")


@pytest.mark.parametrize("old", [OLD, None], ids=["replaced", "new"])
def test_what_could_not_be_replaced_for_good_is_there_again(old: bytes | None) -> None:
    for fail_at in range(1, 20):
        model = fresh(old=old)
        model.put(PART, NEW)
        model.fail_at, model.error = fail_at, errno.EIO
        try:
            disk.replace_durably(model, PART, PATH, KEPT)
        except OSError:
            assert model.content(PATH) == old, f"call {fail_at} failed"
            assert {world.content(PATH) for world in model.worlds()} <= {old}
            assert model.content(KEPT) is None
            continue
        assert model.content(PATH) == NEW
        if model.calls < fail_at:
            return
    raise AssertionError("the act never ended")


class WithoutLinks(ModelDisk):
    """A file system that gives no file a second name."""

    def link(self, source: str, target: str) -> None:
        super()._call(source)
        raise PermissionError(errno.EPERM, "")


def test_where_no_file_has_two_names_it_is_replaced_all_the_same() -> None:
    model = fresh(kind=WithoutLinks)
    model.put(PART, NEW)
    disk.replace_durably(model, PART, PATH, KEPT)
    assert model.content(PATH) == NEW


def test_a_durable_removal_is_done_once_it_returned() -> None:
    act = lambda model: disk.remove_durably(model, PATH)
    assert faults(fresh, act, before=OLD, after=None) == []


def test_a_file_set_aside_is_never_lost() -> None:
    for cut_at in range(1, 20):
        model = fresh()
        model.cut_at = cut_at
        try:
            disk.set_aside(model, PATH, "damaged")
        except PowerCut:
            pass
        for world in model.worlds():
            contents = [world.content(f"/etc/{name}") for name in world.list_dir("/etc")]
            assert contents == [OLD]
        if not model.off:
            assert model.content(f"{PATH}.damaged") == OLD
            return
    raise AssertionError("the act never ended")


def test_a_power_cut_may_undo_what_was_written_at_once_but_never_mix_it_when_nothing_is_cut() -> (
    None
):
    model = fresh()
    disk.write_at_once(model, PATH, NEW)
    assert model.alive_again().content(PATH) == NEW
    assert {world.content(PATH) for world in model.worlds()} > {OLD, NEW}


# -- mistakes that the model must catch


class ForgetsTheFile(ModelDisk):
    def sync(self, handle: int | str) -> None:
        self._call("sync")


class ForgetsTheDirectory(ModelDisk):
    def sync_dir(self, path: str) -> None:
        self._call("sync_dir")


def in_place(model: Disk) -> None:
    model.unlink(PATH)
    fd = model.create(PATH, 0o600)
    rest = memoryview(NEW)
    while rest:
        rest = rest[model.write(fd, rest) :]
    model.sync(fd)
    model.close(fd)
    model.sync_dir("/etc")


def sync_after_rename(model: Disk) -> None:
    fd = model.create("/etc/.virtup-x.new", 0o600)
    model.write(fd, memoryview(NEW))
    model.rename("/etc/.virtup-x.new", PATH)
    model.sync(fd)
    model.close(fd)
    model.sync_dir("/etc")


def one_write_call(model: Disk) -> None:
    fd = model.create("/etc/.virtup-x.new", 0o600)
    model.write(fd, memoryview(NEW))
    model.sync(fd)
    model.close(fd)
    model.rename("/etc/.virtup-x.new", PATH)
    model.sync_dir("/etc")


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        pytest.param(ForgetsTheFile, write, id="file not synced"),
        pytest.param(ForgetsTheDirectory, write, id="directory not synced"),
        pytest.param(ModelDisk, in_place, id="written in place"),
        pytest.param(ModelDisk, sync_after_rename, id="renamed before the sync"),
        pytest.param(ModelDisk, one_write_call, id="short write taken for a whole one"),
    ],
)
def test_the_model_catches_a_planted_mistake(kind: type[ModelDisk], act: Act) -> None:
    assert faults(lambda: fresh(kind=kind), act, before=OLD, after=NEW) != []


# -- errors instead of cuts


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_after_an_error_the_file_is_whole_and_nothing_is_left(error: int) -> None:
    for fail_at in range(1, 50):
        model = fresh()
        model.fail_at, model.error = fail_at, error
        told = None
        try:
            write(model)
        except OSError as exc:
            told = exc.errno
        model.fail_at = 0
        assert model.list_dir("/etc") == ["vm.xml"]
        assert model.handles == {}
        if told is None:
            assert model.content(PATH) == NEW
            return
        assert told == error
        assert model.content(PATH) in (OLD, NEW)
    raise AssertionError("the write never went through")

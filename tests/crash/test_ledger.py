"""Lent files under ``kill -9`` and power cuts: whoever owns the file, it can be given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.disk import ModelDisk, PowerCut
from virtup.host import disk, ownership
from virtup.host.accounts import Account
from virtup.host.ownership import HandOver, Ledger

QEMU = Account("qemu", 500, 500, (500,))
LEDGER, IMAGE, ISO = "/lib/ledger.json", "/img/a.qcow2", "/img/b.iso"
MINE = (1000, 1000, 0o4600)
ROOTS = (0, 0, 0o400)

Life = Callable[[ModelDisk], None]


def machine(kind: type[ModelDisk] = ModelDisk) -> ModelDisk:
    model = kind()
    model.dirs |= {"/lib", "/img"}
    model.put(IMAGE, b"disk", MINE)
    model.put(ISO, b"iso", ROOTS)
    return model


def one_guest(model: ModelDisk) -> None:
    ledger = Ledger(LEDGER, model, model)
    assert ledger.hand_over("g", IMAGE, QEMU, write=True) is HandOver.HANDED
    ledger.give_back("g")
    ledger.settle()


def two_guests_share(model: ModelDisk) -> None:
    ledger = Ledger(LEDGER, model, model)
    ledger.hand_over("g", ISO, QEMU, write=False)
    ledger.hand_over("h", ISO, QEMU, write=False)
    ledger.hand_over("h", IMAGE, QEMU, write=True)
    ledger.give_back("g")
    ledger.settle()
    ledger.give_back("h")
    ledger.settle()


def twice(model: ModelDisk) -> None:
    ledger = Ledger(LEDGER, model, model)
    for _ in range(2):
        ledger.hand_over("g", IMAGE, QEMU, write=True)
        ledger.give_back("g")
    ledger.settle()


def interrupted(model: ModelDisk, life: Life, cut_at: int) -> Iterator[ModelDisk]:
    """Live until the cut; yield what may follow, none when there was no cut any more."""
    model.cut_at = cut_at
    try:
        life(model)
    except PowerCut:
        yield from model.worlds()
        yield model.alive_again()


def lost(kind: type[ModelDisk], life: Life) -> list[str]:
    """Return the cuts after which a file does not come back, or comes back only until the next."""
    found = []
    for cut_at in range(1, 400):
        worlds = list(interrupted(machine(kind), life, cut_at))
        for world in worlds:
            ledger = Ledger(LEDGER, world, world)
            ledger.recover([])
            ledger.close()
            assert ledger.records() == ()
            for after in (world, *world.worlds()):
                owners = after._file(IMAGE).owner, after._file(ISO).owner
                # what a later daemon would still put right does not count as lost
                again = Ledger(LEDGER, after.alive_again(), after.alive_again())
                if owners != (MINE, ROOTS) and not again.records():
                    found.append(f"cut at call {cut_at}: {owners}")
        if not worlds:
            return found
    raise AssertionError("the life never ended")


@pytest.mark.parametrize("life", [one_guest, two_guests_share, twice])
def test_whatever_moment_the_daemon_dies_every_file_comes_back(life: Life) -> None:
    assert lost(ModelDisk, life) == []


class ForgetsOwners(ModelDisk):
    """Syncs files when asked by handle, not by path: what was given back is never synced."""

    def sync(self, handle: int | str) -> None:
        if isinstance(handle, str):
            self._call("sync")
        else:
            super().sync(handle)


def test_the_model_catches_a_record_removed_before_the_owner_is_durable() -> None:
    assert lost(ForgetsOwners, one_guest) != []


def test_the_model_catches_a_record_that_is_not_durable_before_the_file_changes_hands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ownership, "write_durably", disk.write_at_once)
    assert lost(ModelDisk, one_guest) != []


def test_after_everything_is_given_back_nothing_is_recorded() -> None:
    model = machine()
    two_guests_share(model)
    ledger = Ledger(LEDGER, model.alive_again(), model.alive_again())
    assert ledger.records() == ()
    assert (model._file(IMAGE).owner, model._file(ISO).owner) == (MINE, ROOTS)

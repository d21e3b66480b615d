"""The power goes off at every moment of a save and of a restore, and the guest is started again.

The calls are those that a real save and a real restore of a real guest made; the states that a cut
can leave are enumerated, laid out one after the other, and each is started by a new daemon.
"""

from __future__ import annotations

import collections
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import lab
from tests.crash import trace
from tests.crash.save_once import EDITED, hypervisor, memory
from tests.crash.trace import Link, Mark, Op, Rename, Sync, Unlink
from tests.crash.worlds import Piece, World, contents, worlds
from virtup.errors import VirtError
from virtup.host.save_file import check_blocks, inspect
from virtup.model.save_image import MAGIC_PARTIAL, MAGIC_WHOLE, ImageDamaged

pytestmark = pytest.mark.e2e

WHOLE, REFUSED, COLD = (
    "restored whole",
    "refused with the reason, then bootable",
    "booted cold, and said so",
)
PAUSED = 3
NOTHING = "booted: the save had not begun, or was over"


@dataclass
class Recorded:
    """A save and a restore of one guest, as they went to the disk."""

    root: Path
    save: list[Op]
    again: list[Op]
    edit: list[Op]
    edited: bytes
    restore: list[Op]
    image: bytes
    newer: bytes
    marked: bytes
    memory: str
    kept: dict[str, bytes] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "lib/qemu/save"

    def saving(self) -> list[Op | Piece]:
        name = next(op.source for op in self.save if isinstance(op, Rename))
        first = {(name, 0): MAGIC_PARTIAL}
        return contents(self.save, {name: self.image}, first)

    def saving_again(self) -> list[Op | Piece]:
        name = next(op.source for op in self.again if isinstance(op, Rename))
        return contents(self.again, {name: self.newer}, {(name, 0): MAGIC_PARTIAL})

    def editing(self) -> list[Op | Piece]:
        name = next(op.source for op in self.edit if isinstance(op, Rename))
        return contents(self.edit, {name: self.edited}, {(name, 0): self.image})

    def restoring(self) -> list[Op | Piece]:
        return contents(self.restore, {f"{self.folder}/cut.save": self.marked}, {})


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    """Two real saves, an edit, and a real restore under strace."""
    if not trace.available():
        pytest.skip("strace is not here, or may not trace")
    root = lab.scratch()
    try:
        (root / "run").mkdir(mode=0o711)
        folder = root / "lib/qemu/save"
        once = [sys.executable, "-m", "tests.crash.save_once"]
        saved = trace.record([*once, "save", str(root)], folder, root / "trace-save")
        image = (folder / "cut.save").read_bytes()
        shutil.copy2(folder / "cut.save", root / "unedited")
        edit = trace.record([*once, "edit", str(root)], folder, root / "trace-edit")
        edited = (folder / "cut.save").read_bytes()
        os.replace(folder / "cut.save", root / "older")
        again = trace.record([*once, "save again", str(root)], folder, root / "trace-again")
        newer = (folder / "cut.save").read_bytes()
        os.replace(root / "unedited", folder / "cut.save")
        os.link(folder / "cut.save", root / "marked")
        restored = trace.record([*once, "restore", str(root)], folder, root / "trace-restore")
        yield Recorded(
            root=root,
            save=saved,
            again=again[again.index(Mark("begins")) + 1 :],
            edit=edit,
            edited=edited,
            restore=restored,
            image=image,
            newer=newer,
            marked=(root / "marked").read_bytes(),
            memory=(root / "memory").read_text(),
        )
    finally:
        lab.discard(root)


async def outcome(recorded: Recorded, world: World) -> str:
    """Lay *world* out, start the guest as a new daemon would, and name what came of it."""
    shutil.rmtree(recorded.folder)
    shutil.rmtree(recorded.root / "run", ignore_errors=True)
    (recorded.root / "run").mkdir(mode=0o711)
    recorded.folder.mkdir(mode=0o700)
    for name, content in world.files:
        Path(name).write_bytes(content)
    hv = hypervisor(str(recorded.root))
    await hv.open()
    try:
        guest = hv.domains.by_name("cut")
        try:
            await guest.start(1, 1)
        except VirtError as refused:
            said = refused.message
            await guest.start(1, 1)
            if guest.state()[0] != PAUSED or str(recorded.folder) not in said:
                pytest.fail(f"refused without a reason, or for ever: {said}")
            return REFUSED
        if guest.running().restored:
            place = recorded.root / "memory-now"
            assert await memory(hv, str(place)) == recorded.memory, "wrong memory"
            return WHOLE
        notes = (await hv.history.of("cut"))[-1]["notes"]
        return COLD if notes else NOTHING
    finally:
        for guest in hv.domains.all():
            if guest.active:
                await guest.destroy(0)
        await hv.close()


def table(counted: collections.Counter[str]) -> str:
    return "\n".join(f"  {number:5d}  {name}" for name, number in sorted(counted.items()))


async def test_a_cut_at_any_moment_of_a_save_ends_well(recorded, tell):
    counted: collections.Counter[str] = collections.Counter()
    for world in worlds(recorded.saving(), {}):
        what = await outcome(recorded, world)
        if "returned" in world.after:
            assert what == WHOLE, f"{world.cut}: the save had returned, and {what}"
        counted[what] += 1
    tell(f"power cuts in a save, {sum(counted.values())} states:\n{table(counted)}")
    assert counted[WHOLE]
    assert counted[COLD]


async def test_a_cut_at_any_moment_of_a_restore_ends_well(recorded, tell):
    counted: collections.Counter[str] = collections.Counter()
    before = {f"{recorded.folder}/cut.save": recorded.image}
    for world in worlds(recorded.restoring(), before):
        what = await outcome(recorded, world)
        if "cont" in world.after:
            assert what != WHOLE, f"{world.cut}: the same state would run a second time"
        else:
            assert what in {WHOLE, REFUSED, COLD}, f"{world.cut}: {what}"
        counted[what] += 1
    tell(f"power cuts in a restore, {sum(counted.values())} states:\n{table(counted)}")
    assert counted[WHOLE]


async def test_a_cut_at_any_moment_of_an_edit_leaves_one_whole_state(recorded, tell):
    counted: collections.Counter[str] = collections.Counter()
    assert EDITED.encode() in recorded.edited
    for world in worlds(recorded.editing(), {f"{recorded.folder}/cut.save": recorded.image}):
        what = await outcome(recorded, world)
        assert what == WHOLE, f"{world.cut}: {what}"
        assert not list(recorded.folder.iterdir()), f"{world.cut}: something is left"
        state = dict(world.files)[f"{recorded.folder}/cut.save"]
        which = "edited" if state == recorded.edited else "as it was"
        assert state in (recorded.edited, recorded.image)
        assert "returned" not in world.after or which == "edited", world.cut
        counted[f"{what}, {which}"] += 1
    tell(f"power cuts in an edit, {sum(counted.values())} states:\n{table(counted)}")
    assert len(counted) == 2


def broken_promise(recorded: Recorded, steps: list[Op | Piece]) -> str:
    """What the model finds wrong with a way of saving; "" for nothing. No guest is started."""
    place = recorded.root / "judged"
    for world in worlds(steps, {}):
        files = dict(world.files)
        for name, content in files.items():
            if content.startswith(MAGIC_WHOLE):
                place.write_bytes(content)
                with contextlib.suppress(ImageDamaged):
                    trailer = inspect(str(place)).trailer
                    assert trailer is not None
                    check_blocks(str(place), trailer)
                    continue
                return f"{world.cut}: '{Path(name).name}' says that it is whole and is not"
        kept = files.get(f"{recorded.folder}/cut.save", b"")
        if "returned" in world.after and not kept.startswith(MAGIC_WHOLE):
            return f"{world.cut}: the save had returned, and there is no whole image"
    return ""


def without(kind: Callable[[Op | Piece], bool]) -> Callable[[list[Op | Piece]], list[Op | Piece]]:
    return lambda steps: [step for step in steps if not kind(step)]


def magic_first(steps: list[Op | Piece]) -> list[Op | Piece]:
    """The mistake of writing the final magic with the head."""
    pieces = [step for step in steps if isinstance(step, Piece)]
    head, magic = pieces[0], pieces[-1]
    data = magic.data + head.data[len(magic.data) :]
    return [
        Piece(head.path, 0, data) if step is head else step for step in steps if step is not magic
    ]


def last_sync_dropped(steps: list[Op | Piece]) -> list[Op | Piece]:
    """The mistake of taking the rename for durable with a header that is not."""
    syncs = [step for step in steps if isinstance(step, Sync) and step.path.endswith("part")]
    return [step for step in steps if step is not syncs[-1]]


MISTAKES = {
    "no sync of the data": without(
        lambda step: isinstance(step, Sync) and step.path.endswith("part")
    ),
    "no sync of the directory": without(
        lambda step: isinstance(step, Sync) and step.path.endswith("save")
    ),
    "header before data": magic_first,
    "header not synced": last_sync_dropped,
}


def test_the_real_protocol_keeps_its_promise_in_the_model(recorded):
    assert broken_promise(recorded, recorded.saving()) == ""


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_the_model_catches_every_planted_mistake(recorded, mistake):
    assert broken_promise(recorded, MISTAKES[mistake](recorded.saving()))


def test_the_trace_is_of_a_whole_save(recorded):
    steps = [step for step in recorded.saving() if not isinstance(step, Mark)]
    assert [type(step).__name__ for step in steps] == [
        "Piece", "Piece", "Piece", "Sync", "Piece", "Sync", "Rename", "Sync",
    ]  # fmt: skip
    assert recorded.image.startswith(MAGIC_WHOLE)


def older_or_newer(recorded: Recorded, steps: list[Op | Piece]) -> tuple[set[str], str]:
    """Which images a save over an older one can leave, and where a cut leaves neither of them."""
    name, found = f"{recorded.folder}/cut.save", set()
    images = {recorded.edited: "the older", recorded.newer: "the newer"}
    for world in worlds(steps, {name: recorded.edited}):
        which = images.get(dict(world.files).get(name, b""), "neither")
        if which == "neither" or ("returned" in world.after and which == "the older"):
            return found, f"{world.cut}: {which}"
        found.add(which)
    return found, ""


def test_a_cut_in_a_save_over_an_older_state_leaves_one_of_them_whole(recorded):
    steps = [type(step).__name__ for step in recorded.saving_again() if not isinstance(step, Mark)]
    assert steps[-4:] == ["Link", "Rename", "Sync", "Unlink"]
    assert older_or_newer(recorded, recorded.saving_again()) == ({"the older", "the newer"}, "")


def older_removed_first(steps: list[Op | Piece]) -> list[Op | Piece]:
    """The mistake of making room for the new image."""
    return [Unlink(step.source) if isinstance(step, Link) else step for step in steps]


OLDER_MISTAKES = {
    "older one removed first": older_removed_first,
    **{name: MISTAKES[name] for name in MISTAKES if name.startswith(("no sync", "header not"))},
}


@pytest.mark.parametrize("mistake", sorted(OLDER_MISTAKES))
def test_the_model_catches_a_mistake_in_a_save_over_an_older_state(recorded, mistake):
    assert older_or_newer(recorded, OLDER_MISTAKES[mistake](recorded.saving_again()))[1]

"""Definitions on disk: what is left aside is named and never overwritten."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from virtup.drivers.store import Store
from virtup.errors import OperationFailed
from virtup.host import layout as layouts
from virtup.host.disk import FileDisk
from virtup.model.domain import parse_domain
from virtup.model.domain.implicit import IMPLIED_WATCHDOG

UUID = "1b4a7f43-9d2f-4d2c-a6a1-0c7d4d1f6a01"


def xml(name: str, *, uuid: str | None = UUID, machine: str = "pc-q35-7.2", extra: str = "") -> str:
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    return f"""<domain type='qemu'>
  <name>{name}</name>{identity}
  <memory>65536</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <devices>{extra}</devices>
</domain>
"""


@pytest.fixture
def place(tmp_path: Path) -> layouts.Layout:
    layout = layouts.find("system", root=str(tmp_path), env={}, uid=0)
    layouts.create(layout, None)
    return layout


@pytest.fixture
def store(place: layouts.Layout) -> Store:
    return Store(place, FileDisk())


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a", xml("a", extra="\n<frob/>"), "line 6"),
        ("b", xml("b", uuid=None), "has no <uuid>"),
        ("c", xml("other"), "names 'other'"),
        ("d", "<domain", "d.xml"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_overwritten(
    place: layouts.Layout,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    name: str,
    text: str,
    reason: str,
) -> None:
    path = Path(place.definitions) / f"{name}.xml"
    path.write_text(text)
    with caplog.at_level(logging.ERROR):
        assert list(store.load()) == []
    assert reason in caplog.text
    assert str(path) in caplog.text
    assert reason in store.why_aside(name)
    wanted = parse_domain(xml(name))
    with pytest.raises(OperationFailed, match="move it away first"):
        store.write(wanted)
    assert path.read_text() == text
    path.unlink()
    store.write(wanted)
    assert [one.domain.name for one in store.load()] == [name]


def test_a_file_that_cannot_be_read_is_told_in_words(place: layouts.Layout, store: Store) -> None:
    (Path(place.definitions) / "a.xml").symlink_to("/nonexistent")
    (Path(place.definitions) / "b.xml").mkdir()
    assert list(store.load()) == []
    assert store.why_aside("a") == (
        f"'{place.definitions}/a.xml' cannot be read: No such file or directory"
    )
    assert store.why_aside("b") == f"'{place.definitions}/b.xml' cannot be read: Is a directory"
    assert store.why_aside("c") == ""


def test_what_the_machine_implies_is_not_stored_and_not_lost(
    place: layouts.Layout, store: Store
) -> None:
    store.write(parse_domain(xml("a", extra="<watchdog model='itco' action='reset'/>")))
    assert "watchdog" not in (Path(place.definitions) / "a.xml").read_text()
    (loaded,) = store.load()
    assert loaded.domain.devices.watchdog == (IMPLIED_WATCHDOG,)


@pytest.mark.parametrize(
    ("machine", "watchdog"),
    [
        ("pc-q35-7.2", "<watchdog model='itco' action='none'/>"),
        ("pc-i440fx-7.2", "<watchdog model='i6300esb' action='reset'/>"),
    ],
)
def test_a_watchdog_that_somebody_chose_is_stored(
    store: Store, machine: str, watchdog: str
) -> None:
    domain = parse_domain(xml("a", machine=machine, extra=watchdog))
    store.write(domain)
    (loaded,) = store.load()
    assert loaded.domain.devices == domain.devices

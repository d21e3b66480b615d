"""What systemctl prints of units, as one reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from virtup.host import units

SHOWN = """Id=virtupd.service
LoadState=loaded
UnitFileState=enabled
ActiveState=active
TimeoutStopUSec=30s
Environment=

Id=virtup-guests.service
LoadState=loaded
UnitFileState=disabled
ActiveState=inactive
TimeoutStopUSec=1min 50s
Environment=DEADLINE=90 "NOTE=two words"

Id=none.service
LoadState=not-found
UnitFileState=
ActiveState=inactive
TimeoutStopUSec=infinity
"""


def test_a_paragraph_is_a_unit() -> None:
    found = units.parse(SHOWN)
    daemon, guests, none = found.values()
    assert (daemon.exists, daemon.is_enabled, daemon.active) == (True, True, True)
    assert daemon.stop_timeout_s == 30
    assert (guests.exists, guests.is_enabled, guests.active) == (True, False, False)
    assert guests.stop_timeout_s == 110
    assert guests.environment == {"DEADLINE": "90", "NOTE": "two words"}
    assert (none.exists, none.stop_timeout_s) == (False, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("11min", 660),
        ("1h 2min 3s", 3723),
        ("1min 30.500s", 90.5),
        ("500ms", 0.5),
        ("infinity", None),
        ("", None),
        ("3 fortnights", None),
    ],
)
def test_a_span_of_time(text: str, seconds: float | None) -> None:
    assert units.span_s(text) == seconds


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a systemctl of a few shell lines in place of the host's, and have systemd run."""

    def put(script: str) -> None:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(units, "RUNNING", str(tmp_path))
        monkeypatch.setattr(units, "_PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


async def test_it_is_asked_of_the_right_manager(
    systemctl: Callable[[str], None], tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    shown.write_text(SHOWN)
    systemctl(f'echo "$@" >>{tmp_path}/asked; cat {shown}')
    for user in (False, True):
        found = await units.look(["virtupd.service"], user=user)
        assert found is not None
        assert found["virtupd.service"].is_enabled
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].startswith("show --property=Id,")
    assert asked[0].endswith(" -- virtupd.service")
    assert asked[1].startswith("--user show ")


async def test_without_an_answer_nothing_is_known(
    systemctl: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl("exit 1")
    assert await units.look(["a.service"], user=False) is None
    monkeypatch.setattr(units, "_ANSWER_S", 0.2)
    systemctl("exec sleep 60")
    assert await units.look(["a.service"], user=False) is None
    monkeypatch.setattr(units, "RUNNING", "/nonexistent")
    assert await units.look(["a.service"], user=False) is None

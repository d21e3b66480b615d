"""fix --apply: what nobody may answer, or was answered no, is told once and not asked again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.cli.verbs import fix
from virtup.errors import OperationFailed


def item(code: str, safety: str) -> dict[str, Any]:
    option = {
        "key": code,
        "safety": safety,
        "text": f"mend {code}",
        "commands": [],
        "changes": [],
        "obstacle": "",
    }
    return {
        "code": code,
        "sentence": f"{code} is broken.",
        "certainty": "proven",
        "fixes": [],
        "options": [option],
    }


@pytest.fixture(autouse=True)
def broken(fake: FakeDaemon) -> None:
    """The guest db with two faults that may be mended at once, and one that asks."""
    left = {"VU001": "auto", "VU002": "confirm"}
    later = {"VU003": "auto"}

    def plan(_: object) -> dict[str, str]:
        items = [item(code, safety) for code, safety in left.items()]
        return {"reply": json.dumps({"guest": "db", "active": False, "items": items})}

    def apply(args: dict[str, Any]) -> dict[str, str]:
        (key,) = json.loads(args["request"])["keys"]
        del left[key]
        left.update(later)
        later.clear()
        result = {"key": key, "state": "done", "error": ""}
        return {"reply": json.dumps({"results": [result], "transaction": "t"})}

    def start(_: object) -> None:
        if left:
            raise OperationFailed("it does not start")

    fake.handlers |= {"FIX": plan, "FIX_APPLY": apply, "DOMAIN_CREATE": start}


def test_where_nobody_can_be_asked_a_cause_is_told_once(virtup: Virtup) -> None:
    said = virtup("fix", "db", "--apply")
    assert said.status == 1
    assert said.out.splitlines()[:6] == [
        "cause:    VU001 is broken. [VU001]",
        "done:     mend VU001",
        "cause:    VU003 is broken. [VU003]",
        "done:     mend VU003",
        "cause:    VU002 is broken. [VU002]",
        "left:     mend VU002: needs a yes (--yes)",
    ]
    assert said.out.count("VU002 is broken") == 1


def test_who_says_no_is_not_asked_again(virtup: Virtup, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(_run: object, *, yes: bool) -> Any:
        assert not yes
        return lambda option: asked.append(option["key"])

    monkeypatch.setattr(fix, "_answer", answer)
    assert virtup("fix", "db", "--apply").status == 1
    assert asked == ["VU002"]


def test_a_yes_beforehand_mends_all(virtup: Virtup) -> None:
    said = virtup("fix", "db", "--yes")
    assert said.status == 0
    assert "Domain 'db' started" in said.out

"""What was known of a start that failed, kept with its record, so that it can be judged again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from virtup.model.evidence import Evidence, Running

_KEPT = (
    "exit_status",
    "signal",
    "errno",
    "path",
    "qmp_error",
    "silence",
    "waited_s",
    "doing",
    "user",
    "uid",
    "gids",
    "cwd",
    "handed_over",
    "pools",
)
"""What an attempt has no field of its own for. The process is gone, and its number another's."""

_NOTHING = Evidence()


def kept(ev: Evidence) -> dict[str, Any]:
    """Return what the record of an attempt has to have for `recalled`, as JSON-ready data."""
    values = {name: getattr(ev, name) for name in _KEPT}
    return {name: value for name, value in values.items() if value != getattr(_NOTHING, name)}


def recalled(attempt: Mapping[str, Any], running: tuple[Running, ...]) -> Evidence:
    """Return the evidence of a recorded attempt, without what the host showed then."""
    known = {name: value for name, value in attempt["evidence"].items() if name in _KEPT}
    for name in ("gids", "handed_over", "pools"):
        if name in known:
            known[name] = tuple(known[name])
    words = Evidence(
        phase=attempt["phase"],
        definition=attempt["definition"],
        argv=tuple(attempt["argv"]),
        stderr=attempt["log"],
        error=attempt["error"].partition("\n")[0],
        emulator=attempt["emulator"],
        guest=attempt["guest"],
        uuid=attempt["uuid"],
        running=running,
    )
    return replace(words, **known)

"""What systemd says of units: whether they start with the host, run, and how long they may stop."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from virtup.host.process import RunTimeout, SpawnError, run

RUNNING = "/run/systemd/system"
"""There while systemd is the host's service manager (sd_booted(3))."""

_ANSWER_S = 10.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ASKED = ("Id", "LoadState", "UnitFileState", "ActiveState", "TimeoutStopUSec", "Environment")
_UNITS_S = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
    "w": 7 * 86400.0, "month": 2629800.0, "y": 31557600.0,
}  # fmt: skip
"""The units of time in which systemctl shows a span (systemd.time(7))."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit; ``file_state`` is ``enabled``, ``disabled``, ``static``, ``masked``... or ``""``.

    ``stop_timeout_s`` is None for one that may take for ever. ``environment`` is what its own
    file sets.
    """

    name: str
    exists: bool = False
    file_state: str = ""
    active: bool = False
    stop_timeout_s: float | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_enabled(self) -> bool:
        """Whether it starts with the host, or with the user's manager."""
        return self.file_state in {"enabled", "enabled-runtime", "linked-runtime"}


def is_running() -> bool:
    """Tell whether systemd is this host's service manager."""
    return os.path.isdir(RUNNING)


async def look(names: Sequence[str], *, user: bool) -> dict[str, Unit] | None:
    """Return what the service manager, the caller's own with *user*, knows of units by name.

    None where systemd does not run, or does not answer within 10 s.
    """
    if not is_running():
        return None
    scope = ("--user",) if user else ()
    env = {"LC_ALL": "C", "PATH": _PATH}
    env |= {key: os.environ[key] for key in ("XDG_RUNTIME_DIR", "HOME") if key in os.environ}
    command = ("systemctl", *scope, "show", f"--property={','.join(_ASKED)}", "--", *names)
    try:
        done = await run(command, timeout_s=_ANSWER_S, env=env)
    except (SpawnError, RunTimeout):
        return None
    return parse(done.stdout.decode(errors="replace")) if done.exit.status == 0 else None


def parse(text: str) -> dict[str, Unit]:
    """Return the units of what ``systemctl show`` printed, a paragraph each."""
    found = {}
    for paragraph in text.strip().split("\n\n"):
        facts = dict(line.partition("=")[::2] for line in paragraph.splitlines())
        if "Id" in facts:
            found[facts["Id"]] = Unit(
                name=facts["Id"],
                exists=facts.get("LoadState") not in {"not-found", None},
                file_state=facts.get("UnitFileState", ""),
                active=facts.get("ActiveState") in {"active", "reloading"},
                stop_timeout_s=span_s(facts.get("TimeoutStopUSec", "")),
                environment=_environment(facts.get("Environment", "")),
            )
    return found


def span_s(text: str) -> float | None:
    """Return a span of time as systemctl shows it, ``1min 30s``, in seconds; None for no end."""
    parts = re.findall(r"([\d.]+)\s*([a-z]+)", text)
    if not parts or any(unit not in _UNITS_S for _, unit in parts):
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _environment(text: str) -> dict[str, str]:
    try:
        words = shlex.split(text)
    except ValueError:
        return {}
    return dict(word.partition("=")[::2] for word in words if "=" in word)

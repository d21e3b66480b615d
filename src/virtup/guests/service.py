"""What the service manager has to do for guests: run the daemon, stop and start virtup-guests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtup.host import units
from virtup.host.units import Unit

DAEMON, GUESTS, BOOT = "virtupd.service", "virtup-guests.service", "virtup-guests-boot.service"
NOT_KNOWN = "systemd does not run here: whether virtupd and virtup-guests start is not known"


@dataclass(frozen=True, slots=True)
class Problem:
    """What stands in the way of guests, and what to do about it; a note if it need not ``block``."""

    text: str
    fix: str = ""
    blocks: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {"text": self.text, "fix": self.fix, "blocks": self.blocks}


@dataclass(frozen=True, slots=True)
class Service:
    """The units by name; ``units`` is None where no systemd tells of them."""

    units: dict[str, Unit] | None
    user: bool = False

    def unit(self, name: str) -> Unit:
        """Return a unit, one that is not there if systemd does not know it."""
        return (self.units or {}).get(name) or Unit(name)

    @property
    def starts_guests(self) -> bool:
        """Whether guests that ran are brought back; taken as given where systemd does not run."""
        boot = self.unit(BOOT)
        if self.units is None:
            return True
        return self.unit(GUESTS).is_enabled and boot.exists and boot.file_state != "masked"

    @property
    def starts_daemon(self) -> bool:
        """Whether virtupd comes up with the host: by itself, or because virtup-guests wants it."""
        if self.units is None or self.unit(DAEMON).is_enabled:
            return True
        wanted = self.unit(GUESTS).is_enabled and self.unit(DAEMON).exists
        return wanted and self.unit(DAEMON).file_state != "masked"

    @property
    def saves_guests(self) -> bool:
        """Whether virtup-guests is at work when the host goes down: only what runs is stopped."""
        return self.units is None or self.unit(GUESTS).active

    def problems(self, *names: str) -> list[Problem]:
        """Return what is wrong with the units *names*, which are needed at a boot."""
        if self.units is None:
            return [Problem(NOT_KNOWN, blocks=False)]
        return [self._not_enabled(name) for name in names]

    def not_stopping(self, deadline_s: int) -> list[Problem]:
        """Return what keeps virtup-guests from its work, or from the end of it, at a shutdown."""
        if self.units is None:
            return [Problem(NOT_KNOWN, blocks=False)]
        unit = self.unit(GUESTS)
        if not unit.active:
            what = "does not run" if unit.exists else "is not installed"
            return [Problem(f"{GUESTS} {what}: nobody is saved", self._enable(unit, "--now "))]
        most = unit.stop_timeout_s
        if most is not None and (not deadline_s or most < deadline_s):
            longest = f"DEADLINE is {deadline_s} s" if deadline_s else "DEADLINE is 0 (none)"
            text = f"systemd ends {GUESTS} after {most:g} s (TimeoutStopSec), and {longest}"
            return [Problem(text, f"systemctl {self._scope}edit {GUESTS}")]
        return []

    def _not_enabled(self, name: str) -> Problem:
        unit = self.unit(name)
        if unit.file_state == "masked":
            return Problem(f"{name} is masked", f"systemctl {self._scope}unmask {name}")
        what = "is not enabled" if unit.exists else "is not installed"
        return Problem(f"{name} {what}", self._enable(unit))

    def _enable(self, unit: Unit, more: str = "") -> str:
        install = "" if unit.exists else f"tools/install_units.py{' --user' * self.user}; "
        return f"{install}systemctl {self._scope}enable {more}{unit.name}"

    @property
    def _scope(self) -> str:
        return "--user " if self.user else ""


async def look(*, user: bool) -> Service:
    """Return what the host's service manager, or the caller's own, has of virtup."""
    return Service(await units.look((DAEMON, GUESTS, BOOT), user=user), user)

"""What became of the guests, kept for ``virtup-guests status``: the last stop and the last boot."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from virtup.host import disk as durable
from virtup.host.disk import Disk

RESTORED, STARTED, COLD_BOOTED, FAILED = "restored", "started", "cold-booted", "failed"
"""What can become of a guest at boot."""
SAVED, SHUT_DOWN, LEFT, NOT_DONE = "saved", "shut down", "left alone", "failed"
"""What can become of a guest at a stop."""

_BOOT_ORDER = (RESTORED, STARTED, COLD_BOOTED, FAILED)
_STOP_ORDER = (SAVED, SHUT_DOWN, LEFT, NOT_DONE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one guest, why if that is not a matter of course, and how long it took."""

    uri: str
    uuid: str
    name: str
    outcome: str
    why: str = ""
    seconds: float = 0.0


@dataclass
class Run:
    """One stop or one boot. Times are ISO 8601 in UTC; ``errors`` belong to no single guest."""

    began: str
    boot: str = ""
    ended: str = ""
    guests: list[Outcome] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything did not go as it should."""
        return bool(self.errors) or any(each.outcome == FAILED for each in self.guests)

    def add(self, outcome: Outcome) -> None:
        """Take in what became of a guest, in place of what was known of it."""
        same = (outcome.uri, outcome.uuid)
        self.guests = [each for each in self.guests if (each.uri, each.uuid) != same]
        self.guests.append(outcome)


class Report:
    """The file that holds the last stop, the last boot, and what the disk was seen to write."""

    def __init__(self, path: str, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self.stop: Run | None = None
        self.start: Run | None = None
        self.bytes_per_s = 0.0
        self.problem = ""

    def load(self) -> None:
        """Read the file; a missing one is empty, a damaged one too, and told in ``problem``."""
        try:
            data = json.loads(self._disk.read(self._path))
            self.stop, self.start = _run(data["stop"]), _run(data["start"])
            self.bytes_per_s = max(0.0, float(data["bytes_per_s"]))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.stop = self.start = None
            self.problem = f"'{self._path}' cannot be read ({error}): what was is not known"

    def save(self) -> None:
        """Write the file durably; raises OSError."""
        data = {
            "stop": None if self.stop is None else asdict(self.stop),
            "start": None if self.start is None else asdict(self.start),
            "bytes_per_s": round(self.bytes_per_s),
        }
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        durable.write_durably(self._disk, self._path, text.encode())


def _run(data: Mapping[str, Any] | None) -> Run | None:
    if data is None:
        return None
    guests = [Outcome(**each) for each in data["guests"]]
    return Run(**{**data, "guests": guests})


def iso(now: float) -> str:
    """Return a time of day as the report has it."""
    return dt.datetime.fromtimestamp(int(now), dt.UTC).isoformat().replace("+00:00", "Z")


def shown(stamp: str) -> str:
    """Return a time of the report as a person reads it, in the host's own time zone."""
    try:
        moment = dt.datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def lines(run: Run) -> Iterator[str]:
    """Yield what became of the guests, a line for all that came as they should, one for each other."""
    order = (*_BOOT_ORDER, *(each for each in _STOP_ORDER if each not in _BOOT_ORDER))
    kinds = sorted({each.outcome for each in run.guests}, key=order.index)
    for kind in kinds:
        of_kind = [each for each in run.guests if each.outcome == kind]
        plain = sorted(each.name for each in of_kind if not each.why)
        if plain:
            yield f"  {kind + ':':<13} {', '.join(plain)}"
        for each in sorted((each for each in of_kind if each.why), key=lambda one: one.name):
            first, *more = each.why.splitlines()
            yield f"  {kind + ':':<13} {each.name}: {first}"
            for line in more:
                yield f"  {'':<13}   {line}"
    for error in run.errors:
        yield f"  {'error:':<13} {error}"

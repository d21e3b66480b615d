"""Who comes back at the next boot, in which order, and what keeps the others from it.

Guests come up with the host in two ways: their daemon starts those with autostart, and
virtup-guests brings back those that ran, or are on its list. What a start would come to is asked
of the daemon, for every guest that is off: what runs holds what it needs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from virtup.errors import VirtError
from virtup.guests import service as services
from virtup.guests.office import Office, Unreachable, first_line
from virtup.guests.remote import Member, Remote
from virtup.guests.service import Problem, Service
from virtup.guests.waiting import Entry
from virtup.model import boot_order

RESTORED, BOOTED = "restored", "booted"
OFF, LOST, BLOCKED = "stays off", "lost", "blocked"
COMING = (RESTORED, BOOTED)
AUTOSTART, ONCE, GUESTS = "autostart", "autostart --once", "virtup-guests"

REACH_S = 10.0
_NO = "would not start"  # the daemon's word
_POOL_OFF = "storage-pool-inactive"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one guest: ``comes`` one of the words above, ``by`` whom.

    ``turn`` counts from 1 among those who come by the same way, guests of one turn together; 0
    for one that does not come.
    ``why`` are reasons in words, ``findings`` what the daemon found against its start, ``notes``
    what else is to be said.
    """

    name: str
    uuid: str
    comes: str
    by: str = ""
    turn: int = 0
    why: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Forecast:
    """The next boot of one daemon's guests; ``error`` where nothing could be learned."""

    uri: str
    error: str = ""
    guests: list[Fate] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing keeps a guest from coming back that is to."""
        blocked = any(guest.comes == BLOCKED for guest in self.guests)
        return not (self.error or blocked or any(one.blocks for one in self.problems))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "uri": self.uri,
            "ok": self.ok,
            "error": self.error,
            "guests": [asdict(guest) for guest in self.guests],
            "problems": [one.to_dict() for one in self.problems],
        }


async def foresee(office: Office, service: Service, settings_file: str) -> list[Forecast]:
    """Return what the next boot brings, for every URI; the settings are to be set in that file."""
    return [await _one(office, uri, service, settings_file) for uri in office.uris()]


def strangers(office: Office) -> list[Problem]:
    """Return who is listed for a daemon that the settings do not name any more."""
    known = {office.same(uri) for uri in office.settings.uris}
    lost = [entry for entry in office.waiting.entries() if office.same(entry.uri) not in known]
    return [
        Problem(f"{one.name} is to come back to '{one.uri}', which URIS does not name any more")
        for one in lost
    ]


async def _one(office: Office, uri: str, service: Service, settings_file: str) -> Forecast:
    forecast = Forecast(uri)
    try:
        remote = await office.reach(uri, REACH_S, once=True)
    except Unreachable as error:
        forecast.error = error.message
        return forecast
    try:
        ways = _Ways(office, service, settings_file, own=await remote.is_virtup())
        await _look(office, remote, ways, forecast)
    except VirtError as error:
        forecast.error = first_line(error)
    finally:
        await remote.close()
    return forecast


async def _look(office: Office, remote: Remote, ways: _Ways, forecast: Forecast) -> None:
    here = office.same(forecast.uri)
    listed = {one.uuid: one for one in office.waiting.entries() if office.same(one.uri) == here}
    members = await remote.members()
    fates = [ways.fate(one, listed.pop(one.uuid, None)) for one in members]
    fates += [
        Fate(one.name, one.uuid, BLOCKED, GUESTS, why=("there is no such guest any more",))
        for one in listed.values()
    ]
    off = {one.uuid for one in members if not one.active}
    judged = [await _judged(remote, fate) if fate.uuid in off else fate for fate in fates]
    pools = await _Pools.of(remote, members, own=ways.own)
    fates = [pools.judged(fate, now) for fate, now in zip(fates, judged, strict=True)]
    forecast.guests = _in_order(fates, {one.uuid: one for one in members}, forecast)
    forecast.problems += [*ways.problems, *pools.problems]
    if not ways.own and any(fate.comes in COMING for fate in fates):
        text = "this daemon checks no guests: whether they would start is not known"
        forecast.problems.append(Problem(text, blocks=False))


class _Pools:
    """The storage pools that guests need, and which of them the next boot does not start."""

    def __init__(self, members: Sequence[Member], known: Mapping[str, bool], *, own: bool) -> None:
        self._needed = {one.uuid: one.pools for one in members}
        self._known = known
        self._program = "virtup" if own else "virsh"
        self._barring: dict[str, None] = {}

    @classmethod
    async def of(cls, remote: Remote, members: Sequence[Member], *, own: bool) -> _Pools:
        """Return those of a daemon, which is asked only where a guest needs one."""
        asked = any(one.pools for one in members)
        return cls(members, await remote.pools() if asked else {}, own=own)

    @property
    def problems(self) -> list[Problem]:
        """What bars somebody's way."""
        return [
            Problem(_off(name), f"{self._program} pool-autostart {shlex.quote(name)}")
            for name in self._barring
        ]

    def judged(self, fate: Fate, now: Fate) -> Fate:
        """Return what the pools make of *now*: the *fate* of a guest, as a start would go now."""
        needed = self._needed.get(fate.uuid, ()) if fate.comes in COMING else ()
        off = [name for name in needed if self._known.get(name) is False]
        if off:
            self._barring |= dict.fromkeys(off)
            return replace(now, comes=BLOCKED, why=(*now.why, *map(_off, off)))
        gone = [name for name in needed if name not in self._known]
        if gone and not now.findings:
            why = (f"there is no storage pool '{name}'" for name in gone)
            return replace(now, comes=BLOCKED, why=(*now.why, *why))
        waits = [one["subject"] for one in now.findings if one["slug"] == _POOL_OFF]
        if needed and waits and len(waits) == len(now.findings):
            return replace(fate, notes=(*now.notes, *map(_started, waits)))
        return now


def _off(name: str) -> str:
    return f"storage pool '{name}' does not start with the host"


def _started(name: str) -> str:
    return f"storage pool '{name}' is not active now, and starts with the host"


class _Ways:
    """The ways in which guests of one daemon come back, and what bars them."""

    def __init__(self, office: Office, service: Service, settings_file: str, *, own: bool) -> None:
        self.own = own
        self._settings_file = settings_file
        self._settings = office.settings
        self._service = service
        self._barred: dict[str, None] = {}

    @property
    def problems(self) -> list[Problem]:
        """What bars somebody's way."""
        found = []
        if self._service.units is None:
            found += self._service.problems()
        for name in self._barred:
            if name == "ON_BOOT":
                fix = f"set ON_BOOT=start in {self._settings_file}"
                found.append(Problem("ON_BOOT=ignore: nobody is brought back", fix))
            else:
                found += self._service.problems(name)
        return found

    def fate(self, member: Member, entry: Entry | None) -> Fate:
        """Return what becomes of a guest, whatever its own start comes to."""
        if not member.persistent:
            why = "it is transient: it has no definition to come back from"
            return Fate(member.name, member.uuid, LOST, why=(why,))
        wanted = [AUTOSTART] if member.autostart else [ONCE] if member.once else []
        wanted += [GUESTS] if member.active or entry is not None else []
        if not wanted:
            return Fate(member.name, member.uuid, OFF)
        bars = {way: self._bars(way) for way in wanted}
        by = next((way for way in wanted if not bars[way]), "")
        if not by:
            reasons = [bar for way in wanted for bar in bars[way]]
            self._barred |= dict.fromkeys(reasons)
            return Fate(
                member.name, member.uuid, BLOCKED, wanted[0], why=tuple(map(_said, reasons))
            )
        saved = member.saved or (member.active and self._saves)
        comes = RESTORED if saved else BOOTED
        return Fate(member.name, member.uuid, comes, by, why=_reasons(entry))

    @property
    def _saves(self) -> bool:
        return self._settings.suspends and self._service.saves_guests

    def _bars(self, way: str) -> list[str]:
        daemon = [] if self._service.starts_daemon or not self.own else [services.DAEMON]
        if way != GUESTS:
            return daemon
        bars = [] if self._service.starts_guests else [services.GUESTS]
        return bars + (["ON_BOOT"] if self._settings.on_boot != "start" else [])


def _said(bar: str) -> str:
    return "ON_BOOT=ignore" if bar == "ON_BOOT" else f"{bar} does not start with the host"


def _reasons(entry: Entry | None) -> tuple[str, ...]:
    return (entry.why,) if entry is not None and entry.why else ()


async def _judged(remote: Remote, fate: Fate) -> Fate:
    """Return the fate of a guest that is off with what its daemon foresees of its start."""
    verdict = await remote.verdict(fate.uuid) if fate.comes in COMING else None
    if verdict is None:
        return fate
    findings = tuple(verdict["findings"])
    if verdict["outlook"] != _NO:
        return replace(fate, notes=tuple(verdict["notes"]))
    why = fate.why if findings else (*fate.why, str(verdict["sentence"]))
    return replace(fate, comes=BLOCKED, why=why, findings=findings)


def _in_order(
    fates: Sequence[Fate], members: Mapping[str, Member], forecast: Forecast
) -> list[Fate]:
    """Return the guests as they come, way by way and turn by turn, and the others behind them."""
    found: list[Fate] = []
    for ways in ((AUTOSTART, ONCE), (GUESTS,)):
        coming = {one.uuid: one for one in fates if one.comes in COMING and one.by in ways}
        order = boot_order.arrange(
            {
                uuid: boot_order.Member(one.name, uuid, members[uuid].wish)
                for uuid, one in coming.items()
            }
        )
        for uuid, text in order.problems.items():
            told = f"{coming[str(uuid)].name}: its boot order: {text}"
            forecast.problems.append(Problem(told, blocks=False))
        turns = boot_order.turns(order.before)
        turned = [replace(one, turn=turns[uuid]) for uuid, one in coming.items()]
        found += sorted(turned, key=lambda one: (one.turn, one.name))
    others = [one for one in fates if one.comes not in COMING]
    return found + sorted(others, key=lambda one: (one.comes, one.name))

"""What to do to whom when the host goes down, decided before anything is done.

A guest is saved when there is space and time for it. Where they do not suffice for all, as many
as possible are saved, the smaller ones first, and the others are asked to shut down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from virtup.model.boot_order import NO_WISH, Wish

Act = Literal["save", "shut down", "leave"]

OVERHEAD_BYTES = 32 << 20
"""What an image holds beside the guest's memory: devices, video memory, digests."""

RESERVE_BYTES = 128 << 20
"""What must stay free on the file system of the saves: the host writes there too."""

TIME_SHARE = 0.9
"""How much of the time the saves may be planned to take: a disk is not always as fast."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A running guest; ``resident_kib`` is what QEMU has of the host's memory, 0 if not known."""

    uuid: str
    name: str
    persistent: bool = True
    memory_kib: int = 0
    resident_kib: int = 0
    wish: Wish = NO_WISH

    @property
    def image_bytes(self) -> int:
        """How large its saved state gets at most: memory that it never touched is not written."""
        kib = self.memory_kib
        if self.resident_kib:
            kib = min(kib, self.resident_kib)
        return (kib << 10) + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """What there is: space in ``directory``, the disk's speed, seconds; None where not known."""

    directory: str = ""
    free_bytes: int | None = None
    bytes_per_s: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done to one guest, and why not what was asked for."""

    guest: Guest
    act: Act
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in the order of the guests given; ``bytes`` and ``seconds`` of all saves."""

    steps: tuple[Step, ...]
    bytes: int
    seconds: float | None
    limits: Limits


def make(
    guests: Sequence[Guest], limits: Limits, *, suspends: bool, leaves_transient: bool
) -> Plan:
    """Return what is to be done to each of *guests*."""
    wanted = [_wanted(guest, suspends, leaves_transient) for guest in guests]
    saves = [step.guest for step in wanted if step.act == "save"]
    refused: dict[str, str] = {}
    total, space = 0, _space(limits)
    for guest in sorted(saves, key=lambda one: (one.image_bytes, one.name)):
        need = guest.image_bytes
        if space is not None and total + need > space:
            refused[guest.uuid] = _no_space(guest, limits)
        elif _too_long(total + need, limits):
            refused[guest.uuid] = _no_time(guest, limits)
        else:
            total += need
    steps = tuple(
        Step(step.guest, "shut down", refused[step.guest.uuid])
        if step.guest.uuid in refused
        else step
        for step in wanted
    )
    seconds = total / limits.bytes_per_s if limits.bytes_per_s else None
    return Plan(steps, total, seconds, limits)


def _wanted(guest: Guest, suspends: bool, leaves_transient: bool) -> Step:
    if not guest.persistent and leaves_transient:
        return Step(guest, "leave", "it is transient: it has no definition to come back from")
    if not suspends:
        return Step(guest, "shut down")
    if not guest.persistent:
        return Step(guest, "shut down", "it is transient, and cannot be saved for its next start")
    return Step(guest, "save")


def _space(limits: Limits) -> int | None:
    return None if limits.free_bytes is None else max(0, limits.free_bytes - RESERVE_BYTES)


def _too_long(total: int, limits: Limits) -> bool:
    if limits.seconds is None or not limits.bytes_per_s:
        return False
    return total / limits.bytes_per_s > limits.seconds * TIME_SHARE


def _no_space(guest: Guest, limits: Limits) -> str:
    return (
        f"space does not suffice: its state takes up to {size(guest.image_bytes)} beside those of "
        f"the others, and {size(limits.free_bytes or 0)} are free in '{limits.directory}'"
    )


def _no_time(guest: Guest, limits: Limits) -> str:
    assert limits.bytes_per_s
    took = guest.image_bytes / limits.bytes_per_s
    return (
        f"time does not suffice: its save takes up to {took:.0f} s beside those of the others, at "
        f"{size(limits.bytes_per_s)}/s, and saves have {limits.seconds or 0:.0f} s (DEADLINE)"
    )


def lines(plan: Plan) -> list[str]:
    """Return the plan as a person reads it."""
    if not plan.steps:
        return ["  nobody runs"]
    found = []
    for step in plan.steps:
        what = f"save, up to {size(step.guest.image_bytes)}" if step.act == "save" else step.act
        found.append(f"  {step.guest.name}: {what}{': ' + step.why if step.why else ''}")
    saves = sum(step.act == "save" for step in plan.steps)
    if saves:
        time = "" if plan.seconds is None else f", about {max(1.0, plan.seconds):.0f} s"
        free = plan.limits.free_bytes
        room = "" if free is None else f"; {size(free)} are free in '{plan.limits.directory}'"
        found.append(f"  {saves} to save: up to {size(plan.bytes)}{time}{room}")
    return found


def size(count: float) -> str:
    """Return a number of bytes as a person reads it: ``512 MiB``, ``1.5 GiB``."""
    if count < 1 << 30:
        return f"{count / (1 << 20):.0f} MiB"
    return f"{count / (1 << 30):.1f} GiB"

"""What happens to guests, as it is told to whoever listens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DomainRef:
    """How libvirt names a guest on the wire: name, UUID (16 bytes), id (-1 when off)."""

    name: str
    uuid: bytes
    id: int


@dataclass(frozen=True)
class Event:
    """One thing that happened to one guest.

    ``kind`` is a libvirt event's name (``lifecycle``, ``reboot``, ``rtc-change``, ``watchdog``,
    ``io-error``, ``agent-lifecycle``, ``balloon-change``, ``device-removed``, ``pmsuspend``,
    ``pmwakeup``) or ``monitor`` for a QEMU event as it came. ``args`` carries what libvirt's
    message of that event carries, by libvirt's names.
    """

    kind: str
    domain: DomainRef
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PoolRef:
    """How libvirt names a storage pool on the wire: name and UUID (16 bytes)."""

    name: str
    uuid: bytes


@dataclass(frozen=True)
class PoolEvent:
    """One thing that happened to a storage pool: ``lifecycle`` with what, or ``refresh``."""

    kind: str
    pool: PoolRef
    event: int = 0


E = TypeVar("E", Event, PoolEvent)


class Bus(Generic[E]):
    """Hands each event to every subscriber, in order; a subscriber must not block."""

    def __init__(self) -> None:
        self._subscribers: dict[int, Callable[[E], None]] = {}
        self._next = 0

    def subscribe(self, callback: Callable[[E], None]) -> Callable[[], None]:
        """Call *callback* with each event from now on; the returned function ends that."""
        self._next += 1
        key = self._next
        self._subscribers[key] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)

        return unsubscribe

    def emit(self, event: E) -> None:
        """Tell every subscriber."""
        for callback in tuple(self._subscribers.values()):
            callback(event)


class EventBus(Bus[Event]):
    """What happens to guests."""


class PoolEventBus(Bus[PoolEvent]):
    """What happens to storage pools."""

"""What one client wants to be told of, and how it is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from virtup.daemon.bodies import domain_body, pool_body
from virtup.errors import InternalError, InvalidArgument, OperationFailed
from virtup.machine.events import Event, PoolEvent
from virtup.wire.tables import QEMU, REMOTE, procedure, type_line

log = logging.getLogger(__name__)

Send = Callable[[int, str, dict[str, Any]], None]

EVENT_NAMES = (
    "LIFECYCLE",
    "REBOOT",
    "RTC_CHANGE",
    "WATCHDOG",
    "IO_ERROR",
    "GRAPHICS",
    "IO_ERROR_REASON",
    "CONTROL_ERROR",
    "BLOCK_JOB",
    "DISK_CHANGE",
    "TRAY_CHANGE",
    "PMWAKEUP",
    "PMSUSPEND",
    "BALLOON_CHANGE",
    "PMSUSPEND_DISK",
    "DEVICE_REMOVED",
    "BLOCK_JOB_2",
    "TUNABLE",
    "AGENT_LIFECYCLE",
    "DEVICE_ADDED",
    "MIGRATION_ITERATION",
    "JOB_COMPLETED",
    "DEVICE_REMOVAL_FAILED",
    "METADATA_CHANGE",
    "BLOCK_THRESHOLD",
    "MEMORY_FAILURE",
    "MEMORY_DEVICE_SIZE_CHANGE",
    "NIC_MAC_CHANGE",
)
"""The domain events by number (``virDomainEventID``), as their procedures call them."""

LEGACY_LAST = 14
"""The last event that has a message without a callback number."""

CALLBACKS_MAX = 1000
"""How many callbacks a client may have: each multiplies what every event costs."""

_UNPREFIXED = {16, 24, 25, 26, 27}
_MONITOR_REGEX, _MONITOR_NOCASE = 1, 2
_PATTERN_MAX = 256


class _Wish(NamedTuple):
    """``kind`` is a domain event's number, or one of the kinds below; ``uuid`` of one, or all."""

    kind: int
    uuid: bytes | None
    legacy: bool = False
    pattern: re.Pattern[str] | None = None


_MONITOR, _ELSEWHERE = -1, -2
_OF_POOLS = {0: -3, 1: -4}
"""What is told of storage pools, by ``virStoragePoolEventID``: their lifecycle, a refresh."""
_POOL_KINDS = {"lifecycle": _OF_POOLS[0], "refresh": _OF_POOLS[1]}


class Subscriptions:
    """The callbacks that a client registered, by number."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._wishes: dict[int, _Wish] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._wishes)

    def add(self, number: int, dom: dict[str, Any] | None, *, legacy: bool = False) -> int:
        """Tell of domain event *number*, of one guest or of all; the callback's number."""
        last = LEGACY_LAST if legacy else len(EVENT_NAMES) - 1
        if not 0 <= number <= last:
            raise InternalError(f"unsupported event ID {number}")
        wish = _Wish(number, dom["uuid"] if dom else None, legacy)
        if wish in self._wishes.values():
            raise InvalidArgument("event callback already tracked")
        return self._keep(wish)

    def add_monitor(self, dom: dict[str, Any] | None, event: str | None, flags: int) -> int:
        """Tell of QEMU's own events, of those that *event* names if given."""
        if flags & ~(_MONITOR_REGEX | _MONITOR_NOCASE):
            raise InvalidArgument(f"unsupported flags (0x{flags:x})")
        pattern = None
        if event is not None:
            if len(event) > _PATTERN_MAX:
                raise InvalidArgument(f"an event's name of more than {_PATTERN_MAX} characters")
            text = event if flags & _MONITOR_REGEX else re.escape(event) + r"\Z"
            try:
                pattern = re.compile(text, re.IGNORECASE if flags & _MONITOR_NOCASE else 0)
            except re.error as exc:
                raise InvalidArgument(f"'{event}' is not a regular expression: {exc}") from exc
        return self._keep(_Wish(_MONITOR, dom["uuid"] if dom else None, pattern=pattern))

    def add_pool(self, number: int, pool: dict[str, Any] | None) -> int:
        """Tell of a storage pool's event *number*, of one pool or of all; the callback's number."""
        if number not in _OF_POOLS:
            raise InternalError(f"unsupported event ID {number}")
        return self._keep(_Wish(_OF_POOLS[number], pool["uuid"] if pool else None))

    def add_elsewhere(self) -> int:
        """Accept a callback for things that virtup has none of, and so never tells of."""
        return self._keep(_Wish(_ELSEWHERE, None))

    def remove(self, callback: int) -> None:
        """Forget a callback by its number."""
        if callback not in self._wishes:
            raise InternalError(f"domain event callback {callback} not registered")
        del self._wishes[callback]

    def remove_legacy(self, number: int) -> None:
        """Forget a callback without number, by its event."""
        for callback, wish in self._wishes.items():
            if wish.legacy and wish.kind == number:
                del self._wishes[callback]
                return
        raise InternalError(f"domain event {number} not registered")

    def deliver(self, event: Event) -> None:
        """Send *event* to every callback that waits for it."""
        if not self._wishes:
            return
        if event.kind == "monitor":
            self._deliver_monitor(event)
            return
        self._deliver_domain(event, event.kind.upper().replace("-", "_"))

    def deliver_pool(self, event: PoolEvent) -> None:
        """Send what happened to a storage pool to every callback that waits for it."""
        for callback, wish in tuple(self._wishes.items()):
            if wish.kind != _POOL_KINDS[event.kind] or wish.uuid not in (None, event.pool.uuid):
                continue
            body = {"callbackID": callback, "pool": pool_body(event.pool)}
            if event.kind == "lifecycle":
                body |= {"event": event.event, "detail": 0}
            self._send(REMOTE, f"STORAGE_POOL_EVENT_{event.kind.upper()}", body)

    def _deliver_domain(self, event: Event, name: str) -> None:
        args = event.args
        if name == "IO_ERROR" and "reason" in args:
            self._deliver_domain(event, "IO_ERROR_REASON")
            args = {key: value for key, value in args.items() if key != "reason"}
        if name not in EVENT_NAMES:
            log.error("an event that libvirt has not: '%s'", event.kind)
            return
        number = EVENT_NAMES.index(name)
        for callback, wish in tuple(self._wishes.items()):
            if wish.kind == number and wish.uuid in (None, event.domain.uuid):
                body = {"dom": domain_body(event.domain), **args}
                if wish.legacy:
                    body.pop("reason" if name.startswith("PM") else "", None)
                    self._send(REMOTE, f"DOMAIN_EVENT_{name}", body)
                else:
                    self._send(REMOTE, *_message(number, callback, body))

    def _deliver_monitor(self, event: Event) -> None:
        for callback, wish in tuple(self._wishes.items()):
            wanted = wish.kind == _MONITOR and wish.uuid in (None, event.domain.uuid)
            if wanted and (wish.pattern is None or wish.pattern.match(event.args["event"])):
                body = {"callbackID": callback, "dom": domain_body(event.domain), **event.args}
                self._send(QEMU, "DOMAIN_MONITOR_EVENT", body)

    def _keep(self, wish: _Wish) -> int:
        if len(self._wishes) >= CALLBACKS_MAX:
            raise OperationFailed(
                f"this client has {CALLBACKS_MAX} event callbacks and may have no more"
            )
        callback = self._next
        self._next += 1
        self._wishes[callback] = wish
        return callback


def _message(number: int, callback: int, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The procedure and body of event *number* for a callback: old events wrap, new ones do not."""
    prefix = "DOMAIN_EVENT_" if number in _UNPREFIXED else "DOMAIN_EVENT_CALLBACK_"
    name = prefix + EVENT_NAMES[number]
    type_name = procedure(REMOTE, name).msg
    assert type_name is not None
    fields = type_line(type_name)
    if " msg:" not in fields:
        return name, {"callbackID": callback, **body}
    outer = {"callbackID": callback}
    if " reason:" in fields:
        outer["reason"] = body.pop("reason", 0)
    return name, {**outer, "msg": body}

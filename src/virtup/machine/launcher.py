"""Everything between a definition and a running machine, for all guests of one daemon.

The launcher completes definitions with what QEMU can do, runs the start, keeps a record of every
attempt, and after the daemon's own restart finds the guests that run on.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from virtup.errors import VirtError
from virtup.host import disk as durable
from virtup.host import node as host_node
from virtup.host.accounts import Account
from virtup.host.clock import Clock
from virtup.host.disk import Disk
from virtup.host.layout import Layout
from virtup.host.ownership import Ledger
from virtup.machine import attempts as records
from virtup.machine import files, status
from virtup.machine.attempts import Attempt, Attempts
from virtup.machine.events import EventBus
from virtup.machine.failure import StepFailed, told
from virtup.machine.life import Machine
from virtup.machine.reconnect import Found, find_again
from virtup.machine.settings import Settings
from virtup.machine.start import Launch, Started, start
from virtup.machine.states import Shutoff
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.model.evidence import Evidence, Running
from virtup.qemu.argv import build, to_shell
from virtup.qemu.capabilities import Capabilities
from virtup.qemu.runtime import Runtime

log = logging.getLogger(__name__)


class Emulators(Protocol):
    """Who knows the QEMU binaries of this host."""

    async def capabilities(self, emulator: str) -> Capabilities:
        """Return what *emulator* can do; probes it when it is new. Raises VirtError."""

    def default_emulator(self, arch: str) -> str:
        """Return the QEMU binary for *arch*."""


@dataclass
class Hooks:
    """What the registry wants to know of one start."""

    on_up: Callable[[Machine], None]
    on_end: Callable[[Machine, Shutoff], None]


class Launcher:
    """Starts guests and finds them again; see the module."""

    def __init__(
        self,
        *,
        layout: Layout,
        settings: Settings,
        clock: Clock,
        disk: Disk,
        emulators: Emulators,
        account: Callable[[], Account | None],
        attempts: Attempts,
        events: EventBus,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._clock = clock
        self._disk = disk
        self._emulators = emulators
        self._account = account
        self._attempts = attempts
        self._events = events
        self._ledger = Ledger(layout.ledger_file, disk)
        self._machines: dict[str, Machine] = {}
        self._persistent: dict[str, bool] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._next_id = 1

    # -- definitions ---------------------------------------------------------------------------

    async def complete(self, xml: str) -> Domain:
        """Return *xml* as the definition it becomes: parsed, completed and checked.

        Raises VirtError with findings; nothing is left behind.
        """
        name = ""
        try:
            domain = parse_domain(xml)
            name = domain.name
            emulator = domain.devices.emulator or self._emulators.default_emulator(domain.os.arch)
            caps = await self._emulators.capabilities(emulator)
            return complete(
                domain, caps, uuid=None, mac=host_node.random_mac, emulator=emulator
            )
        except VirtError as error:
            evidence = Evidence(
                phase="parse" if not name else "validate",
                definition=xml,
                error=error.message,
                guest=name,
                running=self.running(),
            )
            raise await told(error.message, self._with_probe(evidence, error), error) from error

    @staticmethod
    def _with_probe(evidence: Evidence, error: VirtError) -> Evidence:
        """Add what a failed probe of the emulator knows."""
        return replace(
            evidence,
            errno=getattr(error, "errno", None),
            path=getattr(error, "path", ""),
            exit_status=getattr(error, "status", None),
            stderr=getattr(error, "words", ""),
        )

    async def to_native(self, xml: str) -> str:
        """Return the command line for *xml*; nothing is started."""
        domain = with_aliases(await self.complete(xml))
        caps = await self._emulators.capabilities(domain.devices.emulator)
        return to_shell(build(domain, caps, Runtime.example(domain)))

    def running(self) -> tuple[Running, ...]:
        """Return the running guests as the causes need them."""
        return tuple(
            Running(
                name=machine.name,
                uuid=machine.live.uuid,
                pid=machine.process.pid,
                disks=tuple(file.path for file in files.used(machine.live) if file.disk),
            )
            for machine in self._machines.values()
        )

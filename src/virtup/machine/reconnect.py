"""Guests that ran on while the daemon was away: found again, or told to have ended.

Each guest is looked for on its own: one whose QEMU does not answer is adopted all the same (it
is there, can be listed and destroyed) and its monitor is tried again until it answers or ends.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from virtup.errors import VirtError
from virtup.host import link
from virtup.machine.life import Machine, resync
from virtup.machine.monitor import MonitorFailed, open_monitor

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""How long to wait before a QEMU that did not answer is asked again."""


@dataclass
class Reconnection:
    """One adopted guest whose monitor is to be taken up again."""

    machine: Machine
    timeout_s: float

    async def once(self) -> bool:
        """Connect to the monitor and take over its state; False when QEMU does not answer."""
        machine = self.machine
        try:
            sock = link.connect(machine.monitor_path)
            monitor = await open_monitor(sock, timeout_s=self.timeout_s)
        except MonitorFailed as error:
            log.warning(
                "guest '%s': QEMU (pid %d) does not answer: %s; it is %s",
                machine.name,
                machine.process.pid,
                error.detail,
                machine.process.describe(),
            )
            return False
        except VirtError as error:
            log.warning("guest '%s': %s", machine.name, error.message)
            return False
        machine.attach(monitor)
        try:
            await resync(machine)
            await machine.find_agent()
        except VirtError as error:
            log.warning("guest '%s': %s", machine.name, error.message)
        return True

    async def until_done(self) -> None:
        """Try until QEMU answers or is gone."""
        while self.machine.process.alive():
            if await self.once():
                log.info("guest '%s' answers (pid %d)", self.machine.name, self.machine.process.pid)
                return
            await asyncio.sleep(RETRY_S)

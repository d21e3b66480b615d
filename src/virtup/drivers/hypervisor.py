"""The driver that the daemon serves: the guests, the host, and what happens to them."""

from __future__ import annotations

import logging
import os
from typing import Any

from virtup.drivers.autostart import Autostart
from virtup.drivers.checks import Checks
from virtup.drivers.domains import Domains
from virtup.drivers.history import History
from virtup.drivers.mending import GuestMender
from virtup.drivers.node import Node
from virtup.drivers.pool_store import PoolStore
from virtup.drivers.pools import Pools
from virtup.drivers.remedies import Remedies
from virtup.drivers.repairing import Repairing
from virtup.drivers.saves import Saves
from virtup.drivers.saving import Saving
from virtup.drivers.store import Store
from virtup.drivers.volumes import Volumes
from virtup.errors import ConfigUnsupported
from virtup.host import accounts
from virtup.host import layout as layouts
from virtup.host.accounts import Account
from virtup.host.clock import Clock
from virtup.host.disk import FileDisk, sweep
from virtup.host.layout import Layout
from virtup.host.mending import HostMender
from virtup.host.node import boot_id
from virtup.machine import foreign
from virtup.machine.attempts import Attempts
from virtup.machine.events import EventBus, PoolEventBus
from virtup.machine.launcher import Launcher
from virtup.machine.repairs import Repairs
from virtup.machine.settings import Settings

log = logging.getLogger(__name__)

ANYBODY = Account("", 65534, 65534, (65534,))
"""Stands for QEMU's user when directories are made: it must pass them, whoever it is."""


class Hypervisor:
    """Everything one daemon owns. ``open`` before use; ``close`` leaves the guests running."""

    def __init__(self, layout: Layout, settings: Settings, clock: Clock) -> None:
        disk = FileDisk()
        self.layout = layout
        self.settings = settings
        self.clock = clock
        self.events = EventBus()
        self.pool_events = PoolEventBus()
        self.pools = Pools(PoolStore(layout, disk, boot_id()), self.pool_events)
        self.volumes = Volumes(self.pools, self._user_of)
        self._account: Account | None = None
        self.attempts = Attempts(layout.attempts_dir, disk, kept=settings.attempts_kept)
        self.node = Node(layout, self.qemu_account)
        self.launcher = Launcher(
            layout=layout,
            settings=settings,
            clock=clock,
            disk=disk,
            emulators=self.node,
            account=self.qemu_account,
            attempts=self.attempts,
            events=self.events,
            volumes=self.volumes,
        )
        self.domains = Domains(
            Store(layout, disk),
            self.launcher,
            self.events,
            settings,
            saving=Saving(
                Saves(layout, disk), self.launcher, disk, clock, format=settings.save_image_format
            ),
            autostart=Autostart(layout.state_dir, disk, clock, boot_id()),
            clock=clock,
            foreign=lambda name: foreign.process_of(layout, disk, name),
        )

        self.checks = Checks(self.domains, self.launcher)
        self.history = History(self.attempts, self.launcher, self.domains)
        self._repairs = Repairs(layout.repairs_dir, disk)
        mender = GuestMender(self.domains, self.pools, HostMender())
        remedies = Remedies(self.launcher, self.checks, self.attempts, mender)
        self.repairing = Repairing(
            self.domains, remedies, self._repairs, mender, on_act=self._forget_account
        )

    async def open(self) -> None:
        """Make the directories, load the definitions, find the running guests again."""
        layouts.create(self.layout, ANYBODY if self._drops_privilege() else None)
        self._sweep()
        await self.pools.open()
        await self.domains.open()

    def _sweep(self) -> None:
        """Remove what an earlier daemon was writing when it was killed."""
        layout, disk = self.layout, FileDisk()
        for folder in (os.path.dirname(layout.ledger_file), layout.cache_dir, layout.autostart):
            sweep(disk, folder)
        self.attempts.sweep()
        self._repairs.sweep()

    def _user_of(self, path: str) -> str:
        """Return the running guest that uses the file at *path*; "" for none."""
        real = os.path.realpath(path)
        for guest in self.launcher.running():
            if real in map(os.path.realpath, guest.disks):
                return guest.name
        return ""

    def qemu_account(self) -> Account | None:
        """Return whom QEMU runs as; None means the daemon's own user.

        The layout's default user is made when it is missing; one that was configured is not.
        Raises AccountMissing.
        """
        if not self._drops_privilege():
            return None
        if self._account is None:
            user, group = self.settings.qemu_user, self.settings.qemu_group or None
            if user:
                self._account = _unprivileged(accounts.lookup(user, group))
            elif self.layout.name == "libvirt":
                self._account = accounts.lookup("libvirt-qemu", group)
            else:
                self._account = accounts.ensure("virtup-qemu", group)
        return self._account

    def _drops_privilege(self) -> bool:
        return os.geteuid() == 0

    async def close(self) -> None:
        """Let go of everything; running guests run on."""
        self.domains.close()
        await self.launcher.close()
        await self.node.close()

    def active_count(self) -> int:
        """Return how many guests run or start."""
        return len(self.domains.active())

    def client_gone(self, client_id: int) -> None:
        """End what was started for that client alone."""
        self.domains.client_gone(client_id)

    async def check(self, guest: str) -> dict[str, Any]:
        """Return what a start of the guest with that name or UUID would come to, as data."""
        return (
            await self.checks.guest(self.domains.by_name(self.domains.name_of(guest)))
        ).to_dict()

    async def fix_plan(self, guest: str) -> dict[str, Any]:
        """Return what keeps a guest from starting and what can be done about it, as data."""
        return await self.repairing.plan(self.domains.by_name(self.domains.name_of(guest)))

    async def fix_apply(
        self, guest: str, keys: list[str], transaction: str | None
    ) -> dict[str, Any]:
        """Do what of a plan has *keys*; see `Repairing.apply`."""
        known = self.domains.by_name(self.domains.name_of(guest))
        return await self.repairing.apply(known, keys, transaction)

    def _forget_account(self) -> None:
        """Look QEMU's account up anew: it may be in other groups now."""
        self._account = None

    async def fix_undo(self, guest: str) -> dict[str, Any]:
        """Take back the last repair of a guest; see `Repairing.undo`."""
        return await self.repairing.undo(self.domains.name_of(guest))

    def fix_list(self, guest: str) -> list[dict[str, Any]]:
        """Return the recorded repairs of a guest, oldest first."""
        return self.repairing.recorded(self.domains.name_of(guest))

    def boot_summary(self) -> dict[str, Any]:
        """Return what started with the host in this boot, and where saved guests are kept.

        ``guests`` has ``name uuid outcome why at`` of each, ``save_dir`` the directory.
        """
        return {"guests": self.domains.autostart.summary(), "save_dir": self.layout.save_dir}


def _unprivileged(account: Account) -> Account:
    """Return *account*; raises ConfigUnsupported for another name of root's."""
    if account.uid == 0:
        raise ConfigUnsupported(f"'qemu_user' is '{account.name}': QEMU never runs as root")
    return account

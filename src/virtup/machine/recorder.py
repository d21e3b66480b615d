"""What a start used of the host, gathered beside it and kept with the record of the attempt.

The start does not wait: the host is looked at, and the record written, when it is over, in threads
and for at most `LOOK_S`. A file's owner is the one it has when it is not lent to QEMU's user, so
that a guest that runs and one that failed can be compared.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

from virtup import __version__
from virtup.host.accounts import Account, identity
from virtup.host.bounded import each_within
from virtup.host.evidence import paths
from virtup.host.fingerprint import fingerprint
from virtup.host.ownership import Ledger, Record
from virtup.host.surroundings import link_state, surroundings
from virtup.machine import demands, files
from virtup.machine.attempts import Attempt, Attempts
from virtup.machine.settings import Settings
from virtup.model.domain import Domain, format_domain

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How long the host may take to be looked at: a dead file server does not answer at all."""

FILES_MAX = 200
DIRECTORIES_MAX = 100
"""How many files, and directories above them, are told of."""

KVM, TUN = "/dev/kvm", "/dev/net/tun"
SETTINGS = (
    "qemu_user",
    "qemu_group",
    "dynamic_ownership",
    "monitor_timeout_s",
    "vnc_port_min",
    "vnc_port_max",
    "vnc_listen",
    "sandbox",
)
"""The settings of the daemon on which it may depend whether a guest starts."""


class _Use(NamedTuple):
    """A file that a start uses, and what it is to the guest."""

    path: str
    use: str
    write: bool = False


class Recorder:
    """Completes and keeps the records of starts; see the module."""

    def __init__(self, attempts: Attempts, ledger: Ledger, settings: Settings) -> None:
        self._attempts = attempts
        self._ledger = ledger
        self._settings = settings
        self._last: dict[str, asyncio.Task[None]] = {}

    def note(self, attempt: Attempt, domain: Domain, account: Account | None) -> None:
        """Have the record of *attempt* at *domain* completed and kept; returns at once.

        Records of one guest are kept in the order of these calls.
        """
        before = self._last.get(attempt.guest)
        # the threads that hand over files may change the ledger: what is lent now counts
        lent = self._ledger.records()
        work = self._keep_after(before, attempt, domain, account, lent=lent)
        task = asyncio.get_running_loop().create_task(work, name=f"record-{attempt.guest}")
        self._last[attempt.guest] = task
        task.add_done_callback(lambda done: self._forget(attempt.guest, done))

    async def _keep_after(
        self,
        before: asyncio.Task[None] | None,
        attempt: Attempt,
        domain: Domain,
        account: Account | None,
        *,
        lent: Iterable[Record],
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            await asyncio.to_thread(self._keep, attempt, domain, account, lent)
        except OSError as error:
            log.error("the record of a start of '%s' is lost: %s", attempt.guest, error)

    async def settle(self) -> None:
        """Wait until every record noted so far is on disk."""
        if self._last:
            await asyncio.wait(self._last.values())

    async def look(self, attempt: Attempt, domain: Domain, account: Account | None) -> None:
        """Fill into *attempt* what a start of *domain* would find now."""
        await asyncio.to_thread(self._fill, attempt, domain, account, self._ledger.records())

    def _forget(self, guest: str, done: asyncio.Task[None]) -> None:
        if self._last.get(guest) is done:
            del self._last[guest]

    def _keep(
        self, attempt: Attempt, domain: Domain, account: Account | None, lent: Iterable[Record]
    ) -> None:
        self._fill(attempt, domain, account, lent)
        self._attempts.keep(attempt)

    def _fill(
        self, attempt: Attempt, domain: Domain, account: Account | None, lent: Iterable[Record]
    ) -> None:
        attempt.virt = domain.type
        attempt.memory_kib = domain.memory_kib
        attempt.virtup = __version__
        if domain.given is not None:
            attempt.given = format_domain(domain.given, inactive=True)
        uid, name, gids = identity(account)
        attempt.user = {"name": name, "uid": uid, "gids": list(gids)}
        known = asdict(self._settings)
        attempt.settings = {key: known[key] for key in SETTINGS}
        _look(attempt, domain, {record.path: record for record in lent})


def _look(attempt: Attempt, domain: Domain, lent: dict[str, Record]) -> None:
    """Look at the host, in two rounds: what images stand on is known when they were looked at."""
    until = time.monotonic() + LOOK_S
    named = _named(domain)
    uses = {use: _fingerprint(use, lent) for use in named}
    links = {name: _asked(link_state, name) for name in _links(domain)}
    work: dict[Any, Callable[[], Any]] = {
        **uses,
        **links,
        "host": surroundings,
        "below": lambda: [_Use(one.path, "disk", one.write) for one in demands.below(domain)],
    }
    seen = each_within(list(work), lambda key: work[key](), LOOK_S)
    attempt.host = seen.get("host", {})
    attempt.network = {name: seen[name] for name in links if name in seen}
    found = {use: seen.get(use, _late(use)) for use in uses}
    further = [use for use in seen.get("below", []) if use.path not in {one.path for one in uses}]
    further += _above([*found, *further], [str(one.get("real", "")) for one in found.values()])
    left = max(0.1, until - time.monotonic())
    more = each_within(further, lambda use: _fingerprint(use, lent)(), left)
    found |= {use: more.get(use, _late(use)) for use in further}
    attempt.files = {use.path: one for use, one in found.items()}


def _named(domain: Domain) -> list[_Use]:
    """Return what the definition names: QEMU, its files, the devices of the kernel it needs."""
    uses = [_Use(str(domain.devices.emulator), "emulator")] if domain.devices.emulator else []
    uses += [
        _Use(file.path, "disk" if file.disk else "file", file.write) for file in files.used(domain)
    ]
    if domain.type == "kvm":
        uses.append(_Use(KVM, "device", write=True))
    if any(files.taps(domain)):
        uses.append(_Use(TUN, "device", write=True))
    return list({use.path: use for use in uses}.values())[:FILES_MAX]


def _above(uses: Iterable[_Use], reals: Iterable[str]) -> list[_Use]:
    """Return the directories that lead to files."""
    found: dict[str, None] = {}
    for path in (*(use.path for use in uses), *reals):
        above = os.path.dirname(path)
        while above not in ("", "/") and above not in found:
            found[above] = None
            above = os.path.dirname(above)
    return [_Use(path, "directory") for path in list(found)[:DIRECTORIES_MAX]]


def _links(domain: Domain) -> list[str]:
    """Return the interfaces of the host that have to be there."""
    names = []
    for nic in files.taps(domain):
        if nic.source_bridge:
            names.append(nic.source_bridge)
        if nic.target is not None and nic.target.dev and nic.target.managed is False:
            names.append(nic.target.dev)
    return list(dict.fromkeys(names))


def _asked(look: Callable[[str], Any], name: str) -> Callable[[], Any]:
    return lambda: look(name)


def _late(use: _Use) -> dict[str, Any]:
    return {"use": use.use, "write": use.write, "error": f"no answer within {LOOK_S:g} s"}


def _fingerprint(use: _Use, lent: dict[str, Record]) -> Callable[[], dict[str, Any]]:
    """Return what looks at a file: as it is when it is not lent, with the names of its owners."""

    def look() -> dict[str, Any]:
        told = fingerprint(use.path, use=use.use, write=use.write)
        if "error" in told:
            return told
        record = lent.get(told.get("real") or use.path)
        if record is not None and (record.ino, record.lent_to) == (told["inode"], told["uid"]):
            told |= {"uid": record.uid, "gid": record.gid}
        owner, group = paths.user_name(told["uid"]), paths.group_name(told["gid"])
        return told | {"owner": owner, "group": group}

    return look

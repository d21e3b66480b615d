"""Storage pools on disk: one XML file a definition, a link for autostart, a file while active."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from virtup.drivers.store import unreadable
from virtup.errors import OperationFailed, VirtError
from virtup.host import disk
from virtup.host.disk import Disk
from virtup.host.layout import Layout
from virtup.model.storage.pool import Pool, format_pool, format_state, parse_pool, parse_state

log = logging.getLogger(__name__)

MARKER = "autostarted"
"""The file that tells libvirtd, as its own tells us, that this boot's pools were started."""


@dataclass(frozen=True)
class StoredPool:
    """A definition as it stands on disk."""

    pool: Pool
    autostart: bool


class PoolStore:
    """The pools below a layout. Definitions survive a power cut, what is active the daemon alone.

    The files are those of libvirt, in its places where the layout is its.
    """

    def __init__(self, layout: Layout, disk: Disk, boot: str) -> None:
        self._definitions = layout.pools_dir
        self._autostart = layout.pools_autostart
        self._active = layout.pools_active
        self._disk = disk
        self._boot = boot
        self._aside: dict[str, str] = {}

    def load(self) -> Iterator[StoredPool]:
        """Yield every definition that can be read; one that cannot is logged and left."""
        disk.sweep(self._disk, self._definitions)
        autostarted = set(self._disk.list_dir(self._autostart))
        for path, pool in self._read(self._definitions, parse_pool):
            yield StoredPool(pool, path.rpartition("/")[2] in autostarted)

    def load_active(self) -> Iterator[Pool]:
        """Yield every pool that is active, as it was started."""
        disk.sweep(self._disk, self._active)
        for _, pool in self._read(self._active, parse_state):
            yield pool

    def _read(self, folder: str, parse: Callable[..., Pool]) -> Iterator[tuple[str, Pool]]:
        for name in sorted(self._disk.list_dir(folder)):
            path = f"{folder}/{name}"
            if not name.endswith(".xml"):
                continue
            try:
                pool = parse(self._disk.read(path), source=path)
            except (OSError, VirtError) as error:
                self._leave_aside(path, unreadable(path, error))
                continue
            if pool.uuid is None:
                self._leave_aside(path, f"'{path}' has no <uuid>")
            elif f"{pool.name}.xml" != name:
                self._leave_aside(path, f"'{path}' names '{pool.name}'")
            else:
                yield path, pool

    def _leave_aside(self, path: str, reason: str) -> None:
        log.error("storage pool left aside: %s", reason)
        self._aside[path] = reason

    def write(self, pool: Pool) -> None:
        """Put the definition of *pool* in place of the one before it, durably.

        Raises OperationFailed rather than put it in place of one that was left aside.
        """
        path = self._definition(pool.name)
        if path in self._aside and f"{pool.name}.xml" in self._disk.list_dir(self._definitions):
            raise OperationFailed(
                f"'{path}' is a storage pool's definition that virtup could not read, and is not "
                f"overwritten; move it away first: {self._aside[path]}"
            )
        disk.write_durably(self._disk, path, format_pool(pool).encode(), mode=0o600)

    def remove(self, name: str) -> None:
        """Remove a definition and its autostart link, durably; the link first."""
        self.set_autostart(name, False)
        disk.remove_durably(self._disk, self._definition(name))

    def set_autostart(self, name: str, autostart: bool) -> None:
        """Make or remove the autostart link of a pool, durably."""
        link = f"{self._autostart}/{name}.xml"
        if autostart:
            disk.symlink_durably(self._disk, self._definition(name), link)
        else:
            disk.remove_durably(self._disk, link)

    def write_active(self, pool: Pool) -> None:
        """Note that *pool* is active."""
        path = f"{self._active}/{pool.name}.xml"
        disk.write_at_once(self._disk, path, format_state(pool).encode())

    def remove_active(self, name: str) -> None:
        """Note that a pool is not active."""
        disk.remove_durably(self._disk, f"{self._active}/{name}.xml")

    def begin(self) -> bool:
        """Tell whether this is the first daemon of a boot; nothing is active then."""
        marker = f"{self._active}/{MARKER}"
        try:
            first = self._disk.read(marker).decode("ascii", "replace").strip() not in (
                "",  # libvirtd's own says no more
                self._boot,
            )
        except OSError:  # none there, or nothing to go by
            first = True
        if first:
            self._forget_active()
            try:
                disk.write_at_once(self._disk, marker, self._boot.encode())
            except OSError as error:
                log.error("that pools started with the host is not kept in '%s': %s", marker, error)
        return first

    def _forget_active(self) -> None:
        for name in self._disk.list_dir(self._active):
            if name.endswith(".xml"):
                self._disk.unlink(f"{self._active}/{name}")

    def _definition(self, name: str) -> str:
        return f"{self._definitions}/{name}.xml"

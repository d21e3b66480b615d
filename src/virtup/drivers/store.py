"""The definitions of persistent guests on disk: one XML file a guest, one link for autostart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from virtup.errors import OperationFailed, VirtError
from virtup.host import disk
from virtup.host.disk import Disk
from virtup.host.layout import Layout
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.domain.implicit import with_implied, without_implied

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """A definition as it stands on disk."""

    domain: Domain
    autostart: bool
    autostart_once: bool = False


class Store:
    """The definitions below a layout. What is written here survives a power cut."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._layout = layout
        self._disk = disk
        self._aside: dict[str, str] = {}

    def load(self) -> Iterator[Stored]:
        """Yield every definition that can be read.

        One that cannot is logged with the reason and stays where it is: it may be another
        version's, and its guest is somebody's.
        """
        disk.sweep(self._disk, self._layout.definitions)
        autostarted = set(self._disk.list_dir(self._layout.autostart))
        for name in sorted(self._disk.list_dir(self._layout.definitions)):
            path = f"{self._layout.definitions}/{name}"
            if not name.endswith(".xml"):
                continue
            try:
                domain = with_implied(parse_domain(self._disk.read(path), source=path))
            except (OSError, VirtError) as error:
                self._leave_aside(path, unreadable(path, error))
                continue
            if domain.uuid is None:
                self._leave_aside(path, f"'{path}' has no <uuid>")
            elif f"{domain.name}.xml" != name:
                self._leave_aside(path, f"'{path}' names '{domain.name}'")
            else:
                yield Stored(domain, name in autostarted, f"{name}.once" in autostarted)

    def _leave_aside(self, path: str, reason: str) -> None:
        log.error("guest definition left aside: %s", reason)
        self._aside[path] = reason

    def why_aside(self, name: str) -> str:
        """Tell why the definition in the file of the guest *name* was left aside; "" if it was not."""
        return self._aside.get(self._path(name), "")

    def write(self, domain: Domain) -> None:
        """Put the definition of *domain* in place of the one before it, durably.

        Raises OperationFailed rather than put it in place of one that was left aside.
        """
        path = self._path(domain.name)
        if path in self._aside and f"{domain.name}.xml" in self._disk.list_dir(
            self._layout.definitions
        ):
            raise OperationFailed(
                f"'{path}' is a guest's definition that virtup could not read, and is not "
                f"overwritten; move it away first: {self._aside[path]}"
            )
        text = format_domain(without_implied(domain), secure=True, inactive=True)
        disk.write_durably(self._disk, path, text.encode(), mode=0o600)

    def remove(self, name: str) -> None:
        """Remove the definition and its autostart links, durably; the links first."""
        self.set_autostart(name, False)
        self.set_autostart_once(name, False)
        disk.remove_durably(self._disk, self._path(name))

    def set_autostart(self, name: str, autostart: bool) -> None:
        """Make or remove the autostart link of a guest, durably."""
        self._link(name, f"{self._layout.autostart}/{name}.xml", autostart)

    def set_autostart_once(self, name: str, once: bool) -> None:
        """Make or remove the link of a guest that starts with the host the next time alone.

        It has the name that libvirt 11.2 gives it.
        """
        self._link(name, f"{self._layout.autostart}/{name}.xml.once", once)

    def _link(self, name: str, link: str, wanted: bool) -> None:
        if wanted:
            disk.symlink_durably(self._disk, self._path(name), link)
        else:
            disk.remove_durably(self._disk, link)

    def _path(self, name: str) -> str:
        return f"{self._layout.definitions}/{name}.xml"


def unreadable(path: str, error: OSError | VirtError) -> str:
    """Return why the definition at *path* cannot be used, in a sentence."""
    if isinstance(error, VirtError):
        return error.message
    return f"'{path}' cannot be read: {error.strerror or error}"

"""The saved states of guests: one managed image a guest, and images in files of a user's own.

A damaged managed image is never deleted and never tried twice: it gets another name, with its
reason beside it, so that the next start boots. One that is whole and does not fit (its disks
changed, its machine is not here) stays where it is and is refused with its reason.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

from virtup.errors import SystemError_
from virtup.host import disk as durable
from virtup.host import save_bytes, save_file
from virtup.host.disk import Disk
from virtup.host.layout import Layout
from virtup.host.save_file import Image
from virtup.machine.save import restorer
from virtup.model.save_image import Damage, ImageDamaged

log = logging.getLogger(__name__)

SUFFIX = ".save"

RETIRED = ".consumed"
"""Behind the name of an image of libvirt's that a guest was loaded from, until it is removed."""

BOOTS_COLD = {Damage.INCOMPLETE, Damage.EMPTY, Damage.CONSUMED}
"""Images that hold nothing to lose: the guest boots without them, and that is said."""

STAYS = {Damage.DISKS_CHANGED, Damage.MACHINE_GONE, Damage.UNREADABLE}
"""Images that may be whole: a person decides, or mends what keeps them from being restored."""


class Saves:
    """The managed images below a layout's save directory."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._directory = layout.save_dir
        self._disk = disk
        self._known: set[str] = set()
        self._lost: dict[str, str] = {}

    def open(self, running: set[str]) -> None:
        """Find the images that are there, and what power cuts left of saves.

        A part of a save whose guest runs on is of no use and removed; one whose guest is gone is
        set aside, and the next start of that guest says so. What a disk that fails, or may not be
        written to, does not let be removed stays for the next time.
        """
        for entry in self._disk.list_dir(self._directory):
            try:
                self._take_in(entry, running)
            except OSError as error:
                log.error("'%s/%s' is left as it is: %s", self._directory, entry, error.strerror)

    def _take_in(self, entry: str, running: set[str]) -> None:
        path = f"{self._directory}/{entry}"
        if entry.startswith(".") and entry.endswith(save_bytes.EDITED):
            durable.remove_durably(self._disk, path)  # the image is whole under its own name
        elif entry.startswith(".") and entry.endswith(f"{SUFFIX}{save_bytes.OLD}"):
            name = entry[1 : -len(f"{SUFFIX}{save_bytes.OLD}")]
            self._known.add(name)
            save_file.settle(self.path(name))
        elif entry.startswith(".") and entry.endswith(save_bytes.PART):
            name = entry[1 : -len(f"{SUFFIX}{save_bytes.PART}")]
            if name in running:
                durable.remove_durably(self._disk, path)
            else:
                self._set_aside_part(path, name)
        elif entry.endswith(f"{SUFFIX}{RETIRED}"):
            name = entry[: -len(f"{SUFFIX}{RETIRED}")]
            if name in running:
                durable.remove_durably(self._disk, path)
            else:
                self.look_for_retired(name)
        elif entry.endswith(SUFFIX):
            name = entry[: -len(SUFFIX)]
            self._known.add(name)
            if name in running and _was_restored(path):
                durable.remove_durably(self._disk, path)
                self._known.discard(name)

    def _set_aside_part(self, path: str, name: str) -> None:
        kept = f"{self._directory}/{name}{SUFFIX}.incomplete"
        lost = (
            "the state of the guest was being saved when the host or the daemon went down; "
            "it is incomplete and "
        )
        self._lost[name] = f"{lost}lies in '{path}'"
        durable.rename_durably(self._disk, path, kept)
        self._lost[name] = f"{lost}was set aside as '{kept}'"
        log.warning("guest '%s': %s", name, self._lost[name])

    def path(self, name: str) -> str:
        """Return where the managed image of a guest is or would be."""
        return f"{self._directory}/{name}{SUFFIX}"

    def temporary(self, name: str) -> str:
        """Return the name under which the managed image of a guest is written."""
        return save_bytes.temporary_of(self.path(name), save_bytes.PART)

    def has(self, name: str) -> bool:
        """Tell whether a guest has a managed image."""
        return name in self._known

    def saved(self, name: str) -> None:
        """Note that a guest has a managed image now."""
        self._known.add(name)
        self._lost.pop(name, None)

    def loss(self, name: str) -> str:
        """Return, once, what was lost of a guest's save in a power cut; "" for nothing."""
        return self._lost.pop(name, "")

    def lost(self, name: str) -> str:
        """Return what `loss` will, without forgetting it."""
        return self._lost.get(name, "")

    def remove(self, name: str) -> bool:
        """Remove a guest's managed image durably; tell whether there was one.

        Raises SystemError_; the guest has it then, unless that is only not durable.
        """
        try:
            there = durable.remove_durably(self._disk, self.path(name))
        except OSError as error:
            said = f"the saved state '{self.path(name)}' cannot be removed: {error.strerror}"
            raise SystemError_(said) from error
        self._known.discard(name)
        return there

    def examine(self, name: str) -> Image:
        """Return the managed image of a guest, checked; raises ImageDamaged."""
        return replace(restorer.examine(self.path(name)), retired=f"{self.path(name)}{RETIRED}")

    def used(self, image: Image, name: str) -> None:
        """Remove the image that a running guest was loaded from; it is marked already."""
        self._known.discard(name)
        for path in (image.path, image.retired):
            try:
                durable.remove_durably(self._disk, path)
            except OSError as error:
                log.warning("guest '%s' runs; its state '%s' stays: %s", name, path, error)

    def look_for_retired(self, name: str) -> None:
        """Have the next start say that the guest may have run from an image that is retired."""
        path = self.path(name)
        kept = restorer.set_aside_name(path, Damage.CONSUMED, dt.datetime.now(dt.UTC))
        retired = f"{path}{RETIRED}"
        try:
            durable.rename_durably(self._disk, retired, kept)
        except OSError as error:
            if not save_file.is_there(retired):
                return
            log.error("'%s' is left as it is: %s", retired, error.strerror)
            kept = retired
        self._known.discard(name)
        self._lost[name] = (
            "the guest had been loaded from its saved state when it ended, and may have run on; "
            f"that state was set aside as '{kept}'"
        )
        log.warning("guest '%s': %s", name, self._lost[name])

    def lay_aside(self, name: str) -> str:
        """Give a guest's image another name, as it is not to be used; return it. Raises OSError."""
        kept = durable.set_aside(self._disk, self.path(name), "set-aside")
        self._known.discard(name)
        log.warning("guest '%s': its saved state was set aside as '%s'", name, kept)
        return kept

    def take_back(self, kept: str, name: str) -> None:
        """Give the image that `lay_aside` named *kept* its name again. Raises OSError."""
        durable.rename_durably(self._disk, kept, self.path(name))
        self._known.add(name)

    def set_aside(self, name: str, damage: ImageDamaged) -> str:
        """Give a guest's damaged image another name, with its reason beside it; return it.

        Raises OSError; it has its own name then. Where there is no room for the reason, that is in
        the log alone.
        """
        path = self.path(name)
        kept = restorer.set_aside_name(path, damage.kind, dt.datetime.now(dt.UTC))
        durable.rename_durably(self._disk, path, kept)
        said = damage.message.partition("\n")[0]
        reason = f"{damage.kind.value}: {said}\n"
        self._known.discard(name)
        log.warning("guest '%s': %s; set aside as '%s'", name, said, kept)
        try:
            durable.write_durably(self._disk, f"{kept}.reason", reason.encode(), mode=0o600)
        except OSError as error:
            log.error("'%s.reason' cannot be written: %s", kept, error.strerror)
        return kept


def _was_restored(path: str) -> bool:
    """Tell whether the image at *path* is whole and was restored: its guest runs on from it."""
    try:
        return save_file.inspect(path).consumed_ns is not None
    except ImageDamaged:
        return False

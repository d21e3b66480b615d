"""The status record of a running guest: what a daemon that starts anew needs to find it again.

One JSON file a guest in the state directory, which does not outlive a boot. It is replaced whole,
never synced: it must survive the death of the daemon, and means nothing after that of the host.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from virtup.host import disk
from virtup.host.disk import Disk

log = logging.getLogger(__name__)

FORMAT = 2
SUFFIX = ".status.json"
LAST_ID = "last-id"


@dataclass(frozen=True)
class SaveNote:
    """A save that was begun: what it writes, where that goes, and by what the image is known.

    ``was_running`` says whether the guest goes on when the save comes to nothing.
    """

    temporary: str
    path: str
    id: str
    was_running: bool


@dataclass(frozen=True)
class Status:
    """One guest that runs or starts. ``boot`` and ``start_ticks`` make ``pid`` mean one process.

    A guest that is ``starting`` may have a QEMU that is not known yet: ``pid`` is 0 then.
    ``ending`` is why the guest is being ended, as a number of `Shutoff`. A guest with
    ``autodestroy`` does not outlive its client, and so not the daemon. ``volumes`` are the files
    of disks that are volumes of storage pools, by the disks' targets.
    """

    name: str
    uuid: str
    id: int
    pid: int
    start_ticks: int
    boot: str
    monitor: str
    state: int
    reason: int
    persistent: bool
    xml: str
    agent: str = ""
    saving: SaveNote | None = None
    directories: list[str] = field(default_factory=list)
    tainted: list[str] = field(default_factory=list)
    starting: bool = False
    ending: int | None = None
    autodestroy: bool = False
    volumes: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


class Statuses:
    """The status records below one state directory."""

    def __init__(self, directory: str, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk

    def write(self, status: Status) -> None:
        """Put the record in place of the one before it."""
        text = json.dumps(asdict(status), ensure_ascii=False, separators=(",", ":"))
        disk.write_at_once(self._disk, self._path(status.name), text.encode(), mode=0o600)

    def remove(self, name: str) -> None:
        """Remove the record of a guest that is gone; none there is fine."""
        try:
            self._disk.unlink(self._path(name))
        except FileNotFoundError:
            return

    def take_id(self, at_least: int) -> int:
        """Return a number that no guest had since the directory was made, and note that."""
        path = f"{self._directory}/{LAST_ID}"
        try:
            last = int(self._disk.read(path))
        except FileNotFoundError:
            last = 0
        except ValueError:
            log.error("'%s' holds no number; guests are numbered from %d", path, at_least)
            last = 0
        taken = max(last + 1, at_least)
        disk.write_at_once(self._disk, path, b"%d\n" % taken, mode=0o600)
        return taken

    def read_all(self) -> Iterator[Status]:
        """Yield every record that can be read; one that cannot is logged and left."""
        disk.sweep(self._disk, self._directory)
        for entry in sorted(self._disk.list_dir(self._directory)):
            if not entry.endswith(SUFFIX):
                continue
            path = f"{self._directory}/{entry}"
            try:
                kept = json.loads(self._disk.read(path))
                if not isinstance(kept, dict) or kept.get("format") != FORMAT:
                    log.error("status record '%s' has an unknown format; left aside", path)
                    continue
                if kept.get("saving"):
                    kept["saving"] = SaveNote(**kept["saving"])
                yield Status(**kept)
            except (OSError, ValueError, TypeError) as error:
                log.error("status record '%s' cannot be read, left aside: %s", path, error)

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}{SUFFIX}"

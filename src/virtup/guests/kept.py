"""What virtup-guests keeps between its calls, opened: settings, list, report, the mark of a boot."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from virtup.guests import places as where
from virtup.guests import remote as remotes
from virtup.guests import settings as settings_
from virtup.guests.office import Office
from virtup.guests.places import Places
from virtup.guests.report import Report
from virtup.guests.settings import Problem, Settings
from virtup.guests.waiting import ListDamaged, Waiting
from virtup.host import disk as durable
from virtup.host.clock import SystemClock
from virtup.host.disk import Disk, FileDisk
from virtup.host.node import boot_id
from virtup.wire.sockets import Kind


@dataclass
class Kept:
    """Where things are, what was set, and the disk that has them."""

    places: Places
    settings: Settings
    disk: Disk

    @property
    def is_started(self) -> bool:
        """Whether the guests were brought back in this boot of the host."""
        try:
            return self.disk.read(self.places.mark).decode().strip() == boot_id()
        except OSError:
            return False

    def mark(self, *, started: bool) -> None:
        """Note whether the guests were brought back; raises OSError."""
        if started:
            durable.write_at_once(self.disk, self.places.mark, f"{boot_id()}\n".encode())
        else:
            with contextlib.suppress(FileNotFoundError):
                self.disk.unlink(self.places.mark)

    def opened(
        self,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        *,
        autostart: bool = True,
        mend: bool = False,
    ) -> Office:
        """Return what a stop or start works with; raises ListDamaged, OSError.

        *say* and *complain* tell a person a line. With *mend*, a damaged list is set aside, and
        that is told.
        """
        waiting = Waiting(self.places.waiting, self.disk)
        try:
            waiting.load()
        except ListDamaged as error:
            if not mend:
                raise
            kept = durable.set_aside(self.disk, self.places.waiting, "damaged")
            complain(f"{error.message}; set aside as '{kept}'")
        report = Report(self.places.report, self.disk)
        report.load()
        return Office(
            settings=self.settings,
            clock=SystemClock(),
            waiting=waiting,
            report=report,
            connect=lambda uri: remotes.RpcRemote.connect(uri, autostart=autostart),
            say=say,
            same=remotes.socket_of,
            boot=boot_id(),
        )


def find(
    env: Mapping[str, str],
    uid: int,
    *,
    root: str | None = None,
    config: str | None = None,
    kind: Kind | None = None,
) -> tuple[Kept, list[Problem]]:
    """Return what a user has, or what is below *root*, and what is wrong with the settings.

    *config* is read in place of the usual files; *kind* as for `places`. Raises InvalidArgument for a user without a HOME.
    """
    places = where.places(env, uid, root=root, config=config, kind=kind)
    disk = FileDisk()
    texts: dict[str, str] = {}
    unreadable: list[Problem] = []
    for path in places.settings:
        try:
            texts[path] = disk.read(path).decode()
        except FileNotFoundError:
            if config is not None:
                unreadable.append(Problem(path, "there is no such file"))
        except OSError as error:
            unreadable.append(Problem(path, f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError:
            unreadable.append(Problem(path, "cannot be read: it is no text"))
    settings, problems = settings_.read(texts, env)
    return Kept(places, settings, disk), [*unreadable, *problems]

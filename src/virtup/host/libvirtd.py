"""What a stock libvirtd of this host wrote down: its guests' logs, its own log or journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from virtup.host.tool import answer_of

DAEMONS = ("libvirtd", "virtqemud", "virtnetworkd", "virtlogd")
JOURNAL = ("-q", "-o", "short-iso-precise", "--no-pager", "-n", "60", "-p", "err", "-b")
TAIL_BYTES = 256 * 1024
JOURNAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where one libvirtd writes; ``of_system``: it is root's, and its QEMU has its own user."""

    guests: Path
    daemon: Path
    of_system: bool

    @classmethod
    def of(cls, *, session: bool) -> Places:
        """The places of the system's libvirtd, or of the session's of this user."""
        if session:
            cache = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
            folder = Path(cache, "libvirt")
            return cls(folder / "qemu/log", folder, of_system=False)
        return cls(Path("/var/log/libvirt/qemu"), Path("/var/log/libvirt"), of_system=True)

    def guest_log(self, name: str) -> str:
        """The end of the log of the guest *name*, "" when there is none; raises OSError."""
        try:
            return _tail(self.guests / f"{name}.log")
        except FileNotFoundError:
            return ""

    def daemon_log(self) -> str:
        """The end of the daemons' logs, or of their journal; "" when neither can be read."""
        found = []
        for name in DAEMONS:
            try:
                found.append(_tail(self.daemon / f"{name}.log"))
            except OSError:
                continue  # most daemons log to the journal, and none of these has to be there
        if found or not self.of_system:
            return "\n".join(found)
        units = [word for name in DAEMONS for word in ("-u", name)]
        return answer_of("journalctl", *JOURNAL, *units, limit_s=JOURNAL_S)


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")

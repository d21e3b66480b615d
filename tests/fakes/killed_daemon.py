"""A virtupd that is killed just before the Nth thing that it does to the host.

``killed_daemon.py FILE OPTION...`` runs virtupd with the options. From the moment that FILE is
there, with N in it, acts are counted; with N = 0 each is only told on standard error. A word
after N is the signal that is sent instead of KILL.
"""

from __future__ import annotations

import os
import signal
import sys

WATCHED = {"open", "subprocess.Popen", "socket.bind", "socket.connect", "shutil.rmtree"}
"""The audit events that count, beside all of ``os.``; see Python's table of them."""


class Trap:
    """Counts the acts of this process, and kills it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self.last = -1
        self.signal = signal.SIGKILL
        self.looking = False

    def watch(self, event: str, args: tuple[object, ...]) -> None:
        """Take one audit event."""
        if (event not in WATCHED and not event.startswith("os.")) or self.looking:
            return
        if self.last < 0:
            self.looking = True
            self.last = self.read()
            self.looking = False
            if self.last < 0:
                return
        self.count += 1
        if self.last == 0:
            os.write(2, f"ACT {self.count} {event} {args[:1]}\n".encode())
        elif self.count == self.last:
            os.write(2, f"KILLED BEFORE {self.count} {event} {args[:1]}\n".encode())
            os.kill(os.getpid(), self.signal)

    def read(self) -> int:
        """Return N, or -1 while the file is not there."""
        try:
            with open(self.file) as file:
                number, _, name = file.read().partition(" ")
        except FileNotFoundError:
            return -1
        if name:
            self.signal = signal.Signals[f"SIG{name}"]
        return int(number)


if __name__ == "__main__":
    sys.addaudithook(Trap(sys.argv.pop(1)).watch)
    from virtup.daemon.main import main

    main()

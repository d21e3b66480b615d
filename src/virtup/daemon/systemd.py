"""What systemd hands to a service, and what the service tells it; nothing without systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

_FIRST_FD = 3


def inherited(env: MutableMapping[str, str]) -> list[socket.socket]:
    """The listening unix sockets that the service manager passed (``sd_listen_fds``).

    The variables are removed from *env*, so that no program started later takes them for its own.
    """
    pid, count = env.pop("LISTEN_PID", ""), env.pop("LISTEN_FDS", "")
    env.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    found = []
    for fd in range(_FIRST_FD, _FIRST_FD + int(count)):
        os.set_inheritable(fd, False)
        end = socket.socket(fileno=fd)
        if end.family == socket.AF_UNIX and end.type == socket.SOCK_STREAM:
            end.setblocking(False)
            found.append(end)
        else:
            end.detach()
    return found


def watchdog_s(env: MutableMapping[str, str]) -> float | None:
    """How often the service manager wants to hear ``WATCHDOG=1``; None when it does not.

    Half of the time after which it would end the service (``sd_watchdog_enabled``). The variables
    are removed from *env*, as they are this process's own.
    """
    pid, limit = env.pop("WATCHDOG_PID", str(os.getpid())), env.pop("WATCHDOG_USEC", "")
    if pid != str(os.getpid()) or not limit.isdecimal() or int(limit) == 0:
        return None
    return int(limit) / 2e6


def notify(env: MutableMapping[str, str], state: str) -> None:
    """Tell the service manager of *state*, e.g. ``READY=1`` (``sd_notify``)."""
    place = env.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        try:
            end.connect("\0" + place[1:] if place.startswith("@") else place)
            end.send(state.encode())
        except OSError:  # a manager that does not listen is no reason to fail
            return

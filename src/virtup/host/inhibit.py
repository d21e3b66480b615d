"""A word to logind: the host is not to go down or to sleep while something is at work."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator

from virtup.host.process import SpawnError, spawn

LOGIND = "/run/systemd/seats"
"""logind's own directory: where it is not, logind does not run."""

PROGRAM = "/usr/bin/systemd-inhibit"

_ENVIRONMENT = ("DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_ANSWER_S = 5.0


@contextlib.contextmanager
def inhibited(
    who: str, why: str, *, logind: str = LOGIND, program: str = PROGRAM
) -> Iterator[bool]:
    """Hold the host up (``block`` shutdown and sleep) for the block; tell whether logind agreed.

    Nothing is held where logind does not run, does not answer, or does not allow it.
    """
    if not os.path.isdir(logind):
        yield False
        return
    theirs_in, ours_in = os.pipe2(os.O_CLOEXEC)
    ours_out, theirs_out = os.pipe2(os.O_CLOEXEC)
    try:
        held = _begin(program, who, why, theirs_in, theirs_out)
        os.close(theirs_in)
        os.close(theirs_out)
        theirs_in = theirs_out = -1
        yield held and _answered(ours_out)
    finally:
        # the end of its input ends the program, and with it what it holds
        for fd in (theirs_in, theirs_out, ours_in, ours_out):
            if fd >= 0:
                os.close(fd)


def _begin(program: str, who: str, why: str, stdin: int, stdout: int) -> bool:
    what = ["--what=shutdown:sleep", "--mode=block", f"--who={who}", f"--why={why}"]
    env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        spawn(
            [program, *what, "/bin/sh", "-c", "echo held; exec cat"],
            {**env, "PATH": _PATH, "LC_ALL": "C"},
            stdin=stdin,
            stdout=stdout,
            stderr=null,
        ).close()
    except SpawnError:
        return False
    finally:
        os.close(null)
    return True


def _answered(fd: int) -> bool:
    return bool(select.select([fd], [], [], _ANSWER_S)[0]) and os.read(fd, 5) == b"held\n"

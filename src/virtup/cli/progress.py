"""Calls that take long: how far they are, and Ctrl-C, which aborts the guest's job."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from virtup.client.connection import Connection
from virtup.client.exchange import ConnectionLost
from virtup.client.guests import Handle
from virtup.errors import VirtError

POLL_S = 0.5
"""How often the daemon is asked how far it is, as often as virsh asks."""

_GOING = (1, 2)
"""Job types (``virDomainJobType``) of one that goes on: bounded and unbounded."""


def follow(
    conn: Connection, name: str, dom: Handle, *, label: str | None = None, **args: Any
) -> None:
    """Call procedure *name* for a guest and wait for its end; raises what the call raises.

    With a *label* stderr shows how far the guest's job is. The first Ctrl-C asks the daemon to
    abort the job, whose call then fails; a second one leaves it to itself.
    """
    pending = conn.begin(name, dom=dom, **args)
    shown = False
    with _interrupts() as interrupted:
        while not pending.wait(POLL_S):
            if interrupted():
                _quietly(conn, "DOMAIN_ABORT_JOB", dom)
            elif label is not None:
                shown |= _show(label, _quietly(conn, "DOMAIN_GET_JOB_INFO", dom))
    try:
        pending.reply()
    except VirtError:
        if shown:
            click.echo(err=True)
        raise
    if label is not None:
        _print(label, 100)


def percent(left: int, total: int) -> int:
    """How much of *total* is done; 100 only when nothing is left."""
    return 100 if left == 0 else min(99, int(100.0 - left * 100.0 / total))


def _show(label: str, job: dict[str, Any] | None) -> bool:
    if job is None or job["type"] not in _GOING or job["dataTotal"] == 0:
        return False
    _print(label, percent(job["dataRemaining"], job["dataTotal"]))
    return True


def _print(label: str, done: int) -> None:
    click.echo(f"\r{label}: [{done:3} %]", err=True, nl=False)


def _quietly(conn: Connection, name: str, dom: Handle) -> dict[str, Any] | None:
    """What a call beside the one that counts says; None when it is refused, e.g. came too late."""
    try:
        return conn.call(name, dom=dom)
    except ConnectionLost:
        raise
    except VirtError:
        return None


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Note the first Ctrl-C, where they count at all; gives a function that tells of it once."""
    seen = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def told() -> bool:
        nonlocal seen
        was, seen = seen, False
        return was

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, note)
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)

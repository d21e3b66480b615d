"""A call under way: others go beside it, its answer is waited for and given once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.daemon import FakeDaemon, MemoryConnection
from virtup.client.exchange import ConnectionLost
from virtup.errors import OperationInvalid


class Held(FakeDaemon):
    """Answers DOMAIN_SUSPEND when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: Any = None

    def _answer(self, event: Any) -> None:
        if event.procedure.name == "DOMAIN_SUSPEND" and self.held is None:
            self.held = event
        else:
            super()._answer(event)

    def let_go(self) -> None:
        self._answer(self.held)


@pytest.fixture
def daemon() -> Held:
    return Held()


@pytest.mark.parametrize("piecewise", [False, True])
def test_other_calls_go_beside_it(daemon: Held, piecewise: bool) -> None:
    conn = MemoryConnection(daemon, piecewise=piecewise)
    pending = conn.begin("DOMAIN_SUSPEND", dom=daemon.handle("web"))
    assert not pending.wait(0.0)
    assert conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}
    assert not pending.wait(0.0)
    daemon.let_go()
    assert pending.wait(10.0)
    assert pending.wait(0.0)
    assert pending.reply() == {}


def test_its_error_is_raised_with_the_reply(daemon: Held) -> None:
    def refuse(_: object) -> None:
        raise OperationInvalid("not today")

    daemon.handlers["DOMAIN_SUSPEND"] = refuse
    pending = MemoryConnection(daemon).begin("DOMAIN_SUSPEND", dom=daemon.handle("web"))
    daemon.let_go()
    assert pending.wait(10.0)
    with pytest.raises(Exception, match="not today"):
        pending.reply()


def test_a_daemon_that_goes_is_noticed(daemon: Held) -> None:
    pending = MemoryConnection(daemon).begin("DOMAIN_SUSPEND", dom=daemon.handle("web"))
    daemon.gone = True
    with pytest.raises(ConnectionLost):
        pending.wait(10.0)

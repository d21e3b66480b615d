"""Which function serves which procedure: handlers register themselves by the procedure's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from virtup.errors import NoSupport
from virtup.wire.tables import REMOTE, Procedure, procedure

if TYPE_CHECKING:
    from virtup.daemon.client import Client
    from virtup.daemon.streams import OpenStream

Args = dict[str, Any]
Reply = dict[str, Any] | None


class Handler(NamedTuple):
    """A function that serves a procedure, and on which conditions.

    ``writes`` is the libvirt function that a read-only connection is refused, or empty.
    ``unopened`` may be called before CONNECT_OPEN. ``abandoned`` is cancelled when its client
    goes, where others run to their end.
    """

    function: Callable[[Client, Args], Awaitable[Reply | OpenStream]]
    writes: str = ""
    unopened: bool = False
    abandoned: bool = False


_HANDLERS: dict[tuple[int, int], Handler] = {}

_Function = Callable[["Client", Args], Awaitable["Reply | OpenStream"]]


def handles(
    *names: str,
    program: int = REMOTE,
    writes: str = "",
    unopened: bool = False,
    abandoned: bool = False,
) -> Callable[[_Function], _Function]:
    """Have the decorated coroutine function serve the procedures *names* of *program*."""

    def register(function: _Function) -> _Function:
        for name in names:
            known = procedure(program, name)
            assert (program, known.number) not in _HANDLERS, f"{name} has two handlers"
            _HANDLERS[program, known.number] = Handler(function, writes, unopened, abandoned)
        return function

    return register


def handler(known: Procedure) -> Handler:
    """The handler of a procedure; raises NoSupport, which names it, when it has none."""
    found = _HANDLERS.get((known.program, known.number))
    if found is None:
        raise NoSupport(f"virtup does not serve {known.name}")
    return found


def handled(program: int) -> set[str]:
    """The names of the procedures of *program* that have a handler."""
    return {procedure(*key).name for key in _HANDLERS if key[0] == program}

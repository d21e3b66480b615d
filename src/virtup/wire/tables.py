"""The procedures and types of libvirt's RPC interface, looked up by number or name.

The data stand in ``interface`` as text and are read when they are asked for, so that importing
this costs nothing. The procedures of virtup's own program take and give a JSON text.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from virtup.errors import RpcError
from virtup.wire import interface

REMOTE = 0x20008086
QEMU = 0x20008087
KEEPALIVE = 0x6B656570
VIRTUP = 0x20005655

VERSION = 1
"""The version of every program here."""

_VIRTUP_TYPES = """
virtup_request request:remote_nonnull_string
virtup_reply reply:remote_nonnull_string
"""
_VIRTUP_PROCEDURES = """
1 WHY virtup_request virtup_reply -
2 ATTEMPTS virtup_request virtup_reply -
3 CHECK virtup_request virtup_reply -
4 PING virtup_request virtup_reply -
5 VERIFY_IMAGE virtup_request virtup_reply -
6 DIFF virtup_request virtup_reply -
16 BOOT virtup_request virtup_reply -
20 FIX virtup_request virtup_reply -
21 FIX_APPLY virtup_request virtup_reply -
22 FIX_UNDO virtup_request virtup_reply -
23 FIX_LIST virtup_request virtup_reply -
24 FIX_DEFINE virtup_request virtup_reply -
"""
_PROGRAMS = {
    REMOTE: ("remote", interface.REMOTE_PROCEDURES),
    QEMU: ("qemu", interface.QEMU_PROCEDURES),
    KEEPALIVE: ("keepalive", interface.KEEPALIVE_PROCEDURES),
    VIRTUP: ("virtup", _VIRTUP_PROCEDURES),
}


class UnknownProcedure(RpcError):
    """A program or procedure number, or a name, that is not in the tables."""


class Procedure(NamedTuple):
    """A procedure: ``args``, ``ret`` and ``msg`` are names of types, or None for an empty body."""

    program: int
    number: int
    name: str
    args: str | None
    ret: str | None
    msg: str | None


def program_name(program: int) -> str:
    """``remote``, ``qemu``, ``keepalive``, ``virtup``, or the number in hexadecimal."""
    known = _PROGRAMS.get(program)
    return known[0] if known else hex(program)


@cache
def procedure(program: int, key: int | str) -> Procedure:
    """The procedure with number or name *key* (e.g. ``"DOMAIN_CREATE_XML"``).

    Raises UnknownProcedure when the program or the procedure is not known.
    """
    if program not in _PROGRAMS:
        raise UnknownProcedure(f"Cannot find program {program}")
    text = _PROGRAMS[program][1]
    start = text.find(f"\n{key} " if isinstance(key, int) else f" {key} ")
    if start < 0 or (isinstance(key, str) and not _is_second_word(text, start)):
        raise UnknownProcedure(f"unknown procedure: {key}")
    return _parse(program, text[text.rfind("\n", 0, start + 1) + 1 : text.find("\n", start + 1)])


def procedures(program: int) -> tuple[Procedure, ...]:
    """All procedures of *program*, by number."""
    return tuple(_parse(program, line) for line in _PROGRAMS[program][1].strip().splitlines())


def type_line(name: str) -> str:
    """The declaration of type *name*, without its name: the notation stands in ``interface``."""
    for text in (interface.TYPES, _VIRTUP_TYPES):
        start = text.find(f"\n{name} ")
        if start >= 0:
            return text[start + len(name) + 2 : text.find("\n", start + 1)]
    raise KeyError(name)


def type_names() -> tuple[str, ...]:
    """The names of all declared types."""
    lines = (interface.TYPES + _VIRTUP_TYPES).split("\n")
    return tuple(line.split(" ", 1)[0] for line in lines if line)


def _is_second_word(text: str, start: int) -> bool:
    return text[text.rfind("\n", 0, start) + 1 : start].isdigit()


def _parse(program: int, line: str) -> Procedure:
    number, name, *bodies = line.split(" ")
    args, ret, msg = (None if body == "-" else body for body in bodies)
    return Procedure(program, int(number), name, args, ret, msg)

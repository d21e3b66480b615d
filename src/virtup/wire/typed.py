"""Typed parameters: libvirt's list of named values, as a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from virtup.errors import InvalidArgument


class Typed(IntEnum):
    """The types of a typed parameter (``virTypedParameterType``)."""

    INT = 1
    UINT = 2
    LLONG = 3
    ULLONG = 4
    DOUBLE = 5
    BOOLEAN = 6
    STRING = 7


def to_params(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters for *values*, in their order.

    A value is a bool, int, float or str, or a pair of Typed and value where the type of a number
    matters; a plain int takes the first of INT, LLONG and ULLONG that holds it. None is left out.
    """
    return [
        {"field": name, "value": _typed(name, value)}
        for name, value in values.items()
        if value is not None
    ]


def from_params(params: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of *params* by name; BOOLEAN becomes bool, a name that recurs a list."""
    seen: dict[str, list[Any]] = {}
    for param in params:
        kind, value = param["value"]["type"], param["value"]["value"]
        seen.setdefault(param["field"], []).append(bool(value) if kind == Typed.BOOLEAN else value)
    return {name: found[0] if len(found) == 1 else found for name, found in seen.items()}


def _typed(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        kind, value = value
        return {"type": int(kind), "value": value}
    return {"type": int(_guess(name, value)), "value": value}


def _guess(name: str, value: Any) -> Typed:
    if isinstance(value, bool):
        return Typed.BOOLEAN
    if isinstance(value, str):
        return Typed.STRING
    if isinstance(value, float):
        return Typed.DOUBLE
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return Typed.INT
        if -(2**63) <= value < 2**63:
            return Typed.LLONG
        if 0 <= value < 2**64:
            return Typed.ULLONG
    raise InvalidArgument(f"parameter '{name}' has a value without a type: {value!r}")

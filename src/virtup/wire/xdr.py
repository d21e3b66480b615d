"""XDR bodies as plain values, by type name.

A structure is a dict of its fields, an optional is None or the value, an array a list, opaque is
bytes, a string str. A C character array (the CPU model of the node, security labels) is str. A
typed parameter's value is ``{"type": number, "value": value}``.

Text is UTF-8; other bytes come as lone surrogates and go out as they came. Every length is
checked against its limit and against what is left of the message before anything is made of it.
Padding must be zero and nothing may follow, so what decodes encodes to the same bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from virtup.errors import RpcError
from virtup.wire.tables import type_line

_Encode = Callable[[bytearray, Any], None]
_Decode = Callable[[bytes, int], tuple[Any, int]]

_WORD = struct.Struct(">I")
_FIXED = {"i": "i", "u": "I", "h": "q", "H": "Q", "d": "d"}
_SMALL = {"c": (-128, 127, "i"), "C": (0, 255, "I"), "S": (0, 65535, "I")}
_TYPED = {1: "i", 2: "u", 3: "h", 4: "H", 5: "d", 6: "i", 7: "remote_nonnull_string"}
_SUFFIX = re.compile(r"(\w+)(?:(\?)|([<\[])(\d+)[>\]])?")


class XdrError(RpcError):
    """A body that does not fit its type."""


class _Part(NamedTuple):
    """How one type is written and read; ``least`` is the fewest bytes that it can take."""

    encode: _Encode
    decode: _Decode
    least: int


class Codec:
    """Encodes and decodes one type; raises XdrError for what does not fit it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._part = _part(name)

    def encode(self, value: dict[str, Any]) -> bytes:
        """The bytes of *value*; every field must be there, and no other."""
        out = bytearray()
        try:
            self._part.encode(out, value)
        except XdrError as exc:
            raise XdrError(f"cannot encode {self.name}: {exc}") from exc
        return bytes(out)

    def decode(self, data: bytes) -> dict[str, Any]:
        """The value of *data*, all of which must belong to it."""
        try:
            value, end = self._part.decode(data, 0)
        except struct.error as exc:
            raise XdrError(f"cannot decode {self.name}: the body ends too early") from exc
        except XdrError as exc:
            raise XdrError(f"cannot decode {self.name}: {exc}") from exc
        if end != len(data):
            raise XdrError(f"cannot decode {self.name}: {len(data) - end} bytes follow its end")
        assert isinstance(value, dict)
        return value


@cache
def codec(type_name: str) -> Codec:
    """The codec of a structure that the tables declare; KeyError for another name."""
    return Codec(type_name)


@cache
def _part(spec: str) -> _Part:
    match = _SUFFIX.fullmatch(spec)
    assert match is not None, spec
    name, optional, bracket, limit = match.groups()
    if optional:
        return _optional(_part(name))
    if bracket:
        return _sized(name, int(limit), fixed=bracket == "[")
    if name in _FIXED:
        return _number(_FIXED[name])
    if name in _SMALL:
        return _small(*_SMALL[name])
    if name == "v":
        return _typed_value()
    line = type_line(name)
    return _part(line[1:]) if line.startswith("=") else _structure(line)


def _sized(name: str, limit: int, *, fixed: bool) -> _Part:
    if name == "s":
        return _string(limit)
    if name == "c":
        return _fixed_chars(limit) if fixed else _chars(limit)
    if name == "o":
        return _fixed_opaque(limit) if fixed else _opaque(limit)
    assert not fixed, name
    return _array(_part(name), limit)


def _number(letter: str) -> _Part:
    form = struct.Struct(">" + letter)

    def encode(out: bytearray, value: Any) -> None:
        try:
            out += form.pack(value)
        except struct.error as exc:
            raise XdrError(f"{value!r} is not a number that fits {8 * form.size} bits") from exc

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        return form.unpack_from(data, pos)[0], pos + form.size

    return _Part(encode, decode, form.size)


def _small(least: int, most: int, letter: str) -> _Part:
    word = _number(letter)

    def check(value: int) -> int:
        if not least <= value <= most:
            raise XdrError(f"{value} is outside {least}..{most}")
        return value

    def encode(out: bytearray, value: Any) -> None:
        word.encode(out, check(value))

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        value, pos = word.decode(data, pos)
        return check(value), pos

    return _Part(encode, decode, 4)


def _optional(inner: _Part) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        if value is None:
            out += b"\0\0\0\0"
        else:
            out += b"\0\0\0\1"
            inner.encode(out, value)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        (there,) = _WORD.unpack_from(data, pos)
        if there > 1:
            raise XdrError(f"an optional has the mark {there}, not 0 or 1")
        return inner.decode(data, pos + 4) if there else (None, pos + 4)

    return _Part(encode, decode, 4)


def _length(data: bytes, pos: int, limit: int, each: int) -> int:
    """The length word at *pos*, once it is known that so much is allowed and present."""
    (count,) = _WORD.unpack_from(data, pos)
    if count > limit:
        raise XdrError(f"a length of {count} is above the limit of {limit}")
    if count * each > len(data) - pos - 4:
        raise XdrError(f"a length of {count} reaches beyond the end of the body")
    return int(count)


def _take(data: bytes, pos: int, count: int) -> tuple[bytes, int]:
    """*count* bytes at *pos* and the position behind their padding."""
    end = pos + count
    after = end + -count % 4
    if after > len(data):
        raise XdrError("the body ends too early")
    if any(data[end:after]):
        raise XdrError("the padding is not zero")
    return data[pos:end], after


def _put(out: bytearray, raw: bytes, limit: int) -> None:
    if len(raw) > limit:
        raise XdrError(f"a length of {len(raw)} is above the limit of {limit}")
    out += _WORD.pack(len(raw))
    out += raw
    out += bytes(-len(raw) % 4)


def _raw_text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise XdrError(f"{value!r} is not a text")
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise XdrError(f"{value!r} is not a text that UTF-8 can hold") from exc
    if b"\0" in raw:
        raise XdrError("a text holds a zero byte")
    return raw


def _string(limit: int) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        _put(out, _raw_text(value), limit)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        raw, pos = _take(data, pos + 4, _length(data, pos, limit, 1))
        if b"\0" in raw:
            raise XdrError("a text holds a zero byte")
        return raw.decode("utf-8", "surrogateescape"), pos

    return _Part(encode, decode, 4)


def _opaque(limit: int) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise XdrError(f"{value!r} is not bytes")
        _put(out, bytes(value), limit)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        return _take(data, pos + 4, _length(data, pos, limit, 1))

    return _Part(encode, decode, 4)


def _fixed_opaque(size: int) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        if not isinstance(value, bytes) or len(value) != size:
            raise XdrError(f"{value!r} is not {size} bytes")
        out += value
        out += bytes(-size % 4)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        return _take(data, pos, size)

    return _Part(encode, decode, size + -size % 4)


def _words(raw: bytes) -> bytes:
    """Each byte as a word of its own, sign kept: how XDR sends a ``char``."""
    return b"".join((b"\xff\xff\xff" if byte > 127 else b"\0\0\0") + bytes((byte,)) for byte in raw)


def _unwords(data: bytes, pos: int, count: int) -> tuple[str, int]:
    end = pos + 4 * count
    if end > len(data):
        raise XdrError("the body ends too early")
    raw = data[pos + 3 : end : 4]
    if _words(raw) != data[pos:end]:
        raise XdrError("a character does not fit 8 bits")
    text, _, rest = raw.partition(b"\0")
    if rest.strip(b"\0"):
        raise XdrError("a text holds a zero byte")
    return text.decode("utf-8", "surrogateescape"), end


def _fixed_chars(size: int) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        raw = _raw_text(value)
        if len(raw) >= size:
            raise XdrError(f"a text of {len(raw)} bytes does not fit {size - 1}")
        out += _words(raw.ljust(size, b"\0"))

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        text, end = _unwords(data, pos, size)
        if len(text.encode("utf-8", "surrogateescape")) >= size:
            raise XdrError("a text has no end")
        return text, end

    return _Part(encode, decode, 4 * size)


def _chars(limit: int) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        raw = _raw_text(value) + b"\0"
        if len(raw) > limit:
            raise XdrError(f"a length of {len(raw)} is above the limit of {limit}")
        out += _WORD.pack(len(raw)) + _words(raw)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        return _unwords(data, pos + 4, _length(data, pos, limit, 4))

    return _Part(encode, decode, 4)


def _array(inner: _Part, limit: int) -> _Part:
    def encode(out: bytearray, value: Any) -> None:
        if not isinstance(value, (list, tuple)):
            raise XdrError(f"{value!r} is not a list")
        if len(value) > limit:
            raise XdrError(f"a length of {len(value)} is above the limit of {limit}")
        out += _WORD.pack(len(value))
        for item in value:
            inner.encode(out, item)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        count = _length(data, pos, limit, inner.least)
        pos += 4
        items = []
        for _ in range(count):
            item, pos = inner.decode(data, pos)
            items.append(item)
        return items, pos

    return _Part(encode, decode, 4)


def _typed_value() -> _Part:
    arms = {number: _part(spec) for number, spec in _TYPED.items()}

    def arm(kind: Any) -> _Part:
        if kind not in arms:
            raise XdrError(f"{kind!r} is not the type of a typed parameter (1 to 7)")
        return arms[kind]

    def encode(out: bytearray, value: Any) -> None:
        kind = value["type"]
        part = arm(kind)
        out += _WORD.pack(kind)
        part.encode(out, value["value"])

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        (kind,) = _WORD.unpack_from(data, pos)
        value, pos = arm(kind).decode(data, pos + 4)
        return {"type": kind, "value": value}, pos

    return _Part(encode, decode, 8)


class _Step(NamedTuple):
    """A field of a structure, or a run of numbers that are packed together (``form`` is set)."""

    names: tuple[str, ...]
    parts: tuple[_Part, ...]
    form: struct.Struct | None


def _steps(line: str) -> list[_Step]:
    fields = [field.split(":") for field in line.split(" ")] if line else []
    steps: list[_Step] = []
    for plain, group in groupby(fields, key=lambda field: field[1] in _FIXED):
        run = list(group)
        if plain:
            form = struct.Struct(">" + "".join(_FIXED[spec] for _, spec in run))
            names = tuple(name for name, _ in run)
            steps.append(_Step(names, tuple(_part(spec) for _, spec in run), form))
        else:
            steps += [_Step((name,), (_part(spec),), None) for name, spec in run]
    return steps


def _structure(line: str) -> _Part:
    steps = _steps(line)
    known = [name for step in steps for name in step.names]

    def encode(out: bytearray, value: Any) -> None:
        if not isinstance(value, dict):
            raise XdrError(f"{value!r} is not a mapping of fields")
        _check_fields(value, known)
        for names, parts, form in steps:
            if form is not None:
                try:
                    out += form.pack(*[value[name] for name in names])
                except struct.error:
                    _encode_each(out, value, names, parts)
            else:
                _encode_each(out, value, names, parts)

    def decode(data: bytes, pos: int) -> tuple[Any, int]:
        value: dict[str, Any] = {}
        for names, parts, form in steps:
            if form is not None:
                value.update(zip(names, form.unpack_from(data, pos), strict=True))
                pos += form.size
                continue
            try:
                value[names[0]], pos = parts[0].decode(data, pos)
            except XdrError as exc:
                raise XdrError(f"field '{names[0]}': {exc}") from exc
        return value, pos

    return _Part(encode, decode, sum(part.least for step in steps for part in step.parts))


def _check_fields(value: dict[str, Any], known: list[str]) -> None:
    missing = [name for name in known if name not in value]
    if missing:
        raise XdrError(f"the field '{missing[0]}' is missing")
    if len(value) != len(known):
        extra = next(name for name in value if name not in known)
        raise XdrError(f"there is no field '{extra}'")


def _encode_each(
    out: bytearray, value: dict[str, Any], names: tuple[str, ...], parts: tuple[_Part, ...]
) -> None:
    for name, part in zip(names, parts, strict=True):
        try:
            part.encode(out, value[name])
        except XdrError as exc:
            raise XdrError(f"field '{name}': {exc}") from exc

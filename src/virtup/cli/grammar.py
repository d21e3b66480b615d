"""How the words behind a verb are read: virsh's grammar.

Every option has a name (``--file vm.xml``, ``--file=vm.xml``); those that are positional also
take the next bare word. ``--`` ends the options. An option comes once, save the one that takes
all the words that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from virtup.errors import VirtError


class Kind(Enum):
    """What an option takes."""

    FLAG = "flag"
    TEXT = "string"
    NUMBER = "number"
    WORDS = "words"


class Failure(Exception):
    """A verb did not do its work: ``text`` says what, ``cause`` why, where a daemon said so.

    Without a text only the cause is shown, without both nothing; the exit status is 1.
    """

    def __init__(self, text: str | None = None, cause: VirtError | None = None) -> None:
        super().__init__(text or "")
        self.text = text
        self.cause = cause


class BadUsage(Exception):
    """Words that do not fit the verb: nothing was tried."""


class Option(NamedTuple):
    """An option of a verb; ``completes`` says what its value is: "guest", "pool", "cause", "file" or words."""

    name: str
    help: str
    kind: Kind = Kind.TEXT
    required: bool = False
    positional: bool = False
    completes: str | tuple[str, ...] = ""
    empty_ok: bool = False

    @property
    def key(self) -> str:
        """The name as a Python identifier."""
        return self.name.replace("-", "_")


def flag(name: str, text: str) -> Option:
    """An option without a value."""
    return Option(name, text, Kind.FLAG)


def text(
    name: str,
    about: str,
    *,
    required: bool = False,
    positional: bool = True,
    completes: str | tuple[str, ...] = "",
    empty_ok: bool = False,
) -> Option:
    """An option with a text; also positional unless said otherwise."""
    return Option(name, about, Kind.TEXT, required, positional, completes, empty_ok)


def number(name: str, about: str) -> Option:
    """An option with a whole number."""
    return Option(name, about, Kind.NUMBER)


def words(name: str, about: str) -> Option:
    """An option that takes all the words that are left; at least one is needed."""
    return Option(name, about, Kind.WORDS, required=True, positional=True)


def guest(about: str = "domain name, id or uuid") -> Option:
    """The guest that most verbs are about."""
    return text("domain", about, required=True, completes="guest")


def scan(verb: str, options: Sequence[Option], given: Sequence[str]) -> dict[str, Any]:
    """The values of *given*, raw: True for a flag, a text, a list of texts.

    Raises BadUsage, with the nearest option where there is one.
    """
    by_name = {option.name: option for option in options}
    found: dict[str, Any] = {}
    rest = iter(given)
    only_words = False
    for word in rest:
        if not only_words and word == "--":
            only_words = True
        elif not only_words and word == "-c" and "connect" in by_name:
            _put(found, by_name["connect"], next(rest, None))
        elif not only_words and word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _named(verb, by_name, name, found)
            if option.kind is Kind.FLAG:
                if equals:
                    raise BadUsage(f"invalid '=' after option --{name}")
                found[name] = True
            else:
                _put(found, option, value if equals else next(rest, None))
        else:
            _put(found, _next_positional(options, found, word), word)
    _require(verb, options, found)
    return found


def convert(options: Sequence[Option], raw: dict[str, Any]) -> dict[str, Any]:
    """The arguments for a verb's function: numbers are int, absent flags False, the rest None.

    Raises Failure for an empty text and a number that is none.
    """
    return {option.key: _value(option, raw.get(option.name)) for option in options}


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that *name* was probably meant to be."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, 1, 0.55)), None)


def _named(verb: str, by_name: dict[str, Option], name: str, found: dict[str, Any]) -> Option:
    option = by_name.get(name)
    if option is None:
        near = nearest(name, tuple(by_name))
        hint = f"the nearest is --{near}" if near else f"see 'virtup help {verb}'"
        raise BadUsage(f"command '{verb}' doesn't support option --{name}; {hint}")
    if name in found and option.kind is not Kind.WORDS:
        raise BadUsage(f"option --{name} already seen")
    return option


def _put(found: dict[str, Any], option: Option, value: str | None) -> None:
    if value is None:
        kind = "number" if option.kind is Kind.NUMBER else "string"
        raise BadUsage(f"expected syntax: --{option.name} <{kind}>")
    if option.kind is Kind.WORDS:
        found.setdefault(option.name, []).append(value)
    else:
        found[option.name] = value


def _next_positional(options: Sequence[Option], found: dict[str, Any], word: str) -> Option:
    for option in options:
        if option.positional and (option.kind is Kind.WORDS or option.name not in found):
            return option
    raise BadUsage(f"unexpected data '{word}'")


def _require(verb: str, options: Sequence[Option], found: dict[str, Any]) -> None:
    for option in options:
        if option.required and option.name not in found:
            shown = f"<{option.name}>" if option.positional else f"--{option.name}"
            raise BadUsage(f"command '{verb}' requires {shown} option")


def _value(option: Option, raw: Any) -> Any:
    if option.kind is Kind.FLAG:
        return bool(raw)
    if raw is None:
        return None
    if option.kind is Kind.NUMBER:
        return _number(option.name, raw)
    if raw == "" and not option.empty_ok:
        raise Failure(f"Failed to get option '{option.name}': Option argument is empty")
    return raw


def _number(name: str, raw: str) -> int:
    digits = raw[1:] if raw.startswith(("-", "+")) else raw
    if digits.isascii() and digits.isdigit():
        value = int(raw)
        if -(2**31) <= value < 2**31:
            return value
    raise Failure(f"Numeric value '{raw}' for <{name}> option is malformed or out of range")

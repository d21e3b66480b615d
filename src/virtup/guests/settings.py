"""What an administrator sets: libvirt-guests' settings under their names, and a few more.

They stand in ``/etc/default/virtup-guests`` or ``/etc/sysconfig/virtup-guests`` (a session's in
``~/.config/virtup/virtup-guests``) as ``NAME=value`` lines; the environment goes before the file.
A setting that cannot be is told and does not count: guests are worth more than a setting.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from virtup.client.uri import find
from virtup.errors import VirtError

_OFF = {"", "0", "no", "false", "off"}
_ON = {"1", "yes", "true", "on"}


@dataclass(frozen=True)
class Settings:
    """The settings, by their names in lower case; times in seconds, 0 for no limit.

    libvirt-guests': ``uris`` to look for guests ("default" is the client's own choice);
    ``on_boot`` "start" or "ignore"; ``on_shutdown`` "suspend" or "shutdown";
    ``parallel_shutdown`` guests at once, one by one for 0 and 1; ``shutdown_timeout`` a guest,
    or a URI when in parallel; ``start_delay`` between two starts; ``bypass_cache``;
    ``sync_time``; ``persistent_only`` "yes", "no" or "default" (yes when suspending).

    virtup's own: ``parallel_save`` and ``parallel_start`` guests at once; ``deadline`` for all
    of a stop; ``connect_timeout`` for a daemon to answer at boot; ``save_dir`` where a daemon
    that does not say so keeps its saves; ``save_speed`` in MiB/s, 0 to measure it.
    """

    uris: tuple[str, ...] = ("default",)
    on_boot: str = "start"
    on_shutdown: str = "suspend"
    parallel_shutdown: int = 0
    shutdown_timeout: int = 300
    start_delay: int = 0
    bypass_cache: bool = False
    sync_time: bool = False
    persistent_only: str = "default"
    parallel_save: int = 2
    parallel_start: int = 4
    deadline: int = 600
    connect_timeout: int = 60
    save_dir: str = ""
    save_speed: int = 0

    @property
    def suspends(self) -> bool:
        """Whether guests are saved when the host goes down."""
        return self.on_shutdown == "suspend"

    @property
    def leaves_transient(self) -> bool:
        """Whether guests without a kept definition are left as they are."""
        if self.persistent_only == "default":
            return self.suspends
        return self.persistent_only == "yes"


@dataclass(frozen=True)
class Problem:
    """A setting that does not count, and where it stands."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


NAMES = tuple(each.name.upper() for each in fields(Settings))
"""The settings as they are written."""


class _Refused(Exception):
    """The value cannot be."""


def read(files: Mapping[str, str], env: Mapping[str, str]) -> tuple[Settings, list[Problem]]:
    """Return the settings in *files* (texts by path, later ones win) and in *env*.

    Whatever is wrong is in the list of problems, and the default or the value before it holds.
    """
    settings, problems = Settings(), list[Problem]()
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            settings = _line(settings, line, f"{path}:{number}", problems)
    for name in NAMES:
        if name in env:
            settings = _set(settings, name, env[name], f"environment, {name}", problems)
    return settings, problems


def _line(settings: Settings, line: str, place: str, problems: list[Problem]) -> Settings:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        problems.append(Problem(place, f"the line cannot be read: {error}"))
        return settings
    if words[:1] == ["export"]:
        words = words[1:]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            problems.append(Problem(place, f"'{word}' is not of the form NAME=value"))
        elif name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            hint = f"the nearest is {near[0]}" if near else f"known are {', '.join(NAMES)}"
            problems.append(Problem(place, f"there is no setting '{name}'; {hint}"))
        else:
            settings = _set(settings, name, value, place, problems)
    return settings


def _set(settings: Settings, name: str, text: str, place: str, problems: list[Problem]) -> Settings:
    key = name.lower()
    try:
        value = _READERS[key](text.strip())
    except _Refused as refused:
        kept = getattr(settings, key)
        problems.append(Problem(place, f"{name}='{text}': {refused}; taken as '{_shown(kept)}'"))
        return settings
    return replace(settings, **{key: value})


def _shown(value: object) -> str:
    """Return a setting's value as it would be written."""
    if isinstance(value, tuple):
        return " ".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _number(low: int, high: int) -> Callable[[str], int]:
    def read_number(text: str) -> int:
        digits = text.removeprefix("+")
        if not digits.isascii() or not digits.isdigit() or not low <= int(digits) <= high:
            raise _Refused(f"must be a whole number from {low} to {high}")
        return int(digits)

    return read_number


def _switch(text: str) -> bool:
    if text.lower() in _OFF:
        return False
    if text.lower() in _ON or text.isdigit():
        return True
    raise _Refused("must be 0 or 1")


def _one_of(*words: str) -> Callable[[str], str]:
    def read_word(text: str) -> str:
        if text not in words:
            raise _Refused(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return text

    return read_word


def _persistent(text: str) -> str:
    if text.lower() in {"", "default"}:
        return "default"
    try:
        return "yes" if _switch(text) else "no"
    except _Refused:
        raise _Refused("must be yes, no or default") from None


def _uris(text: str) -> tuple[str, ...]:
    words = tuple(text.split())
    if not words:
        raise _Refused("must name a URI, or 'default'")
    for word in words:
        if word != "default":
            try:
                find(word, env={"HOME": "/", "XDG_RUNTIME_DIR": "/run"}, uid=0)
            except VirtError as error:
                raise _Refused(error.message) from error
    return words


def _folder(text: str) -> str:
    if text and not text.startswith("/"):
        raise _Refused("must be an absolute path")
    return text


_SECONDS = _number(0, 10**6)
_AT_ONCE = _number(1, 1000)

_READERS: dict[str, Callable[[str], Any]] = {
    "uris": _uris,
    "on_boot": _one_of("start", "ignore"),
    "on_shutdown": _one_of("suspend", "shutdown"),
    "parallel_shutdown": _number(0, 1000),
    "shutdown_timeout": _SECONDS,
    "start_delay": _SECONDS,
    "bypass_cache": _switch,
    "sync_time": _switch,
    "persistent_only": _persistent,
    "parallel_save": _AT_ONCE,
    "parallel_start": _AT_ONCE,
    "deadline": _SECONDS,
    "connect_timeout": _number(1, 10**6),
    "save_dir": _folder,
    "save_speed": _number(0, 10**6),
}

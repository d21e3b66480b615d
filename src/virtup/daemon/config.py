"""The daemon's configuration file: TOML, every key optional, an unknown one refused by line.

Example::

    qemu_user = "virtup-qemu"
    max_clients = 200
    monitor_timeout_s = 20
    log_level = "debug"
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from virtup.errors import Code, Fault, Origin, VirtError
from virtup.machine.save.compress import NAMES
from virtup.machine.settings import Settings

LOG_LEVELS = ("debug", "info", "warning", "error")

_WORDS = {"log_level": LOG_LEVELS, "save_image_format": tuple(NAMES)}
_RENAMED = {"qemu_log_max_bytes": "log_max_bytes", "qemu_log_backups": "log_backups"}
_AT_LEAST_ONE = ("max_clients", "max_client_requests", "keepalive_interval_s", "keepalive_count")


class ConfigError(VirtError):
    """The configuration file cannot be used; names file, line and key."""

    code, origin, fault = Code.CONF_SYNTAX, Origin.CONF, Fault.CALLER


@dataclass(frozen=True)
class Config:
    """What the daemon itself can be told; ``guests`` is what its guests are run with.

    ``unix_sock_group`` may use the system daemon's socket, if that group exists; the default is
    ``virtup``, and ``libvirt`` with libvirt's layout. A client that
    can answer is asked every ``keepalive_interval_s`` whether it lives, and dropped after
    ``keepalive_count`` silences. ``max_client_requests`` calls of one client run at once.
    """

    unix_sock_group: str = ""
    max_clients: int = 5000
    max_client_requests: int = 20
    keepalive_interval_s: float = 5.0
    keepalive_count: int = 5
    log_level: str = "info"
    guests: Settings = field(default_factory=Settings)


def read(path: str, *, required: bool) -> Config:
    """The configuration in the file at *path*; the defaults when it is not there.

    Raises ConfigError when the file cannot be read, is no TOML, or holds a key or a value that
    is not understood; also when it is *required* and missing.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{path}: the configuration file does not exist") from None
        return Config()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot read the configuration file: {exc.strerror}") from exc
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigError(f"{path}:{line}: the configuration file is not UTF-8") from exc
    return parse(text, path)


def parse(text: str, path: str) -> Config:
    """The configuration in *text*; *path* is for messages. Raises ConfigError."""
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        line = re.search(r"at line (\d+)", str(exc))
        place = line[1] if line else str(text.count("\n") + 1)
        raise ConfigError(f"{path}:{place}: not TOML: {exc}") from exc
    ours, guests = _known(Config), _known(Settings)
    for key, name in _RENAMED.items():
        guests[key] = guests.pop(name)
    chosen: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for key, value in values.items():
        place = f"{path}:{_line(text, key)}"
        if key in ours:
            chosen[key] = _value(place, key, value, ours[key])
        elif key in guests:
            settings[_RENAMED.get(key, key)] = _value(place, key, value, guests[key])
        else:
            raise ConfigError(f"{place}: {_no_such(key, sorted({*ours, *guests}))}")
    _check_ports(settings, path)
    return Config(**chosen, guests=Settings(**settings))


def _no_such(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, 1)
    hint = f"did you mean '{near[0]}'? The" if near else "the"
    return f"there is no key '{key}'; {hint} keys are: {', '.join(known)}"


def _known(kind: type[Config | Settings]) -> dict[str, Any]:
    """The defaults of the fields that the file may set."""
    return {one.name: one.default for one in fields(kind) if one.name != "guests"}


def _value(place: str, key: str, value: Any, default: Any) -> Any:
    """*value*, once it is known to be of the default's type and in range."""
    wanted = type(default)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ConfigError(f"{place}: '{key}' must be {words[wanted]}, not {value!r}")
    if wanted in (int, float):
        least = _least(key)
        if not least <= value <= 2**40:
            raise ConfigError(f"{place}: '{key}' must be at least {least:g}, not {value!r}")
    elif key in _WORDS and value not in _WORDS[key]:
        known = ", ".join(_WORDS[key])
        raise ConfigError(f"{place}: '{key}' must be one of {known}, not {value!r}")
    elif key == "vnc_listen" and not _is_address(value):
        raise ConfigError(f"{place}: '{key}' must be an IP address, not {value!r}")
    elif key == "qemu_user" and value.removeprefix("+") in ("root", "0"):
        raise ConfigError(f"{place}: '{key}' cannot be root: QEMU never runs as root")
    return value


def _least(key: str) -> float:
    if key.endswith("_timeout_s"):
        return 0.1
    return 1 if key in _AT_LEAST_ONE or key.endswith(("_min", "_max", "_bytes")) else 0


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_ports(settings: dict[str, Any], path: str) -> None:
    low = settings.get("vnc_port_min", Settings.vnc_port_min)
    high = settings.get("vnc_port_max", Settings.vnc_port_max)
    if not 5900 <= low <= high <= 65535:
        raise ConfigError(
            f"{path}: 'vnc_port_min' and 'vnc_port_max' must be a range within 5900 to 65535, "
            f"not {low} to {high}"
        )


def _line(text: str, key: str) -> int:
    """The line that sets *key*, or the first one."""
    match = re.search(rf"^\s*[\"'\[]*{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, match.end()) + 1 if match else 1

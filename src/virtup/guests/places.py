"""Where virtup-guests keeps what it must not forget, and where its settings are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from virtup.host.disk import Disk
from virtup.host.layout import Layout, find
from virtup.wire.sockets import Kind, default_kind, xdg_dir

_SETTINGS = ("/etc/sysconfig/virtup-guests", "/etc/default/virtup-guests")


@dataclass(frozen=True, slots=True)
class Places:
    """The paths. ``directory`` survives a boot, ``mark`` does not; ``settings`` are read in order.

    ``waiting`` lists the guests that are to come back, ``report`` what became of them, ``mark``
    says that the guests of this boot were brought back, ``lock`` is held by who is at work.
    """

    directory: str
    waiting: str
    report: str
    mark: str
    lock: str
    settings: tuple[str, ...]


def places(
    env: Mapping[str, str],
    uid: int,
    *,
    root: str | None,
    config: str | None,
    kind: Kind | None = None,
) -> Places:
    """Return the paths for a user, or below *root*; *config* goes before the settings' own.

    *kind* tells whether they are the system's or the user's own; root's are the system's.

    Raises InvalidArgument for a user without a HOME.
    """
    layout = find(kind or default_kind(uid), root=root, env=env, uid=uid)
    lasting = f"{os.path.dirname(layout.ledger_file)}/guests"
    run = os.path.dirname(layout.lock_file)
    return Places(
        directory=lasting,
        waiting=f"{lasting}/waiting.json",
        report=f"{lasting}/report.json",
        mark=f"{run}/virtup-guests.started",
        lock=f"{lasting}/lock",
        settings=(config,) if config else _settings(layout, env, root),
    )


def _settings(layout: Layout, env: Mapping[str, str], root: str | None) -> tuple[str, ...]:
    if root is not None:
        return (f"{os.path.dirname(layout.config_file)}/virtup-guests",)
    if layout.kind == "system":
        return _SETTINGS
    return (f"{xdg_dir(env, 'XDG_CONFIG_HOME', '.config')}/virtup/virtup-guests",)


def make(where: Places, disk: Disk) -> None:
    """Make the directories that are missing; raises OSError with the path."""
    _make(where.directory, 0o700, disk)
    _make(os.path.dirname(where.mark), 0o711, disk)


def _make(path: str, mode: int, disk: Disk) -> None:
    if not os.path.isdir(path):
        _make(os.path.dirname(path), 0o711, disk)
        disk.make_dir(path, mode)


def save_directory(uri_kind: str, env: Mapping[str, str], uid: int) -> str:
    """Return where a daemon of virtup's keeps managed saves, if its directories are the usual."""
    return find("system" if uri_kind == "system" else "session", env=env, uid=uid).save_dir

"""Where a daemon listens: the rule that daemon and client share, as a pure function.

=============  ====================================  ==========================================
scheme          virtup                                libvirt (``--layout libvirt``)
=============  ====================================  ==========================================
system          /run/virtup/virtup-sock[-ro]          /run/libvirt/libvirt-sock[-ro]
session         $XDG_RUNTIME_DIR/virtup/virtup-sock   $XDG_RUNTIME_DIR/libvirt/libvirt-sock
no runtime dir  ~/.cache/virtup/run/virtup-sock       ~/.cache/libvirt/libvirt-sock
``--root R``    R/run/virtup-sock[-ro]                R/run/libvirt-sock[-ro]
=============  ====================================  ==========================================

A socket directory that was named outright (``--socket-dir``) beats them all. The libvirt paths
are those of libvirt's ``remote_sockets.c``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from virtup.errors import Code, InvalidArgument, Origin

Kind = Literal["system", "session"]
"""A daemon of the host, or of one user."""

Name = Literal["virtup", "libvirt"]
"""Whose directories and socket names are used."""


class Sockets(NamedTuple):
    """The sockets of one daemon: ``main`` for all calls, ``readonly`` for those that only look."""

    directory: str
    main: str
    readonly: str


def default_kind(uid: int) -> Kind:
    """Tell which daemon a caller means who names none, as virsh does: root the system's."""
    return "system" if uid == 0 else "session"


def runtime_dir(env: Mapping[str, str], uid: int) -> str | None:
    """Return ``$XDG_RUNTIME_DIR`` when it can be this user's own, else None.

    ``su`` and ``sudo -E`` leave another user's ``/run/user/N`` in the environment; that and a
    relative path (which the XDG specification says to ignore) count as not set.
    """
    value = env.get("XDG_RUNTIME_DIR", "").rstrip("/")
    if not value.startswith("/"):
        return None
    parent, _, owner = value.rpartition("/")
    if parent == "/run/user" and owner.isdecimal() and int(owner) != uid:
        return None
    return value


def home_dir(env: Mapping[str, str]) -> str:
    """Return ``$HOME``, without a slash at its end; raises InvalidArgument when it is unusable."""
    value = env.get("HOME", "")
    if not value.startswith("/"):
        raise InvalidArgument(
            f"a session needs HOME to be an absolute path in the environment, and it is '{value}'",
            code=Code.INVALID_ARG,
            origin=Origin.REMOTE,
        )
    return value.rstrip("/") or "/"


def xdg_dir(env: Mapping[str, str], variable: str, fallback: str) -> str:
    """Return an XDG base directory: the *variable* if it is absolute, else ``~/fallback``."""
    value = env.get(variable, "").rstrip("/")
    return value if value.startswith("/") else f"{home_dir(env).rstrip('/')}/{fallback}"


def sockets(
    kind: Kind,
    *,
    name: Name = "virtup",
    root: str | None = None,
    socket_dir: str | None = None,
    env: Mapping[str, str],
    uid: int,
) -> Sockets:
    """Return where the daemon of this *kind* listens; raises InvalidArgument without a HOME."""
    directory = socket_dir if socket_dir is not None else _directory(kind, name, root, env, uid)
    main = f"{directory.rstrip('/')}/{name}-sock"
    return Sockets(directory, main, f"{main}-ro")


def _directory(kind: Kind, name: Name, root: str | None, env: Mapping[str, str], uid: int) -> str:
    if root is not None:
        return f"{root.rstrip('/')}/run"
    if kind == "system":
        return f"/run/{name}"
    runtime = runtime_dir(env, uid)
    if runtime is not None:
        return f"{runtime}/{name}"
    cache = xdg_dir(env, "XDG_CACHE_HOME", ".cache")
    return f"{cache}/virtup/run" if name == "virtup" else f"{cache}/libvirt"

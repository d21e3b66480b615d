"""Which directories a daemon uses, and with which modes they are made.

``virtup`` is the layout of its own, ``libvirt`` that of a stock libvirt 9.0, so that virtupd
finds the guests that were defined under libvirt. Sessions follow the XDG base directories.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from virtup.host.accounts import Account
from virtup.wire.sockets import Kind, Name, Sockets, home_dir, runtime_dir, sockets, xdg_dir

MASTER_KEY_BYTES = 32
"""The length of QEMU's master key (AES-256)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Every path that a daemon uses. All are absolute; none need exist before :func:`create`.

    ``definitions`` and ``autostart`` hold the guests' XML, ``state_dir`` what describes running
    guests and does not outlive a boot, ``lib_dir`` and ``channel_dir`` the per-guest directories
    of QEMU's user, ``save_dir`` saved memory, ``attempts_dir`` the records of starts,
    ``ledger_file`` whose files were handed to QEMU's user. ``lock_file`` is held by the daemon.
    """

    kind: Kind
    name: Name
    definitions: str
    autostart: str
    log_dir: str
    state_dir: str
    lib_dir: str
    save_dir: str
    channel_dir: str
    cache_dir: str
    attempts_dir: str
    nvram_dir: str
    ledger_file: str
    socket_dir: str
    socket: str
    socket_ro: str
    config_file: str
    lock_file: str

    @property
    def repairs_dir(self) -> str:
        """The records of what was mended, beside those of starts; made when there is one."""
        return f"{os.path.dirname(self.attempts_dir)}/repairs"

    @property
    def pools_dir(self) -> str:
        """The definitions of storage pools, beside those of the guests."""
        return _beside(self.definitions)

    @property
    def pools_autostart(self) -> str:
        """The links to pools that start with the host."""
        return f"{self.pools_dir}/autostart"

    @property
    def pools_active(self) -> str:
        """What tells which pools are active, beside what describes running guests."""
        return _beside(self.state_dir)

    @property
    def pool_places(self) -> tuple[str, str]:
        """The directories of the pools' definitions and of what is active, as evidence has them."""
        return self.pools_dir, self.pools_active


def _beside(directory: str) -> str:
    """Return what is for storage where *directory* is for QEMU: ``/etc/virtup/storage``."""
    head, _, tail = directory.rpartition("/qemu")
    return f"{head}/storage{tail}"


def find(
    kind: Kind,
    *,
    name: Name = "virtup",
    root: str | None = None,
    socket_dir: str | None = None,
    env: Mapping[str, str],
    uid: int,
) -> Layout:
    """Return the layout of a daemon; nothing is looked up on disk.

    *root* puts everything under one folder and *socket_dir* moves the sockets alone; relative
    ones count from the working directory. Raises InvalidArgument for a session without a HOME.
    """
    root = None if root is None else os.path.abspath(root)
    socket_dir = None if socket_dir is None else os.path.abspath(socket_dir)
    ends = sockets(kind, name=name, root=root, socket_dir=socket_dir, env=env, uid=uid)
    if root is not None:
        return _under_root(root, kind, name, ends)
    if kind == "system":
        return _system(name, ends)
    return _session(name, ends, env, uid)


def user_runtime_dir() -> str | None:
    """Return where this process's own user has the sockets of a desktop; None for nowhere."""
    return runtime_dir(os.environ, os.geteuid())


def _under_root(root: str, kind: Kind, name: Name, ends: Sockets) -> Layout:
    return Layout(
        kind=kind,
        name=name,
        definitions=f"{root}/etc/qemu",
        autostart=f"{root}/etc/qemu/autostart",
        log_dir=f"{root}/log/qemu",
        state_dir=f"{root}/run/qemu",
        lib_dir=f"{root}/lib/qemu",
        save_dir=f"{root}/lib/qemu/save",
        channel_dir=f"{root}/run/qemu/channel",
        cache_dir=f"{root}/cache",
        attempts_dir=f"{root}/lib/attempts",
        nvram_dir=f"{root}/lib/qemu/nvram",
        ledger_file=f"{root}/lib/ownership.json",
        socket_dir=ends.directory,
        socket=ends.main,
        socket_ro=ends.readonly,
        config_file=f"{root}/etc/virtupd.toml",
        lock_file=f"{root}/run/virtupd.lock",
    )


def _system(name: Name, ends: Sockets) -> Layout:
    libvirt = name == "libvirt"
    channels = "/var/lib/libvirt/qemu/channel/target" if libvirt else "/run/virtup/qemu/channel"
    return Layout(
        kind="system",
        name=name,
        definitions=f"/etc/{name}/qemu",
        autostart=f"/etc/{name}/qemu/autostart",
        log_dir=f"/var/log/{name}/qemu",
        state_dir=f"/run/{name}/qemu",
        lib_dir=f"/var/lib/{name}/qemu",
        save_dir=f"/var/lib/{name}/qemu/save",
        channel_dir=channels,
        cache_dir="/var/cache/virtup",
        attempts_dir="/var/lib/virtup/attempts",
        nvram_dir=f"/var/lib/{name}/qemu/nvram",
        ledger_file="/var/lib/virtup/ownership.json",
        socket_dir=ends.directory,
        socket=ends.main,
        socket_ro=ends.readonly,
        config_file="/etc/virtup/virtupd.toml",
        lock_file=f"/run/{name}/virtupd.lock",
    )


def _session(name: Name, ends: Sockets, env: Mapping[str, str], uid: int) -> Layout:
    config = xdg_dir(env, "XDG_CONFIG_HOME", ".config")
    cache = xdg_dir(env, "XDG_CACHE_HOME", ".cache")
    runtime = runtime_dir(env, uid)
    fallback = f"{cache}/virtup/run" if name == "virtup" else f"{cache}/libvirt"
    run = fallback if runtime is None else f"{runtime}/{name}"
    if name == "libvirt":
        state, lib = f"{run}/qemu/run", f"{config}/libvirt/qemu/lib"
        log, channels = f"{cache}/libvirt/qemu/log", f"{lib}/channel/target"
        save, nvram = f"{config}/libvirt/qemu/save", f"{config}/libvirt/qemu/nvram"
    else:
        data = f"{xdg_dir(env, 'XDG_DATA_HOME', '.local/share')}/virtup/qemu"
        state, lib, log = f"{run}/qemu", data, f"{_state_home(env)}/virtup/log"
        save, nvram, channels = f"{data}/save", f"{data}/nvram", f"{state}/channel"
    return Layout(
        kind="session",
        name=name,
        definitions=f"{config}/{name}/qemu",
        autostart=f"{config}/{name}/qemu/autostart",
        log_dir=log,
        state_dir=state,
        lib_dir=lib,
        save_dir=save,
        channel_dir=channels,
        cache_dir=f"{cache}/virtup",
        attempts_dir=f"{_state_home(env)}/virtup/attempts",
        nvram_dir=nvram,
        ledger_file=f"{_state_home(env)}/virtup/ownership.json",
        socket_dir=ends.directory,
        socket=ends.main,
        socket_ro=ends.readonly,
        config_file=f"{config}/virtup/virtupd.toml",
        lock_file=f"{run}/virtupd.lock",
    )


def _state_home(env: Mapping[str, str]) -> str:
    value = env.get("XDG_STATE_HOME", "").rstrip("/")
    return value if value.startswith("/") else f"{home_dir(env).rstrip('/')}/.local/state"


def create(layout: Layout, account: Account | None) -> None:
    """Make the directories that are missing, so that other users are kept out.

    The daemon's own directories are its own, mode 0700. Those that QEMU's user must pass
    (``state_dir``, ``lib_dir``, ``channel_dir``, ``nvram_dir`` and what virtup makes above them)
    are the daemon's too, mode 0711: passed, not listed. The directory of the sockets is 0755 for
    a system daemon, whose sockets have modes of their own, and 0700 for a session.
    A directory that is there keeps its owner and mode. Raises OSError with the path.
    """
    passed = 0o700 if account is None else 0o711
    private = (
        layout.definitions,
        layout.autostart,
        layout.pools_dir,
        layout.pools_autostart,
        layout.pools_active,
        layout.log_dir,
        layout.save_dir,
        layout.attempts_dir,
        layout.cache_dir,
        os.path.dirname(layout.config_file),
        os.path.dirname(layout.ledger_file),
    )
    make_socket_dir(layout)
    for path in (layout.state_dir, layout.lib_dir, layout.channel_dir, layout.nvram_dir):
        _make(path, passed, passed)
    _make(os.path.dirname(layout.lock_file), passed, passed)
    for path in private:
        _make(path, 0o700, passed)


def make_passed(path: str) -> None:
    """Make a directory, and those above it that are missing, that others pass and cannot list."""
    _make(path, 0o711, 0o711)


def make_socket_dir(layout: Layout) -> None:
    """Make the directory of the sockets: 0755 for a system daemon, 0700 for a session."""
    if layout.kind == "system":
        _make(layout.socket_dir, 0o755, 0o711)
    else:
        _make(layout.socket_dir, 0o700, 0o700)


def guest_dir(path: str, account: Account | None) -> None:
    """Make a directory for one guest, mode 0700, that belongs to QEMU's user.

    Its parent must exist. A directory that is there (a daemon died) gets that owner and mode
    again. Raises OSError; a link or a file in its place is refused with NotADirectoryError.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags)
    try:
        if account is not None:
            os.fchown(fd, account.uid, account.gid)
        os.fchmod(fd, 0o700)
    finally:
        os.close(fd)


def remove_guest_dir(path: str) -> None:
    """Remove a guest's directory and the files and sockets in it; one that is gone is no error.

    What is in it may be QEMU's user's doing: links are not followed. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def write_master_key(path: str, account: Account | None) -> None:
    """Write 32 random bytes for QEMU to unlock secrets with, readable by its user alone.

    Replaces what a crash left. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o600)
    try:
        if account is not None:
            os.fchown(fd, account.uid, account.gid)
        os.write(fd, os.urandom(MASTER_KEY_BYTES))
    finally:
        os.close(fd)


def _make(path: str, mode: int, above: int) -> None:
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make(parent, above, above)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return
    os.chmod(path, mode)

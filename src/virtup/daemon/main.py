"""``virtupd``: the options, the start, the signals, the end."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from virtup.errors import InvalidArgument, VirtError

if TYPE_CHECKING:
    from virtup.daemon.config import Config
    from virtup.daemon.server import Server
    from virtup.host.layout import Layout
    from virtup.host.lock import Lock

log = logging.getLogger("virtupd")

_FILES_WANTED = 65536


def main(argv: Sequence[str] | None = None) -> None:
    """Run the daemon; exits 0 after SIGTERM or an idle time-out, 1 when it cannot start."""
    options = _parser().parse_args(argv)
    os.umask(0o022)
    ready = _Ready(options.ready_fd)
    try:
        layout, config = _prepare(options)
        lock = _lock(layout)
        _log(options, layout, config)
    except (VirtError, OSError) as exc:
        _refuse(ready, exc)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(options, layout, config, ready))
    except (VirtError, OSError) as exc:
        _refuse(ready, exc)
    finally:
        lock.release()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="virtupd", description="Runs QEMU guests and serves them to libvirt's clients."
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--system", dest="kind", action="store_const", const="system",
                      help="serve the host's guests (the default for root)")  # fmt: skip
    kind.add_argument("--session", dest="kind", action="store_const", const="session",
                      help="serve this user's guests (the default for others)")  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="keep everything under DIR")
    parser.add_argument("--layout", choices=("virtup", "libvirt"), default="virtup",
                        help="whose directories and sockets to use")  # fmt: skip
    parser.add_argument("--socket-dir", metavar="DIR", help="make the sockets in DIR")
    parser.add_argument("--timeout", metavar="S", type=_seconds, default=0.0,
                        help="end after S seconds without client and running guest")  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="read this configuration file")
    parser.add_argument("--ready-fd", metavar="N", type=_descriptor, default=-1,
                        help="write 'ready' or 'error: ...' to this descriptor")  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="log at level debug")
    parser.add_argument("--log-file", metavar="F", help="log to F, not to standard error")
    parser.add_argument("--version", action="version", version=f"virtupd {_version()}")
    return parser


def _version() -> str:
    from virtup import __version__

    return __version__


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10**9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return value


def _descriptor(text: str) -> int:
    try:
        os.fstat(int(text))
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"'{text}' is no open file descriptor") from None
    return int(text)


def _prepare(options: argparse.Namespace) -> tuple[Layout, Config]:
    from virtup.daemon.config import read
    from virtup.host.layout import find
    from virtup.wire.sockets import default_kind

    uid = os.geteuid()
    kind = options.kind or default_kind(uid)
    if kind == "system" and uid != 0 and options.root is None:
        raise InvalidArgument(
            "a system daemon needs root; 'virtupd --session' serves your own guests, and --root "
            "DIR keeps everything under a directory of yours"
        )
    layout = find(
        kind,
        name=options.layout,
        root=options.root,
        socket_dir=options.socket_dir,
        env=os.environ,
        uid=uid,
    )
    path = options.config or layout.config_file
    return layout, read(path, required=options.config is not None)


def _lock(layout: Layout) -> Lock:
    """The lock of the daemon's directories; the way to it is made first."""
    from virtup.host import lock

    _make_way(os.path.dirname(layout.lock_file), 0o700 if layout.kind == "session" else 0o711)
    return lock.acquire(layout.lock_file)


def _make_way(path: str, mode: int) -> None:
    """Make the directory *path* and what is missing above it."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        os.makedirs(directory, mode=mode, exist_ok=True)


def _log_path(options: argparse.Namespace, layout: Layout) -> str | None:
    """Where to log: as told, else to standard error, else beside the guests' logs."""
    from virtup.daemon.logs import stderr_is_lost

    if options.log_file is not None or not stderr_is_lost():
        return None if options.log_file is None else str(options.log_file)
    directory = os.path.dirname(layout.log_dir)
    _make_way(directory, 0o700 if layout.kind == "session" else 0o711)
    return f"{directory}/virtupd.log"


def _log(options: argparse.Namespace, layout: Layout, config: Config) -> None:
    from virtup.daemon.logs import log_to

    level = logging.DEBUG if options.verbose else getattr(logging, config.log_level.upper())
    log_to(_log_path(options, layout), level)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _raise_file_limit() -> None:
    """Allow as many open files as the host lets us: a guest takes several."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(options: argparse.Namespace, layout: Layout, config: Config, ready: _Ready) -> None:
    from virtup.daemon import server as servers
    from virtup.daemon import systemd
    from virtup.drivers.hypervisor import Hypervisor
    from virtup.host.clock import SystemClock
    from virtup.machine.diagnose import warm

    _raise_file_limit()
    hypervisor = Hypervisor(layout, config.guests, SystemClock())
    inherited = systemd.inherited(os.environ)
    group = config.unix_sock_group or layout.name
    if inherited:
        servers.admit_group(inherited, layout, group)
    # before any guest is looked at: where somebody serves already, they are not ours to touch
    ends = [(end, _is_readonly(end)) for end in inherited] or servers.bind(layout, group)
    try:
        await hypervisor.open()
        server = servers.Server(hypervisor, config, idle_s=options.timeout)
        _on_signals(server, options)
        if not inherited:
            for end, _ in ends:
                server.own(end.getsockname())
        await server.listen(ends)
        log.info("serving %s as process %d", layout.socket, os.getpid())
        ready.say("ready")
        # a first failure need not wait for the catalogue; a first start goes before it
        warming = asyncio.ensure_future(warm())
        systemd.notify(os.environ, "READY=1")
        alive = asyncio.ensure_future(_live(systemd.watchdog_s(os.environ)))
        gc.collect()
        gc.freeze()  # what is there now stays: a later collection need not walk it in mid-call
        await server.serve()
        alive.cancel()
        await warming
        systemd.notify(os.environ, "STOPPING=1")
    finally:
        await hypervisor.close()
        if not inherited:
            servers.unbind(layout)
    log.info("ended; running guests run on")


async def _live(interval_s: float | None) -> None:
    """Tell the service manager, as often as it wants, that this event loop turns."""
    from virtup.daemon import systemd

    while interval_s is not None:
        systemd.notify(os.environ, "WATCHDOG=1")
        await asyncio.sleep(interval_s)


def _is_readonly(end: socket.socket) -> bool:
    return str(end.getsockname()).endswith("-ro")


def _on_signals(server: Server, options: argparse.Namespace) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        server.loop.add_signal_handler(number, server.stop)
    server.loop.add_signal_handler(signal.SIGHUP, _reload, server, options)


def _reload(server: Server, options: argparse.Namespace) -> None:
    """Read the configuration anew and reopen the log; a bad file changes nothing."""
    try:
        layout, config = _prepare(options)
        _log(options, layout, config)
    except (VirtError, OSError) as exc:
        log.error("configuration not reloaded: %s", exc)
        return
    if config.guests != server.config.guests:
        log.warning("settings of guests and QEMU take effect when virtupd starts anew")
    server.config = config
    log.info("configuration reloaded")


class _Ready:
    """The descriptor on which whoever started the daemon waits for one word."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, word: str) -> None:
        """Say it, once; nobody listening is no matter."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.write(fd, f"{word}\n".encode(errors="backslashreplace"))
        except OSError as exc:
            log.debug("nobody waits on the ready descriptor: %s", exc)
        finally:
            os.close(fd)


def _refuse(ready: _Ready, exc: VirtError | OSError) -> None:
    """Say why the daemon cannot be, and exit."""
    text = exc.message if isinstance(exc, VirtError) else _os_error(exc)
    ready.say(f"error: {text}")
    sys.stderr.write(f"virtupd: {text}\n")
    sys.exit(1)


def _os_error(exc: OSError) -> str:
    place = f"'{exc.filename}': " if exc.filename else ""
    return f"{place}{exc.strerror or exc}"


if __name__ == "__main__":
    main()

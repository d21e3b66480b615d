"""A host within the host: a mount, process and network namespace with directories of its own.

In it libvirt's and virtup's own paths (/etc, /var/lib, /var/log, /var/cache, /run) are fresh and
nobody else's, so that a stock libvirtd, or virtupd in libvirt's layout, runs as on a machine of its
own. Whatever runs in it ends with it.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import lab

URI = "qemu:///system"
STOCK = ("libvirtd", "virtlogd")

SET_UP = """
set -e
for name in libvirt virtup; do
    for top in /etc /var/lib /var/log /var/cache; do
        mkdir -p "$PLACE$top/$name" "$top/$name"
        if [ $name = libvirt ] && [ -d "$top/$name" ]; then
            cp -a "$top/$name/." "$PLACE$top/$name/"
        fi
        mount --bind "$PLACE$top/$name" "$top/$name"
    done
done
rm -rf /etc/libvirt/qemu/*.xml /etc/libvirt/qemu/autostart /etc/libvirt/qemu/networks
rm -rf /var/log/libvirt/*
mkdir -p /var/log/libvirt/qemu
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
ip link set lo up
if [ -e /dev/kvm ]; then  # one that QEMU's user may open: without, libvirtd asks QEMU at every turn
    mknod -m 666 "$PLACE/open-kvm" c 10 232
    mount --bind "$PLACE/open-kvm" /dev/kvm
fi
exec 3<&0
cat <&3 >/dev/null &
echo up
wait
"""
"""The init of the host: it reaps what dies in it, and ends when whoever made it lets go."""


class PrivateHost:
    """A host of its own; root's. :meth:`close` ends it with all that runs in it."""

    def __init__(self) -> None:
        self.place = lab.scratch()
        self._holder = subprocess.Popen(
            [
                *["unshare", "-m", "-p", "-n", "--fork", "--kill-child", "--mount-proc"],
                *["--propagation", "private", "sh", "-c", SET_UP],
            ],
            env={**lab.environment(), "PLACE": str(self.place)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "up\n"
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        (self.init,) = map(int, children.read_text().split())
        self.virsh = lab.Client(self.command("virsh"), URI)
        self.virtup = lab.Client(self.command(lab.PROGRAMS / "virtup"), URI)
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._open_kvm()

    def _open_kvm(self) -> None:
        """Have a /dev/kvm that QEMU's user may open, or libvirtd asks QEMU anew at every turn."""
        if Path("/dev/kvm").exists():
            node = self.place / "kvm"
            self.run("mknod", node, "c", "10", "232")
            node.chmod(0o666)
            self.run("mount", "--bind", node, "/dev/kvm")

    def command(self, *words: str | Path) -> list[str]:
        """Return the command that runs *words* in this host."""
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-n"]
        return [*inside, *map(str, words)]

    def run(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in this host to its end."""
        done = subprocess.run(
            self.command(*words),
            env=lab.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=lab.BOUND_S * 2,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done

    def terminal(self, *words: str | Path) -> lab.Terminal:
        """Run a command in this host on a terminal of its own."""
        return lab.Terminal(self.command(*words))

    def outside(self, path: str) -> Path:
        """Return where a file below the fresh directories is seen from without."""
        return Path(f"/proc/{self.init}/root{path}")

    def guest(self) -> Path:
        """Put a copy of the tiny guest where a newcomer's is; its folder, inside."""
        folder = Path("/var/lib/virtup/demo")
        if not self.outside(str(folder)).exists():
            shutil.copytree(lab.guest_dir(), self.outside(str(folder)))
        return folder

    def start_stock(self) -> None:
        """Start stock libvirtd (and virtlogd, which it wants) and wait until it answers."""
        for name in ("virtlogd", "libvirtd"):
            self._spawn([name], f"{name}.log")
        lab.eventually(
            lambda: self.virsh("uri", check=False).returncode == 0,
            "stock libvirtd answers",
        )

    def start_virtupd(self, *options: str) -> None:
        """Start virtupd in libvirt's layout and wait until it is ready."""
        ours, theirs = os.pipe()
        command = [lab.PROGRAMS / "virtupd", "--system", "--layout", "libvirt", *options]
        self._spawn([*map(str, command), "--ready-fd", str(theirs)], "virtupd.log", theirs)
        os.close(theirs)
        with os.fdopen(ours, "rb") as answer:
            assert select.select([answer], [], [], lab.BOUND_S)[0], self.log("virtupd")
            word = answer.readline().decode().strip()
        assert word == "ready", f"virtupd: {word}\n{self.log('virtupd')}"

    def stop_daemons(self) -> None:
        """End the daemons; guests run on."""
        while self._daemons:
            daemon = self._daemons.pop()
            # nsenter forks, for the sake of the process namespace: its child is the daemon
            children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), 15)
            daemon.wait(lab.BOUND_S)

    def log(self, name: str) -> str:
        """Return what the daemon *name* said so far."""
        path = self.place / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _spawn(self, words: Sequence[str], log: str, *fds: int) -> None:
        with (self.place / log).open("ab") as file:
            self._daemons.append(
                subprocess.Popen(
                    self.command(*words),
                    env=lab.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    pass_fds=fds,
                    start_new_session=True,
                )
            )

    def close(self) -> None:
        """End everything in this host, and it."""
        for pipe in (self._holder.stdin, self._holder.stdout):
            assert pipe is not None
            pipe.close()
        self._holder.wait(lab.BOUND_S)
        for daemon in self._daemons:
            daemon.wait(lab.BOUND_S)
        lab.discard(self.place)

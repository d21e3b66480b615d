"""A whole machine in namespaces: systemd as PID 1 on an overlay of this one's root.

Its disk outlives a power-off, so that what comes back with the next boot can be seen. The units of
the project are installed there as their document says. Only root can make one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import lab

SYSTEMD = Path("/lib/systemd/systemd")
TARGET = "lab.target"
INSTALLER = lab.PROJECT / "tools" / "install_units.py"
APART = ("unshare", "-m", "-p", "-f", "-i", "-u", "--kill-child", "--propagation", "private")

HOLD = """
set -e
mount -t tmpfs -o mode=755 machine "$PLACE"
mkdir "$PLACE/upper" "$PLACE/work" "$PLACE/root"
echo up
cat >/dev/null
"""
"""Keeps the machine's disk for as long as its stdin is open."""

BOOT = """
set -e
root=$PLACE/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for each in $SHOWN; do
    mkdir -p "$root$each"
    mount --bind "$each" "$root$each"
done
exec chroot "$root" /lib/systemd/systemd --system --unit=lab.target --log-target=console
"""

LAB_TARGET = """[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


def why_not() -> str:
    """Why there can be no machine here; "" when there can."""
    if not lab.IS_ROOT:
        return "not root"
    if not SYSTEMD.exists():
        return "systemd is not here"
    made = subprocess.run(
        [*APART, "sh", "-c", "mount -t cgroup2 none /mnt && mount -t tmpfs none /mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if made.returncode == 0 else f"no namespaces here: {made.stderr.strip()}"


class Machine:
    """A machine with the project's units; :meth:`boot`, :meth:`poweroff`, boot again, :meth:`close`."""

    def __init__(self) -> None:
        self.place = lab.scratch()
        self.console = self.place.with_name(f"{self.place.name}.console")
        self._holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", HOLD],
            env={**lab.environment(), "PLACE": str(self.place)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "up\n"
        self._booted: subprocess.Popen[bytes] | None = None
        self.init = 0
        self._lay_out()

    def disk(self, path: str) -> Path:
        """Return where a file of the machine's own disk is while the machine is off."""
        return Path(f"/proc/{self._holder.pid}/root{self.place}/upper{path}")

    def file(self, path: str) -> Path:
        """Return where a file of the running machine is."""
        return Path(f"/proc/{self.init}/root{path}")

    def _lay_out(self) -> None:
        units = self.disk("/etc/systemd/system")
        done = subprocess.run(
            [sys.executable, INSTALLER, "--destdir", self.disk(""), "--bindir", lab.PROGRAMS],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (units / TARGET).write_text(LAB_TARGET)
        wants = units / f"{TARGET}.wants"
        wants.mkdir()
        for name in ("virtupd.socket", "virtupd.service", "virtup-guests.service"):
            (wants / name).symlink_to(f"/etc/systemd/system/{name}")
        for top in ("/etc/virtup", "/var/lib/virtup", "/var/log/virtup", "/var/cache/virtup"):
            if Path(top).exists():  # what is on this host is not the machine's
                self._opaque(top)

    def _opaque(self, top: str) -> None:
        place = self.disk(top)
        place.mkdir(parents=True, exist_ok=True)
        os.setxattr(place, "trusted.overlay.opaque", b"y")

    def boot(self) -> None:
        """Boot, and wait until everything that is wanted is up or has failed."""
        shown = {str(lab.PROJECT), sys.base_prefix, str(lab.guest_dir())}
        shown -= {"/usr", "/"}
        with self.console.open("ab") as console:
            self._booted = subprocess.Popen(
                ["nsenter", "-t", str(self._holder.pid), "-m", *APART, "sh", "-c", BOOT],
                env={
                    **lab.environment(),
                    "PLACE": str(self.place),
                    "SHOWN": " ".join(sorted(shown)),
                    "container": "lab",
                },
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        children = Path(f"/proc/{self._booted.pid}/task/{self._booted.pid}/children")
        (self.init,) = map(int, lab.eventually(lambda: children.read_text().split(), "an init"))
        lab.eventually(
            lambda: self.systemctl("is-active", TARGET, check=False).stdout == "active\n",
            f"the machine is up\n{self.said}",
        )

    @property
    def said(self) -> str:
        """What the machine printed on its console so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def command(self, *words: str | Path) -> list[str]:
        """Return the command that runs *words* in the machine."""
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-i", "-u", "-r", "-w"]
        return [*inside, *map(str, words)]

    def run(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine to its end."""
        done = subprocess.run(
            self.command(*words),
            env={**lab.environment(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=lab.BOUND_S * 2,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done

    def systemctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl in the machine."""
        return self.run("systemctl", *words, check=check)

    def program(
        self, name: str, *words: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the project's programs in the machine."""
        return self.run(lab.PROGRAMS / name, *words, check=check)

    def poweroff(self) -> None:
        """Send the machine down as a person would, and wait until it is off."""
        assert self._booted is not None
        self.systemctl("poweroff", check=False)
        self._booted.wait(lab.BOUND_S * 2)
        self._booted = None

    def cut(self) -> None:
        """Take the power away."""
        assert self._booted is not None
        os.kill(self.init, signal.SIGKILL)
        self._booted.wait(lab.BOUND_S)
        self._booted = None

    def close(self) -> None:
        """End the machine and its disk."""
        if self._booted is not None:
            self.cut()
        for pipe in (self._holder.stdin, self._holder.stdout):
            assert pipe is not None
            pipe.close()
        self._holder.wait(lab.BOUND_S)
        self.console.unlink(missing_ok=True)
        shutil.rmtree(self.place)


def terminal(machine: Machine, words: Sequence[str]) -> lab.Terminal:
    """Run one of the project's programs on a terminal of its own in the machine."""
    name, *rest = words
    return lab.Terminal(machine.command(lab.PROGRAMS / name, *rest))

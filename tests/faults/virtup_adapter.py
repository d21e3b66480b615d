"""How the fault lab asks virtup: a system daemon of the cell's own, and the verbs of its command.

The lab loads this file by its path, inside a cell: private mount, network and process namespaces.
It finds ``adapters.base`` beside the lab's own program, and virtup's programs by VIRTUP_PROGRAMS.
"""

import os
import pathlib
import shlex
import signal
import subprocess

from adapters.base import Adapter as Base
from adapters.base import Result, run

PROGRAMS = os.environ["VIRTUP_PROGRAMS"]
CACHE = "/var/cache/virtup"
PRIVATE = ("/etc/virtup", "/var/lib/virtup", "/var/log/virtup", CACHE)
"""What of the host a system daemon uses and the cell has to itself; the cell's /run is private."""


ENVIRONMENT = {
    "PATH": f"{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}


class Adapter(Base):
    """virtup, with every answer that its command line gives."""

    name = "virtup"
    has_fix = True
    VIRSH = f"{PROGRAMS}/virtup -q"
    LOGDIR, STATEDIR, LIBDIR = "/var/log/virtup/qemu", "/run/virtup/qemu", "/var/lib/virtup/qemu"
    SAVEDIR, HOOKDIR = f"{LIBDIR}/save", "/etc/virtup/hooks"
    QEMU_USER = "virtup-qemu"
    user_re = "virtup-qemu"
    daemon = None
    refused = ""

    def setup(self):
        """Give the daemon directories of its own, with what it knows of QEMU, and start it."""
        cell, warm = os.environ["CELL"], os.environ.get("VIRTUP_LAB_CACHE", "")
        for place in PRIVATE:
            own = f"{cell}/own{place}"
            os.makedirs(own)
            if place == CACHE and warm:
                subprocess.run(["cp", "-a", f"{warm}/.", own], check=True)
            os.makedirs(place, exist_ok=True)
            subprocess.run(["mount", "--bind", own, place], check=True)
        self._start()

    def _start(self):
        ours, theirs = os.pipe()
        with open("/srv/.virtupd.log", "ab") as log:
            self.daemon = subprocess.Popen(
                [f"{PROGRAMS}/virtupd", "--system", "--ready-fd", str(theirs)],
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
                start_new_session=True,
            )
        os.close(theirs)
        with os.fdopen(ours) as answer:
            word = answer.readline().strip()
        if word != "ready":
            raise RuntimeError(f"virtupd: {word or 'ended without a word'}")

    def teardown(self):
        """Take back what was mended, of which huge pages are the host's, and end the daemon."""
        if self.daemon is not None and self.daemon.poll() is None:
            self._verb("destroy", "vm1")
            self._verb("fix", "vm1", "--undo")
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(20)

    def ensure(self):
        """Start the daemon again if it is gone, and say whether it was."""
        if self.daemon is not None and self.daemon.poll() is None:
            return False
        self._start()
        return True

    def _verb(self, *words, timeout=None):
        return run([*shlex.split(self.VIRSH), *words], timeout or self.TIMEOUT, env=ENVIRONMENT)

    def _take(self, verb, xml):
        done = self._verb(verb, xml)
        self.refused = "" if done.ok else xml
        return done

    def define(self, xml):
        return self._take("define", xml)

    def create(self, xml):
        return self._take("create", xml)

    def start(self, name, force_boot=False):
        self.refused = ""
        return self._verb("start", name, *(["--force-boot"] if force_boot else []))

    def managedsave(self, name):
        return self._verb("managedsave", name)

    def destroy(self, name):
        return self._verb("destroy", name)

    def undefine(self, name):
        return self._verb("undefine", name, "--nvram", "--managed-save")

    def state(self, name):
        return self._verb("domstate", name).out.strip()

    def explain(self, name, last):
        """What ``why`` says of a start; of a definition that was refused, what ``check`` says."""
        asked = ("check", self.refused) if self.refused else ("why", name)
        return self._verb(*asked).out.strip()

    def fix(self, name):
        return self._verb("fix", self.refused or name, "--apply", "--yes")

    def guest_log(self, name):
        try:
            return pathlib.Path(f"{self.LOGDIR}/{name}.log").read_text(errors="replace")
        except OSError:
            return ""


__all__ = ["Adapter", "Result"]

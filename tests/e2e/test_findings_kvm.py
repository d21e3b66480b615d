"""A host without KVM, in every way that it can be without: told, mended, started.

The daemon runs in a mount namespace of its own, in which /dev, /sys/module and /proc/cpuinfo show
the fault; QEMU, which it starts there, meets it for real. A module cannot be loaded from there: what
stands in for ``modprobe`` does what the kernel does when the real one has worked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from tests import lab
from tests.e2e import test_findings
from tests.e2e.test_findings import Guest, guest, served

__all__ = ["guest", "served"]

pytestmark = [
    *test_findings.pytestmark,
    pytest.mark.root,
    pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="no /dev/kvm to take away"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="not an x86_64 host"),
]
OWN_DEV = """
mount -t tmpfs -o mode=755 tmpfs /mnt
for one in null zero full random urandom tty ptmx; do cp -a /dev/$one /mnt/; done
for one in pts shm; do mkdir /mnt/$one; mount --bind /dev/$one /mnt/$one; done
mount --move /mnt /dev
"""
NO_MODULE = "mount -t tmpfs -o mode=755 tmpfs /sys/module\n"
MODPROBE = """#!/bin/sh
[ "$*" = "kvm_intel" ] && umount /sys/module && mknod -m 666 /dev/kvm c 10 232
"""


def processor(flags: str) -> str:
    """Shell text that makes the processor show *flags* and no other."""
    return (
        f"sed 's/^flags.*/flags : fpu {flags}/' /proc/cpuinfo >\"$PLACE/cpuinfo\"\n"
        'mount --bind "$PLACE/cpuinfo" /proc/cpuinfo\n'
    )


class House(Protocol):
    """Gives the guest a daemon on a host that shell text has changed before, run by a wrapper."""

    def __call__(self, setup: str, wrapper: tuple[str, ...] = ()) -> Guest: ...


@pytest.fixture
def housed(make_daemon: Callable[..., lab.Daemon], guest: Guest) -> House:
    def house(setup: str, wrapper: tuple[str, ...] = ()) -> Guest:
        daemon = make_daemon(start=False)
        changed = f"PLACE={daemon.root}\n{setup}"
        daemon.program = lab.on_a_host_where(changed, [*wrapper, *daemon.program])
        daemon.start()
        guest.daemon = daemon
        guest.inside = ("nsenter", "-t", str(daemon.pid), "-m")
        guest.text["virt"] = "kvm"
        return guest

    return house


def test_no_device_though_the_kernel_has_kvm(housed: House) -> None:
    guest = housed(OWN_DEV)
    said = guest.told("VU064", "no /dev/kvm", "the kernel has KVM")
    guest.mend(said)
    guest.starts()


def test_the_module_is_not_loaded(housed: House) -> None:
    guest = housed(OWN_DEV + NO_MODULE + processor("vmx"))
    said = guest.told("VU060", "kvm_intel", "the processor has vmx")
    modprobe = guest.place / "bin" / "modprobe"
    modprobe.parent.mkdir()
    modprobe.write_text(MODPROBE)
    modprobe.chmod(0o755)
    guest.inside += ("env", f"PATH={modprobe.parent}:{os.environ['PATH']}")
    guest.mend(said)
    guest.starts()


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ("hypervisor", "VU062", "itself a virtual machine"),
        ("sse2", "VU063", "switched off in this host's firmware"),
    ],
)
def test_no_virtualization(housed: House, flags: str, code: str, words: str) -> None:
    guest = housed(OWN_DEV + NO_MODULE + processor(flags))
    guest.told(code, words, "neither vmx nor svm", "<domain type='qemu'>")
    guest.text["virt"] = "qemu"
    guest.starts()


def test_another_hypervisor_has_it(housed: House) -> None:
    """Its machines end, as the fix asks, when the daemon is started without the filter."""
    busy = (sys.executable, str(lab.PROJECT / "tests" / "busy_kvm.py"))
    guest = housed(OWN_DEV + "mknod -m 666 /dev/kvm c 10 232\n", busy)
    guest.told("VU065", "Another hypervisor", "Device or resource busy", "end the other hyper")
    guest.daemon.stop()
    guest.daemon.program = [word for word in guest.daemon.program if word not in busy]
    guest.daemon.start()
    guest.starts()

"""Guests of a stock libvirtd that run on in a directory which virtupd took over.

libvirt leaves ``NAME.pid`` in its state directory. virtupd cannot steer such a QEMU; it must not
start the same guest beside it, on the same disks.
"""

from __future__ import annotations

from virtup.host import proc
from virtup.host.disk import Disk
from virtup.host.layout import Layout


def process_of(layout: Layout, disk: Disk, name: str) -> int | None:
    """Return the process that a libvirtd started for the guest *name* and that still runs."""
    if layout.name != "libvirt":
        return None
    try:
        pid = int(disk.read(f"{layout.state_dir}/{name}.pid"))
    except (OSError, ValueError):
        return None
    words = (proc.read(pid, "cmdline") or "").split("\0")
    return pid if any(word.split(",")[0] == f"guest={name}" for word in words) else None

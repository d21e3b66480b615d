"""QEMU binaries as files: where they are, and when one is another than before."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

_DIRECTORIES = "/usr/local/bin:/usr/bin:/bin:/usr/libexec:/usr/lib/qemu:/usr/lib/qemu-kvm"
_TARGETS = {
    "x86_64": ("qemu-system-x86_64", "qemu-kvm", "kvm"),
    "i686": ("qemu-system-i386",),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What changes when a QEMU or its loadable modules are replaced; times in nanoseconds."""

    path: str
    mtime_ns: int
    size: int
    inode: int
    modules: tuple[tuple[str, int], ...]


def identify(path: str) -> Identity:
    """Return the identity of the program at *path*. Raises OSError."""
    seen = os.stat(path)
    return Identity(path, seen.st_mtime_ns, seen.st_size, seen.st_ino, _modules())


def find(arch: str) -> str | None:
    """Return the path of an executable QEMU for guests of *arch* (libvirt's name), if any.

    A host's own ``qemu-kvm`` serves its own architecture only. ``$PATH`` is looked at first.
    """
    search = os.pathsep.join(filter(None, (os.environ.get("PATH"), _DIRECTORIES)))
    for name in _TARGETS.get(arch, (f"qemu-system-{arch}",)):
        if not name.startswith("qemu-system-") and os.uname().machine != arch:
            continue
        found = shutil.which(name, path=search)
        if found is not None:
            return os.path.abspath(found)
    return None


def _modules() -> tuple[tuple[str, int], ...]:
    """Return the directories that distributions keep QEMU's modules in, with their times."""
    found = []
    for path in (
        f"/usr/lib/{os.uname().machine}-linux-gnu/qemu",
        "/usr/lib64/qemu",
        "/usr/lib/qemu",
        "/usr/local/lib/qemu",
    ):
        try:
            found.append((path, os.stat(path).st_mtime_ns))
        except OSError:
            continue
    return tuple(found)

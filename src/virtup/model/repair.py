"""What virtup can mend, as plain data: each repair is one act that can be taken back.

The commands that a person would paste are rendered from the repair, so that what is shown is what
is done. Nothing here touches the host: ``virtup.host.repair`` does, and the driver for definitions
and guests.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Repair:
    """One act; ``commands`` does it by hand and ``undo`` takes it back."""

    kind: ClassVar[str] = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """The shell lines that do it, none for what only virtup can do."""
        return ()

    @property
    def undo(self) -> tuple[str, ...]:
        """The shell lines that take it back."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the repair as JSON-ready data."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class GrantAccess(Repair):
    """Give one account ``letters`` (``r-x``) on ``path`` by its access list, and nobody else more.

    ``listed`` says that there is a list already. ``readonly`` is the mount point that the path lies
    under when that is mounted read-only; it stays so.
    """

    kind: ClassVar[str] = "grant-access"
    path: str
    uid: int
    user: str
    letters: str
    listed: bool = False
    readonly: str = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """``setfacl``, between two remounts where the mount is read-only."""
        return self._open(f"setfacl -m u:{self._who}:{self.letters} {shlex.quote(self.path)}")

    @property
    def undo(self) -> tuple[str, ...]:
        """Take the entry away, or the whole list where there was none."""
        how = f"-x u:{self._who}" if self.listed else "-b"
        return self._open(f"setfacl {how} {shlex.quote(self.path)}")

    @property
    def _who(self) -> str:
        return self.user or str(self.uid)

    def _open(self, command: str) -> tuple[str, ...]:
        if not self.readonly:
            return (command,)
        point = shlex.quote(self.readonly)
        return (
            f"mount -o remount,bind,rw {point}",
            command,
            f"mount -o remount,bind,ro {point}",
        )


@dataclass(frozen=True, slots=True)
class SetMode(Repair):
    """Add the permission bits ``add`` (``u+rx``, ``a+x``) to the mode of ``path``.

    ``mode`` is the mode that was seen, in octal digits.
    """

    kind: ClassVar[str] = "set-mode"
    path: str
    add: str
    mode: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``chmod``."""
        return (f"chmod {self.add} {shlex.quote(self.path)}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """The mode that was seen."""
        return (f"chmod {self.mode} {shlex.quote(self.path)}",)


@dataclass(frozen=True, slots=True)
class MakeDirectory(Repair):
    """Make the directory ``path``, and those above it that are missing.

    ``path`` gets ``mode`` (octal digits) and the owner ``uid``; those above are root's, 0755.
    """

    kind: ClassVar[str] = "make-directory"
    path: str
    uid: int
    user: str
    mode: str = "0750"

    @property
    def commands(self) -> tuple[str, ...]:
        """``install -d``."""
        who = self.user or str(self.uid)
        return (f"install -d -o {who} -m {self.mode} {shlex.quote(self.path)}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``rmdir``, which fails when something was put into it."""
        return (f"rmdir {shlex.quote(self.path)}",)


@dataclass(frozen=True, slots=True)
class RemountWritable(Repair):
    """Make the read-only mount at ``point`` writable."""

    kind: ClassVar[str] = "remount-writable"
    point: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``mount -o remount,rw``."""
        return (f"mount -o remount,rw {shlex.quote(self.point)}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``mount -o remount,ro``."""
        return (f"mount -o remount,ro {shlex.quote(self.point)}",)


@dataclass(frozen=True, slots=True)
class LoadModule(Repair):
    """Load a kernel module."""

    kind: ClassVar[str] = "load-module"
    name: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``modprobe``."""
        return (f"modprobe {self.name}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``modprobe -r``."""
        return (f"modprobe -r {self.name}",)


@dataclass(frozen=True, slots=True)
class JoinGroup(Repair):
    """Put an account into a group."""

    kind: ClassVar[str] = "join-group"
    user: str
    group: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``usermod``."""
        return (f"usermod -aG {shlex.quote(self.group)} {shlex.quote(self.user)}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``gpasswd -d``."""
        return (f"gpasswd -d {shlex.quote(self.user)} {shlex.quote(self.group)}",)


@dataclass(frozen=True, slots=True)
class ReserveHugePages(Repair):
    """Have ``count`` huge pages of ``size_kib`` in the host's pool; ``before`` it had so many."""

    kind: ClassVar[str] = "reserve-huge-pages"
    size_kib: int
    count: int
    before: int

    @property
    def commands(self) -> tuple[str, ...]:
        """``echo`` into the pool's file."""
        return (f"echo {self.count} > {self.file}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """The number that was there."""
        return (f"echo {self.before} > {self.file}",)

    @property
    def file(self) -> str:
        """The kernel's file for the size of the pool."""
        return f"/sys/kernel/mm/hugepages/hugepages-{self.size_kib}kB/nr_hugepages"


@dataclass(frozen=True, slots=True)
class MountHugePages(Repair):
    """Mount hugetlbfs for pages of ``size_kib`` at ``path``, which is made when it is missing."""

    kind: ClassVar[str] = "mount-huge-pages"
    size_kib: int
    path: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``mkdir`` and ``mount``."""
        where = shlex.quote(self.path)
        return (f"mkdir -p {where}", f"mount -t hugetlbfs -o {self.option} hugetlbfs {where}")

    @property
    def undo(self) -> tuple[str, ...]:
        """``umount``."""
        return (f"umount {shlex.quote(self.path)}",)

    @property
    def option(self) -> str:
        """The mount option that says the page size."""
        return f"pagesize={self.size_kib}K"


@dataclass(frozen=True, slots=True)
class MakeTap(Repair):
    """Make a tap interface that stays, owned by ``uid``, and set it up."""

    kind: ClassVar[str] = "make-tap"
    name: str
    uid: int
    user: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``ip tuntap add``."""
        who = self.user or str(self.uid)
        name = shlex.quote(self.name)
        return (f"ip tuntap add {name} mode tap user {who}", f"ip link set {name} up")

    @property
    def undo(self) -> tuple[str, ...]:
        """``ip tuntap del``."""
        return (f"ip tuntap del {shlex.quote(self.name)} mode tap",)


@dataclass(frozen=True, slots=True)
class SetFileAside(Repair):
    """Give a file that is in the way another name beside it: ``PATH.set-aside``."""

    kind: ClassVar[str] = "set-file-aside"
    path: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``mv -n``."""
        path = shlex.quote(self.path)
        return (f"mv -n {path} {shlex.quote(self.path + '.set-aside')}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``mv -n`` back."""
        return (f"mv -n {shlex.quote(self.path + '.set-aside')} {shlex.quote(self.path)}",)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a definition.

    ``path`` leads from ``<domain>`` to an element: ``devices/disk[2]/driver``; what is missing of
    it is made. With an ``attribute`` that attribute is concerned, else the element's text. ``old``
    is what is there (None: nothing) and ``new`` what is to be (None: it goes; without an attribute
    that is the whole element, of which ``old`` has the attributes).
    """

    path: str
    attribute: str = ""
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        """In words, for a person: ``os/type machine: 'pc-9' -> 'pc'``."""
        where = f"{self.path} {self.attribute}".rstrip()
        if self.new is None:
            return f"{where}: removed" + (f" ({self.old})" if self.old else "")
        if self.old is None:
            return f"{where}: '{self.new}' (new)"
        return f"{where}: '{self.old}' -> '{self.new}'"


@dataclass(frozen=True, slots=True)
class EditDefinition(Repair):
    """Change the guest's definition."""

    kind: ClassVar[str] = "edit-definition"
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class DefineGuest(Repair):
    """Define the guest ``name``, or define it anew, from a document that was mended."""

    kind: ClassVar[str] = "define-guest"
    name: str


@dataclass(frozen=True, slots=True)
class SetSaveAside(Repair):
    """Give up a guest's managed save: its file is kept under another name, and the guest boots."""

    kind: ClassVar[str] = "set-save-aside"


@dataclass(frozen=True, slots=True)
class ShutDownGuest(Repair):
    """Ask another guest, which virtup runs, to shut down, and wait until it is off."""

    kind: ClassVar[str] = "shut-down-guest"
    name: str
    uuid: str = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """``virtup shutdown``."""
        return (f"virtup shutdown {shlex.quote(self.name)}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``virtup start``."""
        return (f"virtup start {shlex.quote(self.name)}",)


@dataclass(frozen=True, slots=True)
class StartPool(Repair):
    """Make a storage pool of virtup's active."""

    kind: ClassVar[str] = "start-pool"
    name: str

    @property
    def commands(self) -> tuple[str, ...]:
        """``virtup pool-start``."""
        return (f"virtup pool-start {shlex.quote(self.name)}",)

    @property
    def undo(self) -> tuple[str, ...]:
        """``virtup pool-destroy``, which leaves what is in the pool."""
        return (f"virtup pool-destroy {shlex.quote(self.name)}",)


_KINDS: Mapping[str, type[Repair]] = {
    each.kind: each
    for each in (
        GrantAccess,
        SetMode,
        MakeDirectory,
        RemountWritable,
        LoadModule,
        JoinGroup,
        ReserveHugePages,
        MountHugePages,
        MakeTap,
        SetFileAside,
        EditDefinition,
        DefineGuest,
        SetSaveAside,
        ShutDownGuest,
        StartPool,
    )
}


def from_dict(data: Mapping[str, Any]) -> Repair:
    """Return the repair that `Repair.to_dict` wrote. Raises KeyError, TypeError on other data."""
    kind = _KINDS[data["kind"]]
    known = {each.name: data[each.name] for each in fields(kind) if each.name in data}
    if kind is EditDefinition:
        known["changes"] = tuple(Change(**one) for one in known["changes"])
    return kind(**known)


def commands_of(repairs: Iterable[Repair]) -> tuple[str, ...]:
    """Return the shell lines that do *repairs* in turn."""
    return tuple(line for one in repairs for line in one.commands)


def undo_of(repairs: Iterable[Repair]) -> tuple[str, ...]:
    """Return the shell lines that take *repairs* back, the last one first."""
    return tuple(line for one in reversed(tuple(repairs)) for line in one.undo)

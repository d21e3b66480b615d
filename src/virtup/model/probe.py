"""The questions that a cause may ask of this host, and the facts that answer them.

A probe is a frozen value that names what to look at; its fact is what was seen. Both are plain
data, so that a failure recorded elsewhere is diagnosed as one that happened here. Nothing in this
module looks at the host: ``virtup.host.evidence`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar


class Fact:
    """What a probe saw."""

    __slots__ = ()


F_co = TypeVar("F_co", bound=Fact, covariant=True)


class Probe(Generic[F_co]):
    """A question of this host that is answered without side effects."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unanswered(Fact):
    """The probe gave no answer; ``reason`` says why, ``late`` that its time ran out."""

    reason: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds something; ``guest`` is the name in its ``-name``, if it is a QEMU."""

    pid: int
    command: str
    guest: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class PathFact(Fact):
    """A path as one account sees it.

    ``missing`` is the first component that does not exist; ``blocked`` the first one that keeps
    the account out, and ``lacks`` the permission that it lacks there (``search``, ``read``,
    ``write`` or ``execute``). ``owner``, ``group`` and ``mode`` (octal digits) are those of
    ``blocked``, else of the path, and ``acl`` that it has an access list. ``kind`` is ``file``, ``directory``, ``block``, ``char``,
    ``fifo`` or ``socket``. ``readonly``, ``noexec`` and ``nodev`` name the mount point that is so
    mounted. ``link`` is the symbolic link that leads to what is missing, ``unmounted`` the mount
    point of ``/etc/fstab`` on which that lies and where nothing is mounted. ``frozen`` is the
    attribute that keeps everybody from changing it, ``immutable`` or ``append-only``
    (chattr(1)). ``masked``: an entry of the access list gives what is lacked, and its mask takes
    it away. ``guarded`` says of what is blocked that it is no mode but a rule of the kernel's:
    ``private mount`` of FUSE, or ``sticky link``. Sizes are in bytes, -1 when unknown.
    """

    exists: bool = False
    allowed: bool = False
    missing: str = ""
    blocked: str = ""
    lacks: str = ""
    loop: str = ""
    not_directory: str = ""
    kind: str = ""
    owner: str = ""
    group: str = ""
    mode: str = ""
    acl: bool = False
    size: int = -1
    readonly: str = ""
    noexec: str = ""
    filesystem: str = ""
    free_bytes: int = -1
    free_inodes: int = -1
    target: str = ""
    nearby: tuple[str, ...] = ()
    error: str = ""
    nodev: str = ""
    link: str = ""
    unmounted: str = ""
    frozen: str = ""
    masked: bool = False
    guarded: str = ""


@dataclass(frozen=True, slots=True)
class PathAccess(Probe[PathFact]):
    """May *uid* with *gids* use *path*?

    *need* is ``read``, ``write`` (read and write), ``execute`` or ``create`` (make an entry of
    that name in its directory). A relative path is looked up from *base*.
    """

    path: str
    need: str = "read"
    uid: int | None = None
    gids: tuple[int, ...] = ()
    base: str = "/"


@dataclass(frozen=True, slots=True)
class LockFact(Fact):
    """Who holds locks on a file, and the first and last byte of each range that is locked.

    Of a lock whose holder the kernel does not show there is only the range.
    """

    holders: tuple[Holder, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class LockHolder(Probe[LockFact]):
    """Which processes lock the file at *path*?"""

    path: str


@dataclass(frozen=True, slots=True)
class PortFact(Fact):
    """Who listens on a TCP or UDP port; ``addresses`` are all that are bound, ``address`` the first."""

    listening: bool = False
    address: str = ""
    holders: tuple[Holder, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortHolder(Probe[PortFact]):
    """Which processes listen on *port*?  *protocol* is ``tcp`` or ``udp``."""

    port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class KvmFact(Fact):
    """The state of KVM on this host for one account.

    ``module`` is ``kvm_intel``, ``kvm_amd``, ``kvm`` or ``""``; ``cpu_flag`` is ``vmx``, ``svm``
    or ``""``; ``guest_of`` names the hypervisor that this host is a guest of, ``""`` on bare
    metal; ``busy`` that another hypervisor holds the processor's virtualization.
    """

    node: bool = False
    allowed: bool = False
    owner: str = ""
    group: str = ""
    mode: str = ""
    module: str = ""
    cpu_flag: str = ""
    architecture: str = ""
    guest_of: str = ""
    nested: str = ""
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Kvm(Probe[KvmFact]):
    """Can *uid* with *gids* use KVM here?"""

    uid: int | None = None
    gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HugePages:
    """One huge page size of the host; sizes in KiB, ``mounts`` where hugetlbfs has that size."""

    size_kib: int
    total: int
    free: int
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryFact(Fact):
    """Memory of the host in KiB; ``limit_kib`` is the cgroup's, -1 for none.

    ``address_limit_kib`` and ``lock_limit_kib`` are what QEMU may map and lock, -1 for all.
    """

    total_kib: int = 0
    available_kib: int = 0
    swap_free_kib: int = 0
    swap_total_kib: int = 0
    overcommit: int = 0
    commit_free_kib: int = -1
    limit_kib: int = -1
    address_limit_kib: int = -1
    lock_limit_kib: int = -1
    huge: tuple[HugePages, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory(Probe[MemoryFact]):
    """How much memory does the host have?"""


@dataclass(frozen=True, slots=True)
class NamesFact(Fact):
    """Names that a QEMU binary knows, in its own order."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked(Probe[NamesFact]):
    """What does *emulator* list?  It is run as *uid*."""

    emulator: str
    uid: int | None = None
    gids: tuple[int, ...] = ()


class Machines(Asked):
    """Which machine types does the emulator know, aliases included?"""

    __slots__ = ()


class CpuModels(Asked):
    """Which CPU models does the emulator know?"""

    __slots__ = ()


class Devices(Asked):
    """Which devices does the emulator know?"""

    __slots__ = ()


class Options(Asked):
    """Which command line options does the emulator know, without their dash?"""

    __slots__ = ()


class SpiceSettings(Asked):
    """Which settings of ``-spice`` does the emulator know?  None: it was built without SPICE."""

    __slots__ = ()


class Objects(Asked):
    """Which types of ``-object`` does the emulator know?"""

    __slots__ = ()


class NetDrivers(Asked):
    """Which types of ``-netdev`` does the emulator know?"""

    __slots__ = ()


class AudioDrivers(Asked):
    """Which types of ``-audiodev`` does the emulator know?"""

    __slots__ = ()


class Displays(Asked):
    """Which types of ``-display`` does the emulator know?"""

    __slots__ = ()


class BlockDrivers(Asked):
    """Which block drivers does the emulator know?"""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ImageLink:
    """One member of a backing chain; ``declared`` is the format its overlay records for it.

    ``size`` is in bytes, -1 when unknown.
    """

    path: str
    exists: bool
    format: str = ""
    declared: str = ""
    size: int = -1


@dataclass(frozen=True, slots=True)
class ImageFact(Fact):
    """A disk image by its own header.

    ``format`` is ``raw`` when no known header is there. ``zeroed``: the header's place holds
    nothing but zeros. ``chain`` holds its backing files, nearest first, up to the first that is
    missing. ``truncated``: the file ends before its own header or tables do. Sizes in bytes.
    ``snapshots`` are the names of its internal snapshots. ``loop`` is the image at which its chain
    comes back to itself, ``data_file`` the file that a qcow2 image keeps its data in.
    ``unsupported`` names what no QEMU knows of it, ``broken`` what no image can have in its
    header. ``packed`` is what a file without any image's header is by its first bytes:
    ``a gzip archive``, ``a web page``.
    """

    format: str = ""
    size: int = -1
    virtual_size: int = -1
    zeroed: bool = False
    corrupt: bool = False
    truncated: bool = False
    chain: tuple[ImageLink, ...] = ()
    snapshots: tuple[str, ...] = ()
    loop: str = ""
    data_file: ImageLink | None = None
    encrypted: bool = False
    unsupported: str = ""
    broken: str = ""
    packed: str = ""


@dataclass(frozen=True, slots=True)
class ImageInfo(Probe[ImageFact]):
    """What is the disk image at *path*?"""

    path: str


@dataclass(frozen=True, slots=True)
class LinkFact(Fact):
    """A network interface of the host; ``kind`` is ``bridge``, ``tun``, ``bond``, ``other``...

    ``ours``: the daemon may open it as a tap, or make it where it is missing. Of one whose kind
    is ``tun``: ``packets``, it carries IP packets and no frames, so it is no tap; ``queues``, it
    was made for several queues and opens for nobody who wants one.
    """

    exists: bool = False
    kind: str = ""
    master: str = ""
    owner: str = ""
    holders: tuple[Holder, ...] = ()
    nearby: tuple[str, ...] = ()
    ours: bool = True
    packets: bool = False
    queues: bool = False


@dataclass(frozen=True, slots=True)
class Link(Probe[LinkFact]):
    """What is the network interface *name*?"""

    name: str


@dataclass(frozen=True, slots=True)
class EmulatorFact(Fact):
    """A program file as the kernel would run it.

    ``kind`` is ``elf``, ``script``, ``empty`` or ``other``; ``machine`` and ``host_machine`` are
    architecture names as ``uname -m`` has them; ``interpreter`` is the loader or the script's
    program; ``libraries`` are the needed ones that are not found. ``others`` are QEMU system
    emulators that the host has in its usual directories.
    """

    exists: bool = False
    executable: bool = False
    kind: str = ""
    machine: str = ""
    host_machine: str = ""
    interpreter: str = ""
    interpreter_exists: bool = True
    libraries: tuple[str, ...] = ()
    noexec: str = ""
    mode: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emulator(Probe[EmulatorFact]):
    """Can *uid* with *gids* run the program at *path* here?"""

    path: str
    uid: int | None = None
    gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountFact(Fact):
    """An account of the host."""

    exists: bool = False
    uid: int = -1
    gid: int = -1
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account(Probe[AccountFact]):
    """Does the host have the account *name*?"""

    name: str


@dataclass(frozen=True, slots=True)
class KernelLogFact(Fact):
    """Lines of the kernel's log that name the process; ``readable`` that there was a log."""

    readable: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelLog(Probe[KernelLogFact]):
    """What does the kernel's log say of process *pid*?"""

    pid: int


@dataclass(frozen=True, slots=True)
class ProcessFact(Fact):
    """A process now; ``state`` is the kernel's letter, ``waiting_in`` its wait channel."""

    alive: bool = False
    state: str = ""
    command: str = ""
    waiting_in: str = ""
    children: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Process(Probe[ProcessFact]):
    """What is process *pid* doing?"""

    pid: int

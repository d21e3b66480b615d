"""Questions about the host as a whole: its programs, modules, settings, limits and security.

As in `virtup.model.probe`, a probe is a frozen value, its fact plain data, and nothing here looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model.probe import Fact, Holder, Probe


@dataclass(frozen=True, slots=True)
class SettingFact(Fact):
    """A small text file of the kernel's or of a daemon's; ``value`` without the last newline."""

    exists: bool = False
    value: str = ""


@dataclass(frozen=True, slots=True)
class Setting(Probe[SettingFact]):
    """What does the file at *path* (below /proc, /sys or /etc) say?"""

    path: str


@dataclass(frozen=True, slots=True)
class ProgramFact(Fact):
    """Where a program is, ``""`` when the host has none of the name; ``setuid``: it runs as root."""

    path: str = ""
    executable: bool = False
    setuid: bool = False


@dataclass(frozen=True, slots=True)
class Program(Probe[ProgramFact]):
    """Where is the program *name*?  *places* are directories to look in besides the usual ones."""

    name: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemFact(Fact):
    """The host's operating system.

    ``packager`` is ``apt``, ``dnf``, ``zypper``, ``pacman``, ``apk`` or ``""``; ``lsm`` the
    security modules that are on; ``selinux`` is ``enforcing``, ``permissive`` or ``""``.
    """

    name: str = ""
    packager: str = ""
    kernel: str = ""
    architecture: str = ""
    lsm: tuple[str, ...] = ()
    selinux: str = ""


@dataclass(frozen=True, slots=True)
class System(Probe[SystemFact]):
    """Which operating system, kernel and security modules does the host run?"""


@dataclass(frozen=True, slots=True)
class ModuleFact(Fact):
    """A module of the kernel; ``references`` is how often it is in use, -1 when built in.

    ``available`` says that the running kernel's modules hold it, loaded or not.
    """

    loaded: bool = False
    available: bool = False
    references: int = 0
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Module(Probe[ModuleFact]):
    """Is the kernel's module *name* loaded?"""

    name: str


@dataclass(frozen=True, slots=True)
class CpuFact(Fact):
    """The host's processor, as the kernel tells it; ``physical_bits`` 0 when it does not."""

    vendor: str = ""
    model: str = ""
    flags: tuple[str, ...] = ()
    physical_bits: int = 0
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Cpu(Probe[CpuFact]):
    """What is the host's processor?"""


@dataclass(frozen=True, slots=True)
class KvmOfferFact(Fact):
    """Does this host's KVM offer an extension?  The number it answers, 0 for no."""

    offers: int = 0


@dataclass(frozen=True, slots=True)
class KvmOffer(Probe[KvmOfferFact]):
    """What does KVM answer for the *extension* (``KVM_CAP_``, by linux/kvm.h's number)?"""

    extension: int


@dataclass(frozen=True, slots=True)
class LimitsFact(Fact):
    """Limits of the process that starts guests; bytes, -1 for no limit.

    ``privileged``: it may raise them (CAP_SYS_RESOURCE).
    """

    locked_bytes: int = -1
    privileged: bool = False


@dataclass(frozen=True, slots=True)
class Limits(Probe[LimitsFact]):
    """Which limits hold for the guests that are started from here?"""


@dataclass(frozen=True, slots=True)
class DenialsFact(Fact):
    """Refusals that a security module logged, newest last; ``readable``: there was a log to read."""

    readable: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denials(Probe[DenialsFact]):
    """Which refusals of the last *within_s* seconds name one of *words*?

    Reads the kernel's log and the audit daemon's: AppArmor's DENIED, SELinux's avc, seccomp.
    """

    words: tuple[str, ...]
    within_s: int = 900


@dataclass(frozen=True, slots=True)
class KernelSaysFact(Fact):
    """Lines of the kernel's log that hold one of the words, newest last."""

    readable: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelSays(Probe[KernelSaysFact]):
    """Which lines of the kernel's log hold one of *words*?  Regard is not paid to case."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogTailFact(Fact):
    """The last lines of a log file, oldest first."""

    exists: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogTail(Probe[LogTailFact]):
    """What are the last lines of the log at *path*?"""

    path: str


@dataclass(frozen=True, slots=True)
class ListenerFact(Fact):
    """A UNIX socket; ``listening``: a process listens on it; ``holders``: those that have it open."""

    exists: bool = False
    listening: bool = False
    owner: str = ""
    group: str = ""
    mode: str = ""
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener(Probe[ListenerFact]):
    """Does somebody listen on the UNIX socket at *path*?"""

    path: str


@dataclass(frozen=True, slots=True)
class CgroupFact(Fact):
    """Control groups; ``version`` 1, 2 or 0 for none; ``swap``: swap is accounted for."""

    version: int = 0
    controllers: tuple[str, ...] = ()
    swap: bool = False


@dataclass(frozen=True, slots=True)
class Cgroups(Probe[CgroupFact]):
    """Which control groups does the host have?"""


@dataclass(frozen=True, slots=True)
class LabelFact(Fact):
    """Security attributes of a file.

    ``label`` is its SELinux label; ``remembered`` the security models for which libvirt keeps
    the owner it took the file from, with how many guests use it: ``("dac", 1)``.
    """

    exists: bool = False
    label: str = ""
    owner: str = ""
    remembered: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Label(Probe[LabelFact]):
    """How is the file at *path* labelled?"""

    path: str


@dataclass(frozen=True, slots=True)
class OpenFilesFact(Fact):
    """Which processes have a file open."""

    exists: bool = False
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenFiles(Probe[OpenFilesFact]):
    """Which processes have the file or device node at *path* open?"""

    path: str


@dataclass(frozen=True, slots=True)
class IoUringFact(Fact):
    """Does the kernel take io_uring?  ``disabled`` is /proc/sys/kernel/io_uring_disabled."""

    offered: bool = False
    disabled: str = ""


@dataclass(frozen=True, slots=True)
class IoUring(Probe[IoUringFact]):
    """Does this kernel offer io_uring?"""


@dataclass(frozen=True, slots=True)
class OpenFact(Fact):
    """What opening a file answered; ``error`` is the errno's name, ``""`` when it opened."""

    error: str = ""
    filesystem: str = ""
    mount: str = ""
    by_root: bool = False


@dataclass(frozen=True, slots=True)
class Open(Probe[OpenFact]):
    """Does the regular file at *path* open to be read, past the page cache if *direct*?

    It is opened as *uid* with *gids*, by ourselves when that is None.
    """

    path: str
    direct: bool = False
    uid: int | None = None
    gids: tuple[int, ...] = ()

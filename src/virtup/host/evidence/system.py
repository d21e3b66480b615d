"""The host as a whole: operating system, programs, modules, processor, limits, control groups."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import resource
import stat
import subprocess

from virtup.host.evidence import holders, hostfs, paths
from virtup.model.probe import PathAccess
from virtup.model.probe_system import (
    CgroupFact,
    Cgroups,
    Cpu,
    CpuFact,
    IoUring,
    IoUringFact,
    KvmOffer,
    KvmOfferFact,
    Limits,
    LimitsFact,
    Listener,
    ListenerFact,
    LogTail,
    LogTailFact,
    Module,
    ModuleFact,
    Open,
    OpenFact,
    Program,
    ProgramFact,
    Setting,
    SettingFact,
    System,
    SystemFact,
)

PLACES = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/libexec",
    "/usr/lib/qemu",
    "/usr/lib/libvirt",
    "/usr/libexec/qemu",
)
SETTING_MAX = 4096
TAIL_BYTES = 16 * 1024
TAIL_LINES = 6
OPEN_TIMEOUT_S = 1.5
NOBODY = 65534
_PACKAGERS = (
    ("apt", ("debian", "ubuntu")),
    ("dnf", ("fedora", "rhel", "centos")),
    ("zypper", ("suse", "opensuse", "sles")),
    ("pacman", ("arch",)),
    ("apk", ("alpine",)),
)
_KVM_CHECK_EXTENSION = 0xAE03
_IO_URING_SETUP = 425
"""The call's number, the same on every architecture but alpha (Linux 5.1)."""
_CAP_SYS_RESOURCE = 24
_LISTENS = "00010000"
"""``__SO_ACCEPTCON`` in the flags of /proc/net/unix."""


def setting(probe: Setting) -> SettingFact:
    """Return what the file says."""
    if not probe.path.startswith(("/proc/", "/sys/", "/etc/", "/run/")):
        raise ValueError(f"'{probe.path}' is no setting")
    if not hostfs.exists(probe.path):
        return SettingFact()
    return SettingFact(True, hostfs.read(probe.path, SETTING_MAX).strip())


def program(probe: Program) -> ProgramFact:
    """Return the first file of the name in the usual places that can be run, else the first."""
    names = [probe.name] if "/" in probe.name else []
    names += [f"{place}/{probe.name}" for place in (*probe.places, *PLACES) if not names]
    there = [ProgramFact(name, *_runs(name)) for name in names if os.path.isfile(hostfs.at(name))]
    return next((one for one in there if one.executable), there[0] if there else ProgramFact())


def _runs(path: str) -> tuple[bool, bool]:
    info = os.stat(hostfs.at(path))
    root = info.st_uid == 0 and bool(info.st_mode & stat.S_ISUID)
    return bool(info.st_mode & 0o111), root or _has_capabilities(path)


def _has_capabilities(path: str) -> bool:
    try:
        return bool(os.getxattr(hostfs.at(path), "security.capability"))
    except OSError:
        return False


def system(_: System) -> SystemFact:
    """Return the operating system of os-release(5), and what guards it."""
    release = dict(
        re.findall(r'^(\w+)="?([^"\n]*)"?$', hostfs.read("/etc/os-release"), re.MULTILINE)
    )
    kinds = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".lower().split()
    packager = next(
        (name for name, ids in _PACKAGERS if any(kind.startswith(ids) for kind in kinds)), ""
    )
    enforce = hostfs.value("/sys/fs/selinux/enforce")
    return SystemFact(
        name=release.get("PRETTY_NAME", ""),
        packager=packager,
        kernel=os.uname().release,
        architecture=os.uname().machine,
        lsm=_security_modules(),
        selinux={"1": "enforcing", "0": "permissive"}.get(enforce, ""),
    )


def _opened_as(probe: Open) -> str:
    """Return the errno's name with which dd(1) fails to open the file as another account."""
    argv = ["/bin/dd", f"if={probe.path}", "count=0", "status=none", "iflag=nonblock"]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"LC_ALL": "C"},
        cwd="/",
        timeout=OPEN_TIMEOUT_S,
        check=False,
        user=probe.uid,
        group=probe.gids[0] if probe.gids else NOBODY,
        extra_groups=list(probe.gids),
    )
    said = done.stderr.decode("utf-8", "replace").strip().rpartition(": ")[2]
    if done.returncode == 0:
        return ""
    named = (name for number, name in errno.errorcode.items() if os.strerror(number) == said)
    return next(named, "EIO")


def _security_modules() -> tuple[str, ...]:
    """Return the modules of lsm(7); without securityfs, those that show themselves otherwise."""
    named = hostfs.value("/sys/kernel/security/lsm")
    if named:
        return tuple(named.split(","))
    found = []
    if hostfs.exists("/sys/fs/selinux/enforce"):
        found.append("selinux")
    if hostfs.value("/sys/module/apparmor/parameters/enabled") == "Y":
        found.append("apparmor")
    return tuple(found)


def module(probe: Module) -> ModuleFact:
    """Return the module's state by /sys/module and /proc/modules."""
    name = probe.name.replace("-", "_")
    folder = f"/sys/module/{name}"
    known = _known_modules()
    if not hostfs.exists(folder):
        return ModuleFact(available=name in known)
    counted = hostfs.value(f"{folder}/refcnt")
    return ModuleFact(
        loaded=True,
        available=True,
        references=int(counted) if counted.isdigit() else -1,
        users=tuple(hostfs.listed(f"{folder}/holders")),
    )


def _known_modules() -> frozenset[str]:
    folder = f"/lib/modules/{os.uname().release}"
    words = hostfs.read(f"{folder}/modules.dep", 1 << 23) + hostfs.read(f"{folder}/modules.builtin")
    names = re.findall(r"^\S*?([^/\s]+)\.ko", words, re.MULTILINE)
    return frozenset(name.replace("-", "_") for name in names)


def cpu(_: Cpu) -> CpuFact:
    """Return the first processor of /proc/cpuinfo."""
    text = hostfs.read("/proc/cpuinfo").partition("\n\n")[0]
    words = dict(re.findall(r"^([^:\t\n]+?)\s*:\s*(.*)$", text, re.MULTILINE))
    bits = re.match(r"\d+", words.get("address sizes", ""))
    return CpuFact(
        vendor=words.get("vendor_id", ""),
        model=words.get("model name", ""),
        flags=tuple((words.get("flags") or words.get("Features") or "").split()),
        physical_bits=int(bits[0]) if bits else 0,
        architecture=os.uname().machine,
    )


def kvm_offer(probe: KvmOffer) -> KvmOfferFact:
    """Return KVM's answer; asking changes nothing. Raises OSError when KVM cannot be opened."""
    number = os.open(hostfs.at("/dev/kvm"), os.O_RDWR | os.O_CLOEXEC)
    try:
        return KvmOfferFact(fcntl.ioctl(number, _KVM_CHECK_EXTENSION, probe.extension))
    finally:
        os.close(number)


def limits(_: Limits) -> LimitsFact:
    """Return our own limits, which those that we start inherit."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    found = re.search(r"^CapEff:\s*([\da-f]+)$", hostfs.read("/proc/self/status"), re.MULTILINE)
    return LimitsFact(
        locked_bytes=-1 if limit == resource.RLIM_INFINITY else limit,
        privileged=bool(found and int(found[1], 16) >> _CAP_SYS_RESOURCE & 1),
    )


def log_tail(probe: LogTail) -> LogTailFact:
    """Return the last lines of the file."""
    path = hostfs.at(probe.path)
    if not os.path.isfile(path):
        return LogTailFact()
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        lines = file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
    return LogTailFact(True, tuple(line for line in lines if line.strip())[-TAIL_LINES:])


def listener(probe: Listener) -> ListenerFact:
    """Return whether /proc/net/unix has a listener at the path; nobody is connected to."""
    path = hostfs.at(probe.path)
    if not os.path.exists(path):
        return ListenerFact()
    names = {probe.path, os.path.realpath(path)}
    inodes: list[str] = []
    for line in hostfs.read("/proc/net/unix", 1 << 23).splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[3] == _LISTENS and fields[7] in names:
            inodes.append(fields[6])
    seen = paths.path_access(PathAccess(path))
    by = holders.of_sockets(inodes) if inodes else ()
    return ListenerFact(True, bool(inodes), seen.owner, seen.group, seen.mode, by)


def cgroups(_: Cgroups) -> CgroupFact:
    """Return which version is mounted, its controllers, and whether swap is accounted for."""
    root = "/sys/fs/cgroup"
    if hostfs.exists(f"{root}/cgroup.controllers"):
        children = [f"{root}/{name}" for name in hostfs.listed(root)]
        return CgroupFact(
            version=2,
            controllers=tuple(hostfs.value(f"{root}/cgroup.controllers").split()),
            swap=any(hostfs.exists(f"{child}/memory.swap.max") for child in children),
        )
    names = tuple(
        fields[0]
        for fields in (line.split() for line in hostfs.read("/proc/cgroups").splitlines()[1:])
        if len(fields) == 4 and fields[3] == "1" and hostfs.exists(f"{root}/{fields[0]}")
    )
    swap = hostfs.exists(f"{root}/memory/memory.memsw.limit_in_bytes")
    return CgroupFact(version=1 if names else 0, controllers=names, swap=swap)


def io_uring(_: IoUring) -> IoUringFact:
    """Return whether the kernel takes the call: one without room for parameters makes no ring."""
    disabled = hostfs.value("/proc/sys/kernel/io_uring_disabled")
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(_IO_URING_SETUP), ctypes.c_uint(1), None)
    refused = ctypes.get_errno() in {errno.ENOSYS, errno.EPERM}
    return IoUringFact(offered=not refused and disabled != "2", disabled=disabled)


def opened(probe: Open) -> OpenFact:
    """Return what the kernel answers when the file is opened; only regular ones are."""
    point, kind = paths.mount_of(os.path.realpath(probe.path))
    by_root = os.geteuid() == 0
    if probe.uid is not None and probe.uid != os.geteuid():
        return OpenFact(_opened_as(probe), kind, point)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_DIRECT if probe.direct else 0)
    try:
        if not stat.S_ISREG(os.stat(probe.path).st_mode):
            raise ValueError(f"'{probe.path}' is not a regular file")
        os.close(os.open(probe.path, flags))
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return OpenFact(name, kind, point, by_root)
    return OpenFact("", kind, point, by_root)

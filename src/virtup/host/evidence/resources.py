"""What the host has to give: KVM, memory, accounts."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import re
import resource
import stat

from virtup.host.evidence import paths
from virtup.model.probe import (
    Account,
    AccountFact,
    HugePages,
    Kvm,
    KvmFact,
    Memory,
    MemoryFact,
    PathAccess,
)

KVM_NODE = "/dev/kvm"
KVM_CREATE_VM = 0xAE01
_UNLIMITED = 1 << 60


def kvm(probe: Kvm) -> KvmFact:
    """Return the state of KVM; making and dropping an empty machine shows whether it is busy."""
    seen = paths.path_access(PathAccess(KVM_NODE, "write", probe.uid, probe.gids))
    flags = _cpu_flags()
    return KvmFact(
        node=seen.exists,
        allowed=seen.allowed,
        owner=seen.owner,
        group=seen.group,
        mode=seen.mode,
        module=kvm_module(),
        cpu_flag=next((flag for flag in ("vmx", "svm") if flag in flags), ""),
        architecture=os.uname().machine,
        guest_of=_hypervisor() if "hypervisor" in flags else "",
        nested=nested(),
        busy=_busy() if seen.exists else False,
    )


def memory(_: Memory) -> MemoryFact:
    """Return the host's memory and the limits that hold for us and our children."""
    numbers = {
        key: int(value)
        for key, value in re.findall(r"^(\w+):\s+(\d+)", _read("/proc/meminfo"), re.MULTILINE)
    }
    commit = numbers.get("CommitLimit", 0) - numbers.get("Committed_AS", 0)
    return MemoryFact(
        total_kib=numbers.get("MemTotal", 0),
        available_kib=numbers.get("MemAvailable", 0),
        swap_free_kib=numbers.get("SwapFree", 0),
        swap_total_kib=numbers.get("SwapTotal", 0),
        overcommit=int(_read("/proc/sys/vm/overcommit_memory") or 0),
        commit_free_kib=max(0, commit),
        limit_kib=_group_limit(),
        address_limit_kib=_kib(resource.getrlimit(resource.RLIMIT_AS)[0]),
        lock_limit_kib=_kib(resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]),
        huge=huge_pages(),
    )


def _kib(limit: int) -> int:
    return -1 if limit == resource.RLIM_INFINITY else limit >> 10


def account(probe: Account) -> AccountFact:
    """Return the account and the groups that it is a member of."""
    try:
        entry = pwd.getpwnam(probe.name)
    except KeyError:
        return AccountFact()
    numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
    groups = tuple(one.gr_name for one in grp.getgrall() if one.gr_gid in numbers)
    return AccountFact(True, entry.pw_uid, entry.pw_gid, groups)


def kvm_module() -> str:
    """Return the module of KVM that is loaded, the processor's own first; "" for none."""
    names = ("kvm_intel", "kvm_amd", "kvm")
    return next((name for name in names if os.path.isdir(f"/sys/module/{name}")), "")


def nested() -> str:
    """Return whether guests may have guests, ``on`` or ``off``; "" when nobody tells."""
    for name in ("kvm_intel", "kvm_amd"):
        value = _read(f"/sys/module/{name}/parameters/nested").strip()
        if value:
            return "on" if value in {"Y", "1"} else "off"
    return ""


def _cpu_flags() -> frozenset[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def _hypervisor() -> str:
    words = [_read(f"/sys/class/dmi/id/{name}").strip() for name in ("sys_vendor", "product_name")]
    kind = _read("/sys/hypervisor/type").strip()
    return " ".join(word for word in words if word) or kind or "hypervisor unknown"


def _busy() -> bool:
    try:
        number = os.open(KVM_NODE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return error.errno == errno.EBUSY
    try:
        if not stat.S_ISCHR(os.fstat(number).st_mode):
            return False
        made = fcntl.ioctl(number, KVM_CREATE_VM, 0)
        os.close(made)
    except OSError as error:
        return error.errno == errno.EBUSY
    finally:
        os.close(number)
    return False


def _group_limit() -> int:
    """Return the smallest memory limit of our control groups in KiB, -1 for none."""
    limits = []
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            files = [f"/sys/fs/cgroup{path}/memory.max"]
        elif "memory" in controllers.split(","):
            files = [f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"]
        else:
            continue
        limits += [int(text) for text in (_read(file).strip() for file in files) if text.isdigit()]
    real = [limit for limit in limits if limit < _UNLIMITED]
    return min(real) >> 10 if real else -1


def huge_page_kib() -> int:
    """Return the size of the pages that a mount of hugetlbfs has by itself; 0 for no huge pages."""
    found = re.search(r"^Hugepagesize:\s+(\d+)", _read("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) if found else 0


def huge_pages() -> tuple[HugePages, ...]:
    """Return every size of huge pages that the kernel has, and where hugetlbfs has them."""
    folder = "/sys/kernel/mm/hugepages"
    try:
        names = os.listdir(folder)
    except OSError:
        return ()
    default = huge_page_kib()
    found = []
    for name in sorted(names):
        size = int(re.sub(r"\D", "", name) or 0)
        points = tuple(
            point
            for point, kind, settings in paths.mounts()
            if kind == "hugetlbfs" and _page_kib(settings, default) == size
        )
        total = int(_read(f"{folder}/{name}/nr_hugepages") or 0)
        free = int(_read(f"{folder}/{name}/free_hugepages") or 0)
        found.append(HugePages(size, total, free, points))
    return tuple(found)


def _page_kib(settings: str, default: int) -> int:
    found = re.search(r"pagesize=(\d+)([KMG])", settings)
    if not found:
        return default
    return int(found[1]) << {"K": 0, "M": 10, "G": 20}[found[2]]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""

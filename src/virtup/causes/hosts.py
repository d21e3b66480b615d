"""Proofs by the host as a whole: processor, KVM, memory, limits, control groups, logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from virtup.causes import definition, usage
from virtup.causes.contradictions import COMMAND_LINE
from virtup.causes.proof import Proof, Shown, holds, refuted, shows, stands
from virtup.model.evidence import Evidence
from virtup.model.probe import Memory, PathAccess, Probe
from virtup.model.probe_system import (
    Cgroups,
    Cpu,
    IoUring,
    KernelSays,
    KvmOffer,
    Limits,
    Listener,
    LogTail,
    Setting,
    System,
)

KVM_CAP_X86_SMM = 117
_SEV_KERNEL = (6, 11)
"""The first Linux with SEV-SNP for guests by KVM."""
_KIB_PER_GIB = 1 << 20
_PLAIN_FLAGS = frozenset(
    [
        "aes",
        "avx",
        "avx2",
        "avx512f",
        "avx512bw",
        "avx512cd",
        "avx512dq",
        "avx512vl",
        "avx512_vnni",
        "avx512ifma",
        "avx512vbmi",
        "bmi1",
        "bmi2",
        "erms",
        "f16c",
        "fma",
        "fma4",
        "fsgsbase",
        "gfni",
        "hle",
        "invpcid",
        "la57",
        "movbe",
        "pclmulqdq",
        "pcid",
        "pdpe1gb",
        "pku",
        "popcnt",
        "rdrand",
        "rdseed",
        "rdtscp",
        "rtm",
        "sha_ni",
        "smap",
        "smep",
        "ssse3",
        "sse3",
        "sse4_1",
        "sse4_2",
        "sse4a",
        "svm",
        "tbm",
        "umip",
        "vaes",
        "vmx",
        "vpclmulqdq",
        "xop",
        "xsave",
        "xsavec",
        "xsaveopt",
        "xsaves",
        "clflushopt",
        "clwb",
        "adx",
        "abm",
        "3dnowprefetch",
    ]
)
"""Features that /proc/cpuinfo has under QEMU's own name, points and dashes aside."""
_RENAMED = {"sse3": "pni", "sse4_1": "sse4_1", "avx512_vnni": "avx512_vnni", "lzcnt": "abm"}


def _features(subject: str) -> list[str]:
    words = [word.strip().lower() for word in re.split(r"[,\s]+", subject)]
    return [word.replace("-", "_").replace(".", "_") for word in words if word]


def _cpu_lacks(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Cpu())
    if fact is None or not fact.flags:
        return None
    missing = [
        one
        for one in _features(subject)
        if one in _PLAIN_FLAGS and _RENAMED.get(one, one) not in fact.flags
    ]
    if not missing:
        return None
    noun = fact.model or fact.vendor or "processor"
    return holds(f"its processor ({noun}) has no {', '.join(missing[:6])}")


CPU_LACKS = Proof(_cpu_lacks, lambda _ev, _subject: (Cpu(),))
"""The processor does not have a feature that is named."""


def _other_architecture(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Cpu())
    guest = subject or definition.architecture(ev.definition)
    if fact is None or not guest:
        return None
    alike = {"i386": "x86_64", "i686": "x86_64", "armv7l": "aarch64", "arm": "aarch64"}
    return shows(
        alike.get(guest, guest) == alike.get(fact.architecture, fact.architecture),
        f"it is {fact.architecture}, the guest {guest}",
        f"it is {fact.architecture} as well",
    )


OTHER_ARCHITECTURE = Proof(_other_architecture, lambda _ev, _subject: (Cpu(),))
"""The guest's architecture is not the host's."""


def _too_wide(ev: Evidence, subject: str) -> Shown | None:
    bits = re.search(r"\d+", subject)
    found = re.search(r"maxmem=(\d+)k", usage.value(ev.argv, "m"), re.IGNORECASE)
    memory = max(usage.memory_kib(ev.argv), int(found[1]) if found else 0)
    if bits is None or memory <= 1 << max(int(bits[0]) - 10, 0):
        return None
    return stands(COMMAND_LINE, f"up to {memory} KiB of memory, which {bits[0]} bits do not reach")


TOO_WIDE = Proof(_too_wide)
"""The guest's memory is beyond the bits that the words name."""


def _no_smm(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(KvmOffer(KVM_CAP_X86_SMM))
    if fact is None:
        return None
    return shows(
        bool(fact.offers), "KVM answers that it has no KVM_CAP_X86_SMM", "KVM has KVM_CAP_X86_SMM"
    )


NO_SMM = Proof(_no_smm, lambda _ev, _subject: (KvmOffer(KVM_CAP_X86_SMM),))
"""KVM does not emulate SMM."""

_SEV_SETTINGS = "/sys/module/kvm_amd/parameters/sev"
_SEV_NODE = "/dev/sev"


def _no_sev(ev: Evidence, _subject: str) -> Shown | None:
    setting, node, cpu = (
        ev.fact(Setting(_SEV_SETTINGS)),
        ev.fact(PathAccess(_SEV_NODE)),
        ev.fact(Cpu()),
    )
    if cpu is not None and cpu.flags and "sev" not in cpu.flags:
        return holds(f"its processor ({cpu.model or cpu.vendor}) shows no 'sev'")
    if setting is not None and not setting.exists:
        return holds("the kernel module kvm_amd is not loaded, or knows no SEV")
    if setting is not None and setting.value in {"N", "0"}:
        return holds(f"{_SEV_SETTINGS} says '{setting.value}'")
    if node is not None and node.missing:
        return holds(f"there is no {_SEV_NODE}")
    return None


NO_SEV = Proof(
    _no_sev, lambda _ev, _subject: (Setting(_SEV_SETTINGS), PathAccess(_SEV_NODE), Cpu())
)
"""SEV is not there, or off."""


def _old_kernel(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(System())
    numbers = re.match(r"(\d+)\.(\d+)", fact.kernel) if fact else None
    if numbers is None or fact is None:
        return None
    if (int(numbers[1]), int(numbers[2])) >= _SEV_KERNEL:
        return None
    return holds(f"its kernel is {fact.kernel}; SEV-SNP guests came with Linux 6.11")


OLD_SEV_KERNEL = Proof(_old_kernel, lambda _ev, _subject: (System(),))
"""The kernel is older than SEV-SNP."""


def _kernel_said(*words: str, needs: str) -> Proof:
    """Return the proof that the kernel's log has a line with one of *words* that *needs* fits."""
    pattern = re.compile(needs, re.IGNORECASE)

    def judges(ev: Evidence, _subject: str) -> Shown | None:
        fact = ev.fact(KernelSays(words))
        lines = [line for line in fact.lines if pattern.search(line)] if fact else []
        return holds(f"the kernel's log has: {lines[-1][:160]}") if lines else None

    return Proof(judges, lambda _ev, _subject: (KernelSays(words),))


SEV_FAILED = _kernel_said("SEV:", needs=r"fail|error|not")
MDEV_REFUSED = _kernel_said("nvidia-vgpu", "vgpu-vfio", "gvt:", needs=r"fail|error|refus|denied")
MSR_REFUSED = _kernel_said("unhandled rdmsr", "unhandled wrmsr", needs=r"unhandled (?:rd|wr)msr")


def _memlock(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(Limits())
    if fact is None:
        return None
    memory = usage.memory_kib(ev.argv)
    wanted = memory + _KIB_PER_GIB
    if fact.locked_bytes < 0 or (memory and fact.locked_bytes >> 10 >= wanted):
        return refuted("the limit of locked memory is high enough")
    if fact.privileged or not memory:
        return None
    limit = fact.locked_bytes >> 10
    return holds(f"{limit} KiB may be locked, and the guest has {memory} KiB")


MEMLOCK = Proof(_memlock, lambda _ev, _subject: (Limits(),))
"""Less memory may be locked than the guest has."""


def _no_hugetlbfs(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Memory())
    if fact is None:
        return None
    size = re.match(r"(\d+) ?([KMG]?)", subject)
    wanted = int(size[1]) << {"": 0, "K": 0, "M": 10, "G": 20}[size[2]] if size else 0
    pages = [one for one in fact.huge if wanted in {0, one.size_kib}]
    if not pages:
        there = ", ".join(f"{one.size_kib} KiB" for one in fact.huge)
        others = f", but of {there}" if there else ""
        none = f"it has no huge pages of {subject}{others}" if wanted else "it has no huge pages"
        return holds(none)
    mounted = [point for one in pages for point in one.mounts]
    if mounted:
        return refuted(f"hugetlbfs is mounted at {', '.join(mounted)}")
    sizes = ", ".join(f"{one.size_kib} KiB" for one in pages)
    return holds(f"no hugetlbfs is mounted for pages of {sizes}")


NO_HUGETLBFS = Proof(_no_hugetlbfs, lambda _ev, _subject: (Memory(),))
"""No hugetlbfs is mounted for the size of page."""


def _no_controller(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Cgroups())
    if fact is None:
        return None
    if fact.version == 0:
        return holds("no control groups are mounted")
    wanted = re.findall(r"\b(cpuset|cpu|cpuacct|memory|devices|blkio|io|pids|freezer)\b", subject)
    same = {"blkio": "io", "cpuacct": "cpu"} if fact.version == 2 else {}
    built_in = {"devices", "freezer"} if fact.version == 2 else set()
    missing = [
        one for one in wanted if one not in built_in and same.get(one, one) not in fact.controllers
    ]
    if not missing:
        return None
    there = ", ".join(fact.controllers)
    return holds(f"control groups v{fact.version} without '{missing[0]}' (there are: {there})")


NO_CONTROLLER = Proof(_no_controller, lambda _ev, _subject: (Cgroups(),))
"""A controller of control groups is not there."""


def _no_swap_accounting(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(Cgroups())
    if fact is None or not fact.version:
        return None
    files = "memory.swap.max" if fact.version == 2 else "memory.memsw.limit_in_bytes"
    return shows(fact.swap, f"no control group has {files}", f"control groups have {files}")


NO_SWAP_ACCOUNTING = Proof(_no_swap_accounting, lambda _ev, _subject: (Cgroups(),))
"""The kernel does not account for swap."""


def nobody_listens(path: str = "") -> Proof:
    """Return the proof that nobody listens on the subject, or on *path*."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        wanted = subject if subject.startswith("/") else path
        fact = ev.fact(Listener(wanted)) if wanted else None
        if fact is None:
            return None
        if fact.listening:
            return refuted(f"somebody listens on '{wanted}' now")
        return holds(
            f"'{wanted}' is there, and nobody listens" if fact.exists else f"no '{wanted}'"
        )

    def asks(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        wanted = subject if subject.startswith("/") else path
        return (Listener(wanted),) if wanted else ()

    return Proof(judges, asks)


def _no_io_uring(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(IoUring())
    if fact is None or fact.offered:
        return None
    if fact.disabled == "2":
        return holds("/proc/sys/kernel/io_uring_disabled says '2'")
    return holds("its kernel refuses io_uring_setup")


NO_IO_URING = Proof(_no_io_uring, lambda _ev, _subject: (IoUring(),))
"""The kernel has no io_uring, or it is switched off."""


def log_says(path: str, pattern: str) -> Proof:
    """Return the proof that the log at *path* (``{guest}`` in it) ends in what *pattern* fits."""
    wanted = re.compile(pattern, re.IGNORECASE)

    def judges(ev: Evidence, _subject: str) -> Shown | None:
        fact = ev.fact(LogTail(path.replace("{guest}", ev.guest))) if ev.guest else None
        lines = [line for line in fact.lines if wanted.search(line)] if fact else []
        return holds(f"its log ends: {lines[-1].strip()[:160]}") if lines else None

    def asks(ev: Evidence, _subject: str) -> Iterable[Probe[Any]]:
        return (LogTail(path.replace("{guest}", ev.guest)),) if ev.guest else ()

    return Proof(judges, asks)


def _no_filter(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(Setting("/proc/sys/kernel/seccomp/actions_avail"))
    if fact is None:
        return None
    return None if fact.exists else holds("there is no /proc/sys/kernel/seccomp: no filters")


NO_SECCOMP = Proof(
    _no_filter, lambda _ev, _subject: (Setting("/proc/sys/kernel/seccomp/actions_avail"),)
)
"""The kernel has no seccomp filters."""


def _no_window(ev: Evidence, _subject: str) -> Shown | None:
    shown = next(
        (one.get("display", "") for one in definition.devices(ev.definition, "graphics")), ""
    )
    number = re.match(r":(\d+)", shown)
    path = f"/tmp/.X11-unix/X{number[1]}" if number else ""  # noqa: S108 (X's own place)
    fact = ev.fact(Listener(path)) if path else None
    if fact is None:
        return None
    return (
        refuted(f"an X server listens for {shown}")
        if fact.listening
        else holds(f"no X server listens for the display {shown}")
    )


def _ask_window(ev: Evidence, _subject: str) -> Iterable[Probe[Any]]:
    for one in definition.devices(ev.definition, "graphics"):
        number = re.match(r":(\d+)", one.get("display", ""))
        if number:
            yield Listener(f"/tmp/.X11-unix/X{number[1]}")  # noqa: S108 (X's own place)


NO_WINDOW = Proof(_no_window, _ask_window)
"""No X server listens for the display that the definition names."""

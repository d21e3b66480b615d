"""What an emulator's file is, and what it says that it knows.

A binary is asked by running it with a ``help`` option as QEMU's own account, never as root, and
is ended when it does not answer in time.
"""

from __future__ import annotations

import glob
import os
import re
import struct
import subprocess
from collections.abc import Mapping

from virtup.host.emulators import identify
from virtup.host.evidence import paths
from virtup.model.probe import (
    Asked,
    AudioDrivers,
    BlockDrivers,
    CpuModels,
    Devices,
    Displays,
    Emulator,
    EmulatorFact,
    Machines,
    NamesFact,
    NetDrivers,
    Objects,
    Options,
    PathAccess,
    SpiceSettings,
)
from virtup.model.probe_files import Run, RunFact

HELP_TIMEOUT_S = 1.5
OUTPUT_MAX = 1 << 20
PLAIN: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": "/"}
TRACE = {**PLAIN, "LD_TRACE_LOADED_OBJECTS": "1"}
"""With this the loader lists what it would load and runs nothing (ld.so(8))."""
_USUAL = (
    "/usr/bin/qemu-system-*",
    "/usr/local/bin/qemu-system-*",
    "/usr/libexec/qemu-kvm",
    "/usr/bin/qemu-kvm",
    "/usr/bin/kvm",
)
_MACHINES = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_RUNS_ON = {"x86_64": {"x86_64", "i686"}, "aarch64": {"aarch64", "armv7l"}}


def machines(probe: Machines) -> NamesFact:
    """Return the machine types of ``-machine help``."""
    return _names(probe, ("-machine", "help"), r"^(\S+) +\S")


def cpu_models(probe: CpuModels) -> NamesFact:
    """Return the CPU models of ``-cpu help``."""
    seen = _help(probe, ("-cpu", "help"))
    models = seen.partition("Recognized CPUID flags")[0].splitlines()[1:]
    names = []
    for line in models:
        words = line.removeprefix("x86 ").split()
        if words and re.fullmatch(r"[\w.-]+", words[0]):
            names.append(words[0])
    return NamesFact(tuple(names))


def devices(probe: Devices) -> NamesFact:
    """Return the devices of ``-device help``, aliases included."""
    seen = _help(probe, ("-device", "help"))
    names = re.findall(r'^name "([^"]+)"', seen, re.MULTILINE)
    names += re.findall(r'alias "([^"]+)"', seen)
    return NamesFact(tuple(names))


def options(probe: Options) -> NamesFact:
    """Return the options of ``-help``, without their dash."""
    return _names(probe, ("-help",), r"^-([\w-]+)")


def spice_settings(probe: SpiceSettings) -> NamesFact:
    """Return the settings of ``-spice help``; none: the QEMU was built without it."""
    return _names(probe, ("-spice", "help"), r"^  ([\w-]+)=<")


def objects(probe: Objects) -> NamesFact:
    """Return the types of ``-object help``."""
    return _names(probe, ("-object", "help"), r"^  ([\w-]+)$")


def net_drivers(probe: NetDrivers) -> NamesFact:
    """Return the types of ``-netdev help``."""
    return _names(probe, ("-netdev", "help"), r"^([\w-]+)$")


def audio_drivers(probe: AudioDrivers) -> NamesFact:
    """Return the types of ``-audiodev help``; a QEMU before 7.1 has no such help."""
    return _names(probe, ("-audiodev", "help"), r"^(\w+)$")


def displays(probe: Displays) -> NamesFact:
    """Return the types of ``-display help``."""
    return _names(probe, ("-display", "help"), r"^([\w-]+)$")


def block_drivers(probe: BlockDrivers) -> NamesFact:
    """Return the drivers of ``-drive format=help``, less those whose module is not installed."""
    seen = _help(probe, ("-drive", "format=help"))
    names = re.search(r"^Supported formats: (.*)$", seen, re.MULTILINE)
    known = names[1].split() if names else []
    return NamesFact(tuple(name for name in dict.fromkeys(known) if not _is_absent_module(name)))


def run(probe: Run) -> RunFact:
    """Return how the program answers ``--version``; its loader's words are among its own."""
    done = _started([probe.emulator, "--version"], probe.uid, probe.gids, errors=True)
    words = done.stdout[-2000:].decode("utf-8", "replace").strip()
    return RunFact(True, done.returncode, words)


_MODULES = ("/usr/lib/*/qemu", "/usr/lib/qemu", "/usr/lib64/qemu", "/usr/lib64/qemu-kvm")
_MODULAR = {
    "rbd": "rbd",
    "iscsi": "iscsi",
    "iser": "iscsi",
    "nfs": "nfs",
    "ssh": "ssh",
    "gluster": "gluster",
    "http": "curl",
    "https": "curl",
    "ftp": "curl",
    "ftps": "curl",
}
"""Drivers that a QEMU with modules has as such, and the module's name; it lists them always."""


def _is_absent_module(driver: str) -> bool:
    """Is the driver's module missing where QEMU's other modules lie?"""
    module = _MODULAR.get(driver)
    if module is None:
        return False
    places = [place for pattern in _MODULES for place in glob.glob(pattern)]
    modular = any(glob.glob(f"{place}/*.so") for place in places)
    return modular and not any(os.path.exists(f"{place}/block-{module}.so") for place in places)


def emulator(probe: Emulator) -> EmulatorFact:
    """Return what the kernel would make of the file, and what its loader misses."""
    others = tuple(sorted({path for pattern in _USUAL for path in glob.glob(pattern)}))
    seen = paths.path_access(PathAccess(probe.path, "execute", probe.uid, probe.gids))
    host = os.uname().machine
    if not os.path.exists(probe.path):
        return EmulatorFact(host_machine=host, others=others)
    with open(probe.path, "rb") as file:
        head = file.read(4096)
    kind, machine, interpreter = _kind(head, probe.path)
    exists = not interpreter or os.path.exists(interpreter)
    may_run = seen.allowed or seen.lacks != "execute"
    runs = machine in _RUNS_ON.get(host, {host})
    listed = kind == "elf" and runs and exists and seen.allowed and interpreter
    return EmulatorFact(
        exists=True,
        executable=may_run and bool(os.stat(probe.path).st_mode & 0o111),
        kind=kind,
        machine=machine,
        host_machine=host,
        interpreter=interpreter,
        interpreter_exists=exists,
        libraries=_missing_libraries(probe, interpreter) if listed else (),
        noexec=seen.noexec,
        mode=seen.mode,
        others=others,
    )


def _names(probe: Asked, words: tuple[str, ...], pattern: str) -> NamesFact:
    found = re.findall(pattern, _help(probe, words), re.MULTILINE)
    return NamesFact(tuple(dict.fromkeys(name for name in found if name != "Supported")))


_said: dict[object, str] = {}
"""What emulators answered, by their file and modules, the question and who asked: that stays so."""
SAID_MAX = 32


def _help(probe: Asked, words: tuple[str, ...]) -> str:
    key = (identify(probe.emulator), words, probe.uid, probe.gids)
    known = _said.get(key)
    if known is None:
        known = _run([probe.emulator, *words], probe.uid, probe.gids)
        while len(_said) >= SAID_MAX:
            _said.pop(next(iter(_said)), None)
        if known:
            _said[key] = known
    return known


def _run(
    argv: list[str], uid: int | None, gids: tuple[int, ...], env: Mapping[str, str] = PLAIN
) -> str:
    """Return what *argv* prints, run as *uid*. Raises OSError when it cannot or is too slow."""
    return _started(argv, uid, gids, env=env).stdout[:OUTPUT_MAX].decode("utf-8", "replace")


def _started(
    argv: list[str],
    uid: int | None,
    gids: tuple[int, ...],
    *,
    env: Mapping[str, str] = PLAIN,
    errors: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run *argv* as *uid* to its end; *errors*: what it says on standard error is kept as well."""
    if os.getuid() == 0 and not uid:
        raise PermissionError("an emulator is not run as root")
    group = gids[0] if gids else None
    drop = os.getuid() == 0
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
            env=env,
            cwd="/",
            timeout=HELP_TIMEOUT_S,
            check=False,
            user=uid if drop else None,
            group=(group if group is not None else 65534) if drop else None,
            extra_groups=list(gids) if drop else None,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"'{argv[0]}' did not answer within {HELP_TIMEOUT_S:g} s") from error


def _kind(head: bytes, path: str) -> tuple[str, str, str]:
    """Return (kind, machine, interpreter) of a program file."""
    if not head:
        return "empty", "", ""
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n")[0].decode("utf-8", "replace").split()
        return "script", os.uname().machine, words[0] if words else ""
    if not head.startswith(b"\x7fELF") or len(head) < 64:
        return "other", "", ""
    order = "<" if head[5] == 1 else ">"
    number = struct.unpack_from(f"{order}H", head, 18)[0]
    machine = _MACHINES.get(number, f"ELF machine {number}")
    return "elf", machine, _loader(head, path, order) if head[4] == 2 else ""


def _loader(head: bytes, path: str, order: str) -> str:
    start, size, count = (
        struct.unpack_from(f"{order}Q", head, 32)[0],
        struct.unpack_from(f"{order}H", head, 54)[0],
        struct.unpack_from(f"{order}H", head, 56)[0],
    )
    with open(path, "rb") as file:
        for at in range(min(count, 64)):
            file.seek(start + at * size)
            entry = file.read(56)
            if len(entry) == 56 and struct.unpack_from(f"{order}I", entry)[0] == 3:
                offset, length = (struct.unpack_from(f"{order}Q", entry, o)[0] for o in (8, 32))
                file.seek(offset)
                return file.read(min(length, 4096)).rstrip(b"\0").decode("utf-8", "replace")
    return ""


def _missing_libraries(probe: Emulator, loader: str) -> tuple[str, ...]:
    try:
        seen = _run([loader, probe.path], probe.uid, probe.gids, TRACE)
    except OSError:
        return ()
    return tuple(re.findall(r"^\s*(\S+) => not found", seen, re.MULTILINE))

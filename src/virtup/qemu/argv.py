"""The command line of a guest: sections in libvirt's order.

line = build(dom, caps, run)
line.argv[0]                # the emulator
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtup.model.domain.caps import Caps
from virtup.model.domain.guest import Domain
from virtup.qemu import cpu, machine, memory
from virtup.qemu.devices import (
    character,
    controller,
    disk,
    display,
    filesystem,
    interface,
    small,
    smartcard,
    sound,
)
from virtup.qemu.option import Option, device, flag, keyed, object_, plain
from virtup.qemu.runtime import Runtime

MASTER_KEY = "masterKey0"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Environment and arguments; ``argv[0]`` is the emulator's path."""

    env: tuple[tuple[str, str], ...]
    argv: tuple[str, ...]


def build(dom: Domain, caps: Caps, run: Runtime) -> CommandLine:
    """The command line for *dom*, which is complete and has aliases.

    Pure: the same arguments give the same line. Holds no secret: those are given through files
    and descriptors. Raises ConfigUnsupported for what this virtup cannot give to QEMU.
    """
    argv = [str(dom.devices.emulator)]
    for option in _options(dom, caps, run):
        argv.extend(option.words())
    return CommandLine(_env(dom, run), tuple(argv))


def _env(dom: Domain, run: Runtime) -> tuple[tuple[str, str], ...]:
    home = run.home or run.lib_dir
    env = [
        ("LC_ALL", "C"),
        ("PATH", run.path),
        ("HOME", home),
        ("XDG_DATA_HOME", f"{home}/.local/share"),
        ("XDG_CACHE_HOME", f"{home}/.cache"),
        ("XDG_CONFIG_HOME", f"{home}/.config"),
    ]
    env.extend(
        pair for one in dom.devices.audio for pair in sound.environment(one, run.user_runtime_dir)
    )
    raw = dom.commandline
    env.extend((one.name, one.value or "") for one in (raw.env if raw else ()))
    return tuple(env)


def _options(dom: Domain, caps: Caps, run: Runtime) -> Iterator[Option]:
    yield from _head(dom, run)
    yield from machine.flash(dom)
    yield from machine.machine(dom, caps)
    yield from cpu.cpu(dom)
    yield from machine.firmware(dom)
    yield from memory.memory(dom, caps, run)
    yield from machine.smp(dom, caps)
    yield from machine.iothreads(dom)
    yield from memory.nodes(dom, caps, run)
    yield plain("-uuid", str(dom.uuid))
    if dom.genid:
        yield device("vmgenid", {"guid": dom.genid, "id": "vmgenid0"})
    if not dom.devices.graphics:
        yield plain("-display", "none")
    yield flag("-no-user-config")
    yield flag("-nodefaults")
    yield from _monitor(run)
    yield from machine.clock(dom)
    yield from machine.power(dom)
    yield from machine.boot(dom)
    yield from _devices(dom, run)
    if run.incoming is not None:
        yield plain("-incoming", run.incoming)
    raw = dom.commandline
    for word in raw.arg if raw else ():
        yield Option(word)
    if run.sandbox:
        yield machine.sandbox()
    yield from _late(dom)
    if run.log_timestamp:
        yield keyed("-msg", None, [("timestamp", True)])


def _head(dom: Domain, run: Runtime) -> Iterator[Option]:
    yield keyed("-name", None, [("guest", dom.name), ("debug-threads", True)])
    yield flag("-S")
    if run.master_key_path is not None:
        secret = {"id": MASTER_KEY, "format": "raw", "file": run.master_key_path}
        yield object_("secret", secret)


def _monitor(run: Runtime) -> Iterator[Option]:
    if run.monitor_fd is None:
        return
    end = [("id", "charmonitor"), ("fd", run.monitor_fd), ("server", True), ("wait", False)]
    yield keyed("-chardev", "socket", end)
    pairs = [("chardev", "charmonitor"), ("id", "monitor"), ("mode", "control")]
    yield keyed("-mon", None, pairs)


def _devices(dom: Domain, run: Runtime) -> Iterator[Option]:
    ends = character.Chardevs(dom, run)
    yield from controller.globals_(dom)
    yield from small.iommus(dom)
    yield from controller.options(dom)
    yield from small.hubs(dom)
    yield from disk.options(dom, run)
    yield from filesystem.options(dom)
    yield from interface.options(dom, run)
    yield from smartcard.options(dom, ends)
    yield from character.serials(dom, ends)
    yield from character.parallels(dom, ends)
    yield from character.channels(dom, ends)
    yield from character.consoles(dom, ends)
    yield from small.inputs(dom)
    yield from sound.audio(dom)
    yield from display.graphics(dom, run)
    yield from display.videos(dom)
    yield from sound.options(dom)
    yield from small.watchdogs(dom)
    yield from small.memballoon(dom)
    yield from small.rngs(dom, ends)
    if dom.features is not None and dom.features.vmcoreinfo:
        yield device("vmcoreinfo", {})


def _late(dom: Domain) -> Iterator[Option]:
    """What libvirt puts behind the sandbox."""
    if dom.features is not None and dom.features.async_teardown is not None:
        yield keyed("-run-with", None, [("async-teardown", dom.features.async_teardown)])
    yield from small.panics(dom)

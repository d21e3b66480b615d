"""Proofs by what this very QEMU says that it has: devices, objects, options, drivers, SPICE."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from virtup.causes import packages
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.who import edit, nearest
from virtup.model.evidence import Evidence
from virtup.model.probe import (
    Asked,
    AudioDrivers,
    BlockDrivers,
    Devices,
    Displays,
    NamesFact,
    NetDrivers,
    Objects,
    Options,
    Probe,
    SpiceSettings,
)
from virtup.model.probe_files import Run

_SHARED = 3
"""So many near names are told."""


def answers(ev: Evidence, kind: type[Asked]) -> NamesFact | None:
    """Return what this QEMU lists of *kind*, None when it was not asked or listed nothing."""
    fact = ev.fact(kind(ev.emulator, ev.uid, ev.gids)) if ev.emulator else None
    return fact if fact is not None and fact.names else None


def asked(ev: Evidence, kind: type[Asked]) -> Iterable[Asked]:
    """Ask this QEMU for what it has of *kind*."""
    if ev.emulator and ev.uid is not None:
        yield kind(ev.emulator, ev.uid, ev.gids)


def lacks(
    kind: type[Asked],
    noun: str,
    names: Callable[[str], Iterable[str]] = lambda name: (name,),
    package: str = "",
) -> Proof:
    """Return the proof that this QEMU does not list the subject; *names* it may go by there.

    *package* is what holds it as a module, where distributions have one for each.
    """

    def judges(ev: Evidence, subject: str) -> Shown | None:
        fact = answers(ev, kind)
        wanted = [one for one in names(subject) if one]
        if fact is None or not wanted:
            return None
        there = [one for one in wanted if one in fact.names]
        if there:
            return refuted(f"{ev.emulator} has the {noun} '{there[0]}'")
        near = nearest(wanted[0], fact.names, _SHARED)
        like = f"; like it: {', '.join(near)}" if near else ""
        seen = f"{ev.emulator} does not list the {noun} '{wanted[0]}'{like}"
        if package:
            sentence = f"This QEMU has no {noun} '{wanted[0]}', or its module is not installed."
            fix = packages.install(ev, package, name=MODULES.get(wanted[0], wanted[0]))
            return holds(seen, sentence=sentence, fixes=(fix,))
        fixes = (edit(f"change '{subject}' to '{near[0]}'"),) if near else ()
        return holds(seen, fixes=fixes)

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        if subject:
            yield from asked(ev, kind)
            if package:
                yield from packages.system(ev)

    return Proof(judges, asks)


MODULES = {"https": "curl", "http": "curl", "ftp": "curl", "ftps": "curl", "iser": "iscsi"}
"""Block drivers whose module has another name."""
_VIDEO = {
    "vga": ("VGA",),
    "standard vga": ("VGA",),
    "cirrus": ("cirrus-vga",),
    "cirrus vga": ("cirrus-vga",),
    "qxl": ("qxl-vga", "qxl"),
    "qxl vga": ("qxl-vga", "qxl"),
    "virtio": ("virtio-vga", "virtio-gpu-pci"),
    "virtio vga": ("virtio-vga", "virtio-gpu-pci"),
    "vmvga": ("vmware-svga",),
    "vmware svga": ("vmware-svga",),
    "bochs": ("bochs-display",),
}


def video_devices(model: str) -> tuple[str, ...]:
    """Return the devices of QEMU that the definition's video *model* may become."""
    return _VIDEO.get(model.lower(), (model,))


_OPTION = re.compile(
    r"^(?:-[a-z][\w-]+|blockdev|audiodev|sandbox|overcommit|fw_cfg|object|compat|action|run-with"
    r"|display|netdev|msg|numa|iscsi|tpmdev|smbios|spice)$"
)
_OBJECT = re.compile(
    r"^(?:sev|tdx|iothread|memory-backend|secret|authz|rng|input|can|pr-manager|throttle)[\w-]*$"
)


def _option(name: str) -> tuple[str, ...]:
    """Return an option's name without its dash, nothing for what is another thing's name."""
    return (name.lstrip("-"),) if _OPTION.match(name) else ()


VIDEO_MISSING = lacks(Devices, "device", video_devices)
"""This QEMU has no such video device."""
OPTION_GONE = lacks(Options, "option", _option)
"""This QEMU has no such option."""
OBJECT_MISSING = lacks(Objects, "object", lambda name: (name,) if _OBJECT.match(name) else ())
"""This QEMU has no such object."""
NET_BACKEND_MISSING = lacks(
    NetDrivers, "network backend", lambda name: () if name == "passt" else (name,)
)
"""This QEMU has no such network backend; passt is a program as well."""
AUDIO_MISSING = lacks(AudioDrivers, "audio driver", package="audio")
"""This QEMU has no such audio driver."""
DISPLAY_MISSING = lacks(Displays, "display", package="display")
"""This QEMU has no such display."""
BLOCK_DRIVER_MISSING = lacks(BlockDrivers, "block driver", package="block drivers")
"""This QEMU has no such block driver, or its module is not installed."""


def _no_spice(ev: Evidence, _subject: str) -> Shown | None:
    probe = SpiceSettings(ev.emulator, ev.uid, ev.gids)
    fact = ev.fact(probe) if ev.emulator else None
    if fact is None:
        return None
    if fact.names:
        return refuted(f"{ev.emulator} has SPICE")
    return holds(f"{ev.emulator} lists no setting of -spice: it is built without it")


NO_SPICE = Proof(_no_spice, lambda ev, _subject: asked(ev, SpiceSettings))
"""This QEMU is built without SPICE."""


def _run_probe(ev: Evidence, subject: str) -> Run | None:
    program = subject if subject.startswith("/") and "qemu-system" in subject else ev.emulator
    return Run(program, ev.uid, ev.gids) if program else None


def _broken(ev: Evidence, subject: str) -> Shown | None:
    probe = _run_probe(ev, subject)
    fact = ev.fact(probe) if probe else None
    if probe is None or fact is None:
        return None
    if fact.status == 0:
        return None
    last = fact.words.splitlines()[-1][:120] if fact.words else "nothing"
    how = f"signal {-fact.status}" if fact.status < 0 else f"status {fact.status}"
    return holds(f"'{probe.emulator} --version' ends with {how} and says: {last}")


def _ask_run(ev: Evidence, subject: str) -> Iterable[Any]:
    probe = _run_probe(ev, subject)
    return (probe,) if probe else ()


BROKEN = Proof(_broken, _ask_run)
"""The emulator cannot even tell its version."""

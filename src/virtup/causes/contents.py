"""Proofs by what files hold: images, kernels, firmware, certificates, and who may open them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from typing import Any

from virtup.causes import definition, packages, usage
from virtup.causes.finding import Fix
from virtup.causes.proof import Proof, Shown, holds, refuted, shows
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageInfo, PathAccess, Probe
from virtup.model.probe_files import Certificate, Firmware, KernelImage
from virtup.model.probe_system import (
    Open,
)


def _no_direct(ev: Evidence, subject: str) -> Shown | None:
    plain, direct = ev.fact(Open(subject)), ev.fact(Open(subject, direct=True))
    if plain is None or direct is None or plain.error:
        return None
    where = f"'{subject}' lies on {direct.filesystem} at '{direct.mount}'"
    if direct.error == "EINVAL":
        return holds(f"{where}, which refuses O_DIRECT")
    return refuted(f"{where}, which takes O_DIRECT") if not direct.error else None


NO_DIRECT = Proof(
    _no_direct,
    lambda _ev, subject: (Open(subject), Open(subject, direct=True)) if subject[:1] == "/" else (),
)
"""The file's file system refuses O_DIRECT."""


def on_file_server(kind: str) -> bool:
    """Does a server decide who may do what on a file system of this *kind*?"""
    return kind.startswith(("nfs", "fuse", "cifs", "smb", "9p", "ceph", "gluster"))


def _not_ours_to_give(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Open(subject))
    if fact is None or not fact.by_root:
        return None
    where = f"'{subject}' lies on {fact.filesystem} at '{fact.mount}'"
    if not on_file_server(fact.filesystem):
        return refuted(f"{where}, where root is not squashed")
    root = ", and root itself may not open it" if fact.error in {"EACCES", "EPERM"} else ""
    return holds(f"{where}{root}")


NOT_OURS_TO_GIVE = Proof(
    _not_ours_to_give, lambda _ev, subject: (Open(subject),) if subject[:1] == "/" else ()
)
"""The owner of the file is a file server's to change."""


def _not_a_block_device(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(PathAccess(subject)) if subject else None
    if fact is None or not fact.exists:
        return None
    if fact.kind == "block":
        return refuted(f"'{subject}' is a block device")
    return holds(f"'{subject}' is a {fact.kind}" + (" device" if fact.kind == "char" else ""))


NOT_A_BLOCK_DEVICE = Proof(
    _not_a_block_device, lambda _ev, subject: (PathAccess(subject),) if subject[:1] == "/" else ()
)
"""The path is not a block device."""


def _kernel_of(ev: Evidence, subject: str) -> str:
    named = [use.path for use in usage.files(ev.argv) if use.role is Role.KERNEL]
    return (
        subject
        if subject.startswith("/")
        else (named or [definition.text(ev.definition, "os/kernel")])[0]
    )


def _bad_kernel(ev: Evidence, subject: str) -> Shown | None:
    path = _kernel_of(ev, subject)
    fact = ev.fact(KernelImage(path)) if path else None
    if fact is None:
        return None
    if not fact.kind:
        return holds(f"'{path}' ({fact.size} bytes) begins like no kernel")
    if fact.cut:
        return holds(f"'{path}' has {fact.size} bytes, less than its own header says")
    if fact.kind == "arm64" and ev.emulator.endswith(("x86_64", "i386")):
        return holds(f"'{path}' is a kernel for arm64")
    return refuted(f"'{path}' is a whole {fact.kind} kernel")


def _ask_kernel(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    path = _kernel_of(ev, subject)
    return (KernelImage(path),) if path else ()


BAD_KERNEL = Proof(_bad_kernel, _ask_kernel)
"""The file is no kernel, or is cut."""


def _no_template(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Firmware())
    loader = subject if subject.startswith("/") else definition.text(ev.definition, "os/loader")
    if fact is None or not loader:
        return None
    told = [one for one in fact.descriptors if one.executable == loader]
    if told and told[0].template:
        return refuted(f"{told[0].file} names '{told[0].template}' for it")
    return holds(f"none of its {len(fact.descriptors)} firmware descriptors is about '{loader}'")


NO_TEMPLATE = Proof(_no_template, lambda _ev, _subject: (Firmware(),))
"""No descriptor names variables for the loader."""


def _no_firmware(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(Firmware())
    if fact is None:
        return None
    xml = ev.definition
    machine, architecture = definition.machine(xml), definition.architecture(xml) or "x86_64"
    secure = {
        feature.get("name"): feature.get("enabled") == "yes" for feature in _firmware_features(xml)
    }
    fitting = [
        one
        for one in fact.descriptors
        if "uefi" in one.kinds
        and architecture in one.architectures
        and one.present
        and (not machine or any(fnmatch.fnmatch(_full(machine), glob) for glob in one.machines))
        and all((name in one.features) == wanted for name, wanted in secure.items() if name)
    ]
    if fitting:
        return refuted(f"{fitting[0].file} fits: '{fitting[0].executable}'")
    what = "aavmf" if architecture == "aarch64" else "ovmf"
    fixes = (packages.install(ev, what, "install the firmware"),)
    kinds = f"{architecture}{f' and {machine}' if machine else ''}"
    return holds(
        f"none of its {len(fact.descriptors)} firmware descriptors is for UEFI on {kinds}",
        fixes=fixes if not fact.descriptors else (edit("change what <firmware> asks for"), *fixes),
    )


def _firmware_features(xml: str) -> list[Any]:
    root = definition.tree(xml)
    return root.findall("os/firmware/feature") if root is not None else []


def _full(machine: str) -> str:
    """Return the versioned kind of name that descriptors match: ``pc-q35-*`` is about q35."""
    return {"q35": "pc-q35-0", "pc": "pc-i440fx-0", "virt": "virt-0"}.get(machine, machine)


def _ask_firmware(ev: Evidence, _subject: str) -> Iterable[Probe[Any]]:
    yield Firmware()
    yield from packages.system(ev)


NO_FIRMWARE = Proof(_no_firmware, _ask_firmware)
"""No installed firmware fits the definition."""


def _store_format(ev: Evidence, _subject: str) -> Shown | None:
    template = definition.attribute(ev.definition, "os/nvram", "template")
    wanted = definition.attribute(ev.definition, "os/nvram", "format") or "raw"
    fact = ev.fact(ImageInfo(template)) if template else None
    if fact is None:
        return None
    return shows(
        fact.format == wanted,
        f"the template '{template}' is {fact.format}, the store is to be {wanted}",
        f"the template '{template}' is {fact.format} as well",
    )


def _ask_template(ev: Evidence, _subject: str) -> Iterable[Probe[Any]]:
    template = definition.attribute(ev.definition, "os/nvram", "template")
    return (ImageInfo(template),) if template else ()


STORE_FORMAT = Proof(_store_format, _ask_template)
"""The variables' template has another format than the store."""


def _certificates(ev: Evidence, subject: str) -> tuple[str, ...]:
    if subject.endswith(".pem"):
        return (subject,)
    folders = [
        str(option.fields().get("dir") or option.fields().get("x509-dir") or "")
        for option in usage.options(ev.argv)
        if option.name in {"object", "spice"}
    ]
    names = ("server-cert.pem", "ca-cert.pem")
    return tuple(f"{folder}/{name}" for folder in folders if folder for name in names)


def _out_of_time(ev: Evidence, subject: str) -> Shown | None:
    seen = None
    for path in _certificates(ev, subject):
        fact = ev.fact(Certificate(path))
        if fact is None:
            continue
        if fact.state == "expired":
            return holds(f"'{path}' was valid until {fact.ends} UTC")
        if fact.state == "early":
            return holds(f"'{path}' is valid from {fact.begins} UTC on")
        seen = refuted(f"'{path}' is valid until {fact.ends} UTC")
    return seen


OUT_OF_TIME = Proof(
    _out_of_time, lambda ev, subject: (Certificate(path) for path in _certificates(ev, subject))
)
"""A certificate has expired, or is not valid yet."""


def key_paths(ev: Evidence, subject: str) -> tuple[str, ...]:
    """Return the files that the display's key may be in: the subject, or those of its directory."""
    if subject.endswith((".pem", ".key")):
        return (subject,) if subject.startswith("/") else _keys(ev)
    return (f"{subject}/server-key.pem",) if subject.startswith("/") else _keys(ev)


def _keys(ev: Evidence) -> tuple[str, ...]:
    folders = [path.rpartition("/")[0] for path in _certificates(ev, "")]
    return tuple(f"{folder}/server-key.pem" for folder in dict.fromkeys(folders))


def _no_snapshot(ev: Evidence, subject: str) -> Shown | None:
    images = [use.path for use in usage.files(ev.argv) if use.role is Role.DISK]
    facts = [(path, ev.fact(ImageInfo(path))) for path in images]
    known = [(path, fact) for path, fact in facts if fact is not None and fact.format == "qcow2"]
    if not known or not subject:
        return None
    for path, fact in known:
        if subject in fact.snapshots:
            return refuted(f"'{path}' has the snapshot '{subject}'")
    names = [name for _, fact in known for name in fact.snapshots]
    there = f"they have: {', '.join(names[:4])}" if names else "they have none"
    return holds(f"no snapshot '{subject}' in {len(known)} images; {there}")


def _ask_images(ev: Evidence, _subject: str) -> Iterable[Probe[Any]]:
    return (ImageInfo(use.path) for use in usage.files(ev.argv) if use.role is Role.DISK)


NO_SNAPSHOT = Proof(_no_snapshot, _ask_images)
"""No disk has the snapshot."""


def _format_unset(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(ImageInfo(subject)) if subject else None
    if fact is None or not fact.chain:
        return None
    below = fact.chain[0]
    if below.declared:
        return refuted(f"'{subject}' records the format '{below.declared}'")
    form = below.format or "raw"
    command = f"qemu-img rebase -u -F {form} -b {below.path} {subject}"
    fixes = (Fix("record it", (command,)),) if below.exists else ()
    return holds(f"'{subject}' names '{below.path}' ({form}) without a format", fixes=fixes)


FORMAT_UNSET = Proof(
    _format_unset, lambda _ev, subject: (ImageInfo(subject),) if subject[:1] == "/" else ()
)
"""The overlay does not record the format of the image below."""

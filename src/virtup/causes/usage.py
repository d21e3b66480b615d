"""What a QEMU command line uses of the host: files, sockets, ports, interfaces, names.

Reads both spellings of an option (``-blockdev {json}`` and ``-drive key=value``) and both ways of
numbering a display. An argument that cannot be read yields nothing: it is then QEMU's words
that tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any


class Role(Enum):
    """What a file is to the guest; the value is the noun for a sentence."""

    KERNEL = "kernel"
    INITRD = "initrd"
    DTB = "device tree"
    DISK = "disk"
    BACKING = "backing file"
    FIRMWARE = "firmware"
    ROM = "option ROM"
    SHARE = "shared directory"
    CHARDEV = "character device"
    SOCKET = "socket"
    OTHER = "file"


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file that QEMU opens; ``format`` is the declared image format, ``""`` when none.

    ``block`` says that it has to be a block device, ``regular`` that it has to be a regular file,
    ``shared`` that the guest lets others write to it as well. ``chained``: what the image stands on is what its own header says.
    """

    path: str
    role: Role
    write: bool = False
    format: str = ""
    block: bool = False
    shared: bool = False
    chained: bool = True
    regular: bool = False


@dataclass(frozen=True, slots=True)
class PortUse:
    """A port that QEMU listens on; ``what`` is the noun for a sentence."""

    port: int
    what: str
    address: str = ""
    protocol: str = "tcp"
    last: int = 0


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the command line with its value, ``""`` for a flag."""

    name: str
    value: str

    def fields(self) -> Mapping[str, Any]:
        """Return the value as a mapping, from JSON or from ``key=value`` with doubled commas.

        What stands before the first ``=`` pair is under ``""``.
        """
        return _fields(self.value)


@lru_cache(maxsize=16)
def options(argv: tuple[str, ...]) -> tuple[Option, ...]:
    """Return the options of *argv* in order, its program left out."""
    found: list[Option] = []
    at = 1
    while at < len(argv):
        word = argv[at]
        if word.startswith("-") and len(word) > 1:
            follows = argv[at + 1] if at + 1 < len(argv) else ""
            takes = at + 1 < len(argv) and not re.match(r"^-[A-Za-z]", follows)
            found.append(Option(word.lstrip("-"), follows if takes else ""))
            at += 2 if takes else 1
        else:
            found.append(Option("", word))
            at += 1
    return tuple(found)


def value(argv: tuple[str, ...], name: str) -> str:
    """Return the value of the last option *name*, which is the one that counts, or ``""``."""
    return next((one.value for one in reversed(options(argv)) if one.name == name), "")


def sub(argv: tuple[str, ...], name: str, key: str) -> str:
    """Return the field *key* of the first option *name* that has it, or ``""``."""
    for option in options(argv):
        if option.name == name and key in option.fields():
            return str(option.fields()[key])
    return ""


def machine(argv: tuple[str, ...]) -> str:
    """Return the machine type asked for, or ``""``."""
    for option in options(argv):
        if option.name in {"machine", "M"}:
            fields = option.fields()
            return str(fields.get("type") or fields.get("") or "")
    return ""


def cpu_model(argv: tuple[str, ...]) -> str:
    """Return the CPU model asked for, or ``""``."""
    return str(_fields(value(argv, "cpu")).get("", ""))


def devices(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the devices that *argv* asks for, each once."""
    found = []
    for option in options(argv):
        if option.name == "device":
            fields = option.fields()
            found.append(str(fields.get("driver") or fields.get("") or ""))
    return tuple(dict.fromkeys(name for name in found if name))


def memory_kib(argv: tuple[str, ...]) -> int:
    """Return the guest's memory in KiB, 0 when the command line does not say."""
    asked = str(_fields(value(argv, "m")).get("size") or _fields(value(argv, "m")).get("") or "")
    found = re.fullmatch(r"(?:size=)?(\d+)([bkmgtBKMGT]?)i?b?", asked)
    if not found:
        return 0
    shift = {"b": -10, "k": 0, "m": 10, "g": 20, "t": 30}[(found[2] or "m").lower()]
    count = int(found[1])
    return count >> 10 if shift < 0 else count << shift


def wants_kvm(argv: tuple[str, ...]) -> bool:
    """Does the command line ask for KVM and nothing else?"""
    for option in options(argv):
        if option.name == "enable-kvm":
            return True
        if option.name in {"machine", "M"} and str(option.fields().get("accel", "")) == "kvm":
            return True
        if option.name == "accel" and str(option.fields().get("", "")) == "kvm":
            return not any(other.name == "accel" and other != option for other in options(argv))
    return False


@lru_cache(maxsize=16)
def files(argv: tuple[str, ...]) -> tuple[FileUse, ...]:
    """Return the files that *argv* names, each path once, in order."""
    found: dict[str, FileUse] = {}
    for use in [*images(argv), *_plain(argv)]:
        if use.path and use.path.startswith("/") and use.path not in found:
            found[use.path] = use
    return tuple(found.values())


_PLAIN = {
    "kernel": Role.KERNEL,
    "initrd": Role.INITRD,
    "dtb": Role.DTB,
    "bios": Role.FIRMWARE,
    "pflash": Role.FIRMWARE,
}
_IMAGE_OPTIONS = {"hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "sd", "mtdblock"}


def _plain(argv: tuple[str, ...]) -> Iterator[FileUse]:
    for option in options(argv):
        if option.name in _PLAIN:
            yield FileUse(option.value, _PLAIN[option.name])
        elif option.name in _IMAGE_OPTIONS:
            yield FileUse(option.value, Role.DISK, write=option.name != "cdrom")
        elif option.name == "fsdev":
            yield FileUse(str(option.fields().get("path", "")), Role.SHARE)
        elif option.name == "chardev":
            yield from _chardev(option.fields())
        elif option.name == "object":
            yield FileUse(_of_object(option.fields()), Role.OTHER)
        elif option.name == "acpitable":
            yield FileUse(str(option.fields().get("file", "")), Role.OTHER)
        elif option.name == "device":
            yield FileUse(str(option.fields().get("romfile", "")), Role.ROM)
        elif option.name == "object" and option.fields().get("qom-type") == "rng-random":
            yield FileUse(str(option.fields().get("filename", "")), Role.CHARDEV)
        elif option.name in {"fw_cfg", "acpitable"}:
            yield FileUse(str(option.fields().get("file", "")), Role.OTHER)


def _of_object(fields: Mapping[str, Any]) -> str:
    """Return the file that an object reads: a secret's, or where random numbers come from."""
    kind = str(fields.get("qom-type") or fields.get("") or "")
    if "secret" in kind:
        return str(fields.get("file", ""))
    return str(fields.get("filename", "")) if kind == "rng-random" else ""


def _chardev(fields: Mapping[str, Any]) -> Iterator[FileUse]:
    kind = str(fields.get("", ""))
    path = str(fields.get("path", ""))
    if kind in {"serial", "parallel", "tty", "parport"}:
        yield FileUse(path, Role.CHARDEV, write=True)


def images(argv: tuple[str, ...]) -> Iterator[FileUse]:
    """Yield the disk images, and firmware, that *argv* opens, as often as it does."""
    nodes = {}
    flash = {str(option.fields().get("pflash0", "")) for option in options(argv)}
    flash |= {str(option.fields().get("pflash1", "")) for option in options(argv)}
    for option in options(argv):
        fields = option.fields()
        if option.name == "blockdev":
            nodes[str(fields.get("node-name", ""))] = fields
        elif option.name == "drive" and fields.get("file"):
            role = Role.FIRMWARE if fields.get("if") == "pflash" else Role.DISK
            path = str(fields["file"]).removeprefix("file:")
            write = not _on(fields.get("readonly", fields.get("read-only")))
            cdrom = fields.get("media") == "cdrom"
            form = str(fields.get("format", ""))
            yield FileUse(path, role, write=write and not cdrom, format=form, chained=form != "raw")
    given = [option.fields() for option in options(argv)]
    drives = {str(one.get("drive", "")): _on(one.get("share-rw")) for one in given}
    for name, node in nodes.items():
        above = [other for other in nodes.values() if other.get("file") == name]
        heads = {name, *(str(other.get("node-name", "")) for other in above)}
        shared = any(drives.get(head, False) for head in heads)
        whole = name in drives
        yield from _blockdev(name, node, above, flash, whole=whole, shared=shared)


def _blockdev(
    name: str,
    node: Mapping[str, Any],
    above: list[Mapping[str, Any]],
    flash: set[str],
    *,
    whole: bool,
    shared: bool,
) -> Iterator[FileUse]:
    """Yield what a node opens; *whole* when a device has the node itself for its drive."""
    inner = node.get("file")
    if isinstance(inner, Mapping):
        above, node = [node], inner
    path = node.get("filename")
    if node.get("driver") not in {"file", "host_device", "host_cdrom"} or not path:
        return
    layer = above[0] if above else node
    named = {name, *(str(other.get("node-name", "")) for other in above)}
    role = Role.FIRMWARE if named & flash else Role.DISK
    readonly = _on(layer.get("read-only")) or _on(node.get("read-only"))
    declared = str(layer.get("driver", "")) if above else "raw" if whole else ""
    block = node.get("driver") == "host_device"
    write = not readonly and (bool(above) or block or whole)
    yield FileUse(
        str(path),
        role,
        write=write,
        format=declared,
        block=block,
        shared=shared,
        chained=declared != "raw" and "backing" not in layer,
        regular=node.get("driver") == "file",
    )


_BLOB = re.compile(r"-blockdev (\{[^\n]*?\}): ")
_FILE = re.compile(r"(?:\bfile=|\"filename\": ?\")(/(?:,,|[^,\"\n])+)")


def image_of(argv: tuple[str, ...], line: str) -> str:
    """Return the path of the image that a message about an option concerns, or ``""``.

    *line* is the message with the option that QEMU quotes before it; a format node leads to the
    node below it by the command line.
    """
    plain = _FILE.search(line)
    if plain:
        return plain[1].replace(",,", ",")
    blob = _BLOB.search(line)
    below = str(_fields(blob[1]).get("file", "")) if blob else ""
    for option in options(argv):
        fields = option.fields()
        if option.name == "blockdev" and below and fields.get("node-name") == below:
            return str(fields.get("filename", ""))
    images = [use.path for use in files(argv) if use.role is Role.DISK]
    return images[0] if len(images) == 1 else ""


def sockets(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths of the UNIX sockets that QEMU makes."""
    found = []
    for option in options(argv):
        fields = option.fields()
        if option.name == "chardev" and fields.get("") == "socket" and fields.get("path"):
            if _on(fields.get("server")) or "server" in str(fields.get("", "")):
                found.append(str(fields["path"]))
        elif option.name in {"qmp", "monitor", "serial", "vnc"}:
            head = option.value.split(",")[0].removeprefix("vnc=")
            if head.startswith("unix:") and (option.name == "vnc" or "server" in option.value):
                found.append(head.removeprefix("unix:"))
    return tuple(found)


def ports(argv: tuple[str, ...]) -> tuple[PortUse, ...]:
    """Return the ports that QEMU listens on."""
    found: list[PortUse] = []
    for option in options(argv):
        fields = option.fields()
        if option.name == "vnc":
            found += _vnc(str(fields.get("", "")), fields)
        elif option.name == "spice":
            for key, what in (("port", "SPICE"), ("tls-port", "SPICE (TLS)")):
                number = str(fields.get(key, ""))
                if number.isdigit() and int(number):
                    found.append(PortUse(int(number), what, str(fields.get("addr", ""))))
        elif option.name == "chardev" and fields.get("") == "udp":
            number = str(fields.get("localport", ""))
            if number.isdigit():
                host = str(fields.get("localaddr", ""))
                found.append(PortUse(int(number), "UDP character device", host, "udp"))
        elif option.name == "chardev" and str(fields.get("port", "")).isdigit():
            if _on(fields.get("server")):
                listens, host = int(str(fields["port"])), str(fields.get("host", ""))
                found.append(PortUse(listens, "TCP character device", host))
        elif option.name in {"netdev", "nic", "net"}:
            found += [_forward(match) for match in _FORWARD.finditer(option.value)]
    return tuple(use for use in found if 0 < use.port < 65536)


_FORWARD = re.compile(r"hostfwd=(tcp|udp)?:([^:,]*):(\d+)-")


def _forward(match: re.Match[str]) -> PortUse:
    return PortUse(int(match[3]), "port forward", match[2], match[1] or "tcp")


def _vnc(display: str, fields: Mapping[str, Any]) -> list[PortUse]:
    found = re.fullmatch(r"(.*):(\d+)", display)
    if not found or display.startswith("unix:"):
        return []
    port = 5900 + int(found[2])
    last = str(fields.get("to", ""))
    top = 5900 + int(last) if last.isdigit() else 0
    listening = PortUse(port, "VNC", found[1].strip("[]"), last=top)
    socket = str(fields.get("websocket", ""))
    more = [PortUse(int(socket), "VNC websocket", listening.address)] if socket.isdigit() else []
    return [listening, *more]


def taps(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the tap interfaces that QEMU opens by itself."""
    found = []
    for option in options(argv):
        fields = option.fields()
        tap = option.name in {"netdev", "net"} and "tap" in {fields.get(""), fields.get("type")}
        if tap and fields.get("ifname"):
            found.append(str(fields["ifname"]))
    return tuple(found)


def bridges(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the bridges that QEMU's helper joins."""
    found = []
    for option in options(argv):
        fields = option.fields()
        if option.name == "netdev" and "bridge" in {fields.get(""), fields.get("type")}:
            found.append(str(fields.get("br", "br0")))
        elif option.name == "netdev" and fields.get("br"):
            found.append(str(fields["br"]))
    return tuple(found)


def guest_name(argv: tuple[str, ...]) -> str:
    """Return the guest's name as ``-name`` gives it, or ``""``."""
    fields = _fields(value(argv, "name"))
    return str(fields.get("guest") or fields.get("") or "")


def _on(setting: object) -> bool:
    return setting is True or (
        isinstance(setting, str) and setting.lower() in {"on", "yes", "true", "y"}
    )


@lru_cache(maxsize=512)
def _parsed(text: str) -> tuple[tuple[str, Any], ...]:
    if text.startswith("{"):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return ()
        return tuple(data.items()) if isinstance(data, dict) else ()
    found: list[tuple[str, Any]] = []
    for piece in re.split(r"(?<!,),(?!,)|(?<=,,),(?!,)", text):
        key, equals, right = piece.replace(",,", ",").partition("=")
        if equals and re.fullmatch(r"[\w.-]+", key):
            found.append((key, right))
        elif not found:
            found.append(("", piece.replace(",,", ",")))
        else:
            found.append((key, "on"))
    return tuple(found)


def _fields(text: str) -> Mapping[str, Any]:
    return dict(_parsed(text))

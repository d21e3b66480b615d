"""Options of serial ports, consoles and channels: the host's end, and the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain.address import VirtioSerialAddress
from virtup.model.domain.devices.character import Channel, Character, CharSource, Console, Serial
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place
from virtup.qemu.option import Option, as_json, device, keyed
from virtup.qemu.runtime import Runtime


class Chardevs:
    """Makes ``-chardev`` options; numbers the descriptor sets of one command line."""

    def __init__(self, dom: Domain, run: Runtime) -> None:
        self.dom = dom
        self.run = run
        self.sets = 0

    def options(self, one: Character) -> Iterator[Option]:
        """The host's end of *one*, named after its alias."""
        source = one.source[0] if one.source else CharSource()
        name = f"char{one.alias}"
        log: list[tuple[str, Any]] = []
        if one.log is not None:
            fd = self.run.log_fds.get(str(one.alias))
            given = fd is not None
            if fd is not None:
                yield self._add_fd(fd, f"{one.alias}-log")
            path = f"/dev/fdset/{self.sets - 1}" if given else one.log.file
            append = one.log.append is not False if given else one.log.append
            log = [("logfile", path), ("logappend", append)]
        match one.type:
            case "null" | "vc" | "pty" | "stdio":
                yield keyed("-chardev", one.type, [("id", name), *log])
            case "dev":
                kind = "parallel" if one.alias and one.alias.startswith("parallel") else "serial"
                yield keyed("-chardev", kind, [("id", name), ("path", source.path), *log])
            case "pipe":
                yield keyed("-chardev", "pipe", [("id", name), ("path", source.path), *log])
            case "file":
                yield from self._file(one, source, name, log)
            case "unix":
                yield self._unix(one, source, name, log)
            case "tcp":
                yield self._tcp(one, source, name, log)
            case "udp":
                yield self._udp(one, name, log)
            case _:
                at = Place(self.dom.source, one.line)
                raise ConfigUnsupported(
                    f"character devices of type '{one.type}' are not supported ({at})"
                )

    def _file(
        self, one: Character, source: CharSource, name: str, log: list[tuple[str, Any]]
    ) -> Iterator[Option]:
        path, fd = source.path, self.run.char_fds.get(str(one.alias))
        if fd is not None:
            yield self._add_fd(fd, f"{one.alias}-source")
            path = f"/dev/fdset/{self.sets - 1}"
        append = source.append if fd is None else source.append is not False
        yield keyed("-chardev", "file", [("id", name), ("path", path), ("append", append), *log])

    def _add_fd(self, fd: int, name: str) -> Option:
        """Name an inherited descriptor, as a set of its own: the last one counted."""
        head = [("set", self.sets), ("fd", fd), ("opaque", name)]
        self.sets += 1
        return keyed("-add-fd", None, head)

    def _unix(
        self, one: Character, source: CharSource, name: str, log: list[tuple[str, Any]]
    ) -> Option:
        if source.mode == "connect":
            pairs = [("id", name), ("path", source.path), *reconnect(source)]
            return keyed("-chardev", "socket", [*pairs, *log])
        fd = self.run.char_fds.get(str(one.alias))
        path = source.path
        if path is None:
            path = f"{self.run.channel_dir}/{getattr(one, 'name', None) or one.alias}"
        end: tuple[str, Any] = ("path", path) if fd is None else ("fd", fd)
        pairs = [("id", name), end, ("server", True), ("wait", False)]
        return keyed("-chardev", "socket", [*pairs, *log])

    def _tcp(
        self, one: Character, source: CharSource, name: str, log: list[tuple[str, Any]]
    ) -> Option:
        telnet = True if one.protocol == "telnet" else None
        pairs: list[tuple[str, Any]] = [
            ("id", name),
            ("host", source.host),
            ("port", source.service),
            ("telnet", telnet),
        ]
        if source.mode == "bind":
            pairs += [("server", True), ("wait", False)]
        return keyed("-chardev", "socket", [*pairs, *reconnect(source), *log])

    def _udp(self, one: Character, name: str, log: list[tuple[str, Any]]) -> Option:
        bind = next((end for end in one.source if end.mode == "bind"), None)
        to = next((end for end in one.source if end.mode != "bind"), CharSource())
        pairs: list[tuple[str, Any]] = [
            ("id", name),
            ("host", to.host or ""),
            ("port", to.service or ""),
        ]
        bind = bind or CharSource()
        pairs += [("localaddr", bind.host or ""), ("localport", bind.service or "0")]
        return keyed("-chardev", "udp", [*pairs, *log])


def reconnect(source: CharSource) -> list[tuple[str, Any]]:
    """How a client socket connects again."""
    again = source.reconnect
    if again is None:
        return []
    return [("reconnect-ms", (again.timeout_s or 0) * 1000 if again.enabled else 0)]


def serials(dom: Domain, ends: Chardevs) -> Iterator[Option]:
    """Serial ports."""
    for one in dom.devices.serial:
        yield from ends.options(one)
        yield _serial(one, dom)


def parallels(dom: Domain, ends: Chardevs) -> Iterator[Option]:
    """Parallel ports."""
    for one in dom.devices.parallel:
        yield from ends.options(one)
        yield device("isa-parallel", {"chardev": f"char{one.alias}", "id": one.alias})


def channels(dom: Domain, ends: Chardevs) -> Iterator[Option]:
    """Channels."""
    for one in dom.devices.channel:
        yield from ends.options(one)
        yield _guestfwd(one) if one.target_type == "guestfwd" else _port(one)


def consoles(dom: Domain, ends: Chardevs) -> Iterator[Option]:
    """Consoles that are not another name of a serial port."""
    for one in dom.devices.console:
        if one.target_type == "virtio":
            yield from ends.options(one)
            yield _console(one)


def _serial(one: Serial, dom: Domain) -> Option:
    content: dict[str, Any] = {"chardev": f"char{one.alias}", "id": one.alias}
    if one.target_type == "isa-serial":
        content["index"] = one.port
    return device(str(one.model), content | place(dom, one.address))


def _bus(address: VirtioSerialAddress) -> dict[str, Any]:
    return {"bus": f"virtio-serial{address.controller}.{address.bus}", "nr": address.port}


def _port(one: Channel) -> Option:
    assert isinstance(one.address, VirtioSerialAddress)
    content = _bus(one.address) | {"chardev": f"char{one.alias}", "id": one.alias}
    return device("virtserialport", content | {"name": one.name})


def _console(one: Console) -> Option:
    content: dict[str, Any] = {}
    if isinstance(one.address, VirtioSerialAddress):
        content = _bus(one.address)
    return device("virtconsole", content | {"chardev": f"char{one.alias}", "id": one.alias})


def _guestfwd(one: Channel) -> Option:
    to = f"tcp:{one.host}:{one.port}-chardev:char{one.alias}"
    content = {"type": "user", "guestfwd": [{"str": to}], "id": one.alias}
    return as_json("-netdev", content)

"""A daemon in memory: the server's end of the protocol over two guests, without a socket.

``MemoryConnection`` is the client's blocking connection with its bytes carried by hand, whole or
one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtup.client.connection import Connection
from virtup.client.exchange import ConnectionLost, Exchange
from virtup.client.uri import Target
from virtup.errors import DomainNotFound, NoSupport, OperationInvalid, VirtError
from virtup.wire.session import (
    CallReceived,
    CallRefused,
    ServerSession,
    StreamAborted,
    StreamData,
    StreamFinished,
)
from virtup.wire.tables import REMOTE

UUIDS = {"web": bytes(range(16)), "Mail": bytes(range(16, 32)), "db": bytes(range(32, 48))}
XML = """<domain type='qemu'>
  <name>web</name>
  <devices>
    <disk type='file' device='disk'>
      <source file='/d.raw' index='1'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='sata'/>
    </disk>
    <disk type='volume'>
      <source pool='p' volume='v.img'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='br0'/>
      <target dev='vnet0'/>
      <model type='virtio'/>
    </interface>
    <interface type='user'>
      <mac address='52:54:00:00:00:02'/>
    </interface>
    <console type='pty' tty='/dev/pts/7'>
      <source path='/dev/pts/7'/>
    </console>
    <graphics type='vnc' port='5903' autoport='yes' listen='127.0.0.1'/>
  </devices>
</domain>
"""
NODE = {
    "model": "x86_64",
    "memory": 4096,
    "cpus": 2,
    "mhz": 2596,
    "nodes": 1,
    "sockets": 1,
    "cores": 2,
    "threads": 1,
}

Handler = Callable[[dict[str, Any]], dict[str, Any] | None]


class FakeDaemon:
    """Answers calls by ``handlers``; ``calls`` holds what was asked. Guests: web runs, Mail is
    paused, db is off."""

    def __init__(self) -> None:
        self.session = ServerSession()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.got = b""
        self.streams: list[int] = []
        self.pending = bytearray()
        self.gone = False
        self.console: bytes | None = b"login: "
        self.states = {"web": (1, 1), "Mail": (3, 1), "db": (5, 2)}
        self.saved = {"db"}
        self.xml = XML
        self.handlers: dict[str, Handler] = {
            "AUTH_LIST": lambda _: {"types": [0]},
            "CONNECT_OPEN": lambda _: None,
            "CONNECT_LIST_ALL_DOMAINS": self._list,
            "DOMAIN_LOOKUP_BY_NAME": lambda args: self._found(args["name"]),
            "DOMAIN_LOOKUP_BY_UUID": self._by_uuid,
            "DOMAIN_LOOKUP_BY_ID": self._by_id,
            "DOMAIN_GET_STATE": self._state,
            "DOMAIN_GET_XML_DESC": lambda _: {"xml": self.xml},
            "DOMAIN_IS_ACTIVE": lambda args: {"active": int(args["dom"]["id"] >= 0)},
            "DOMAIN_GET_INFO": self._info,
            "DOMAIN_GET_OS_TYPE": lambda _: {"type": "hvm"},
            "DOMAIN_IS_PERSISTENT": lambda _: {"persistent": 1},
            "DOMAIN_GET_AUTOSTART": lambda _: {"autostart": 0},
            "DOMAIN_HAS_MANAGED_SAVE_IMAGE": lambda args: {
                "result": int(args["dom"]["name"] in self.saved)
            },
            "NODE_GET_SECURITY_MODEL": lambda _: {"model": "", "doi": ""},
            "DOMAIN_GET_MESSAGES": lambda _: {"msgs": []},
            "DOMAIN_CREATE": self._start,
            "DOMAIN_CREATE_WITH_FLAGS": lambda args: {"dom": args["dom"]},
            "DOMAIN_CREATE_XML": lambda _: {"dom": self.handle("web")},
            "DOMAIN_DEFINE_XML": lambda _: {"dom": self.handle("db")},
            "DOMAIN_OPEN_CONSOLE": lambda _: None,
            "NODE_GET_INFO": lambda _: NODE,
            "CONNECT_GET_HOSTNAME": lambda _: {"hostname": "h"},
            "CONNECT_GET_URI": lambda _: {"uri": "qemu:///system"},
            "CONNECT_GET_TYPE": lambda _: {"type": "QEMU"},
            "CONNECT_GET_LIB_VERSION": lambda _: {"lib_ver": 9000000},
            "CONNECT_GET_VERSION": lambda _: {"hv_ver": 7002022},
            "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY": lambda args: {
                "callbackID": 100 + args["eventID"]
            },
        }
        for name in ("SUSPEND", "RESUME", "RESET", "DESTROY", "DESTROY_FLAGS", "SHUTDOWN"):
            self.handlers[f"DOMAIN_{name}"] = lambda _: None
        for name in (
            "SHUTDOWN_FLAGS",
            "REBOOT",
            "SET_AUTOSTART",
            "SET_AUTOSTART_ONCE",
            "UNDEFINE_FLAGS",
        ):
            self.handlers[f"DOMAIN_{name}"] = lambda _: None

    def handle(self, name: str) -> dict[str, Any]:
        """The guest *name* as the protocol names it."""
        number = {"web": 1, "Mail": 4}.get(name, -1)
        return {"name": name, "uuid": UUIDS[name], "id": number}

    def receive(self, data: bytes) -> None:
        """Take in what the client sends; the answers go to ``pending``."""
        for event in self.session.receive(data):
            if isinstance(event, CallReceived):
                self.calls.append((event.procedure.name, event.args))
                self._answer(event)
            elif isinstance(event, CallRefused):
                self.pending += self.session.error(event.serial, event.error)
            elif isinstance(event, StreamData):
                self.got += event.data
            elif isinstance(event, StreamFinished | StreamAborted):
                self.pending += self.session.stream_finish(event.serial)

    def say(self, name: str, body: dict[str, Any]) -> None:
        """Send an event of the remote program."""
        self.pending += self.session.message(REMOTE, name, body)

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The arguments of every call of *name*."""
        return [args for called, args in self.calls if called == name]

    def _answer(self, event: CallReceived) -> None:
        name = event.procedure.name
        handler = self.handlers.get(name)
        try:
            if handler is None:
                raise NoSupport(name)
            body = handler(event.args)
        except VirtError as exc:
            self.pending += self.session.error(event.serial, exc)
            return
        opens = name == "DOMAIN_OPEN_CONSOLE"
        self.streams += [event.serial] if opens else []
        self.pending += self.session.reply(event.serial, body, stream=opens)
        if opens and self.console is not None:
            self.pending += self.session.stream_data(event.serial, self.console)
            self.pending += self.session.stream_end(event.serial)

    def _list(self, args: dict[str, Any]) -> dict[str, Any]:
        flags = args["flags"] & 3 or 3
        found = [self.handle(name) for name in UUIDS]
        chosen = [g for g in found if flags & (1 if g["id"] >= 0 else 2)]
        return {"domains": chosen[::-1], "ret": len(chosen)}

    def _found(self, name: str | None) -> dict[str, Any]:
        if name not in UUIDS:
            raise DomainNotFound(f"no domain with matching name '{name}'")
        return {"dom": self.handle(name)}

    def _by_uuid(self, args: dict[str, Any]) -> dict[str, Any]:
        return self._found(next((n for n, raw in UUIDS.items() if raw == args["uuid"]), None))

    def _by_id(self, args: dict[str, Any]) -> dict[str, Any]:
        return self._found(next((n for n in UUIDS if self.handle(n)["id"] == args["id"]), None))

    def _state(self, args: dict[str, Any]) -> dict[str, Any]:
        state, reason = self.states[args["dom"]["name"]]
        return {"state": state, "reason": reason}

    def _info(self, args: dict[str, Any]) -> dict[str, Any]:
        state, _ = self.states[args["dom"]["name"]]
        return {
            "state": state,
            "maxMem": 2048,
            "memory": 1024,
            "nrVirtCpu": 2,
            "cpuTime": 12_340_000_000 if state == 1 else 0,
        }

    def _start(self, args: dict[str, Any]) -> None:
        if args["dom"]["id"] >= 0:
            raise OperationInvalid("domain is already running")


class MemoryConnection(Connection):
    """A blocking connection to a FakeDaemon; *piecewise* carries one byte a time."""

    def __init__(
        self, daemon: FakeDaemon, target: Target | None = None, *, piecewise: bool = False
    ) -> None:
        self.daemon = daemon
        self.piecewise = piecewise
        self.closed = False
        self._exchange = Exchange()
        self._out = bytearray()
        self.target = target

    def close(self) -> None:
        self.closed = True

    def pump(self, timeout_s: float | None = None) -> bool:
        if self._out:
            self._write()
        if self.daemon.pending:
            size = 1 if self.piecewise else len(self.daemon.pending)
            piece = bytes(self.daemon.pending[:size])
            del self.daemon.pending[:size]
            self._out += self._exchange.receive(piece)
            return True
        if self.daemon.gone:
            raise ConnectionLost.at_end()
        assert timeout_s is not None, "the client waits, and the daemon has nothing to say"
        return False

    def _write(self) -> None:
        if self.daemon.gone:
            raise ConnectionLost.at_end()
        data = bytes(self._out)
        self._out.clear()
        size = 1 if self.piecewise else max(1, len(data))
        for start in range(0, len(data), size):
            self.daemon.receive(data[start : start + size])

"""A hypervisor without QEMU: guests are entries in a list, their consoles are socket pairs.

It keeps the boundary that handlers are written against, and records what was asked of it.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import uuid as uuids
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tests.fakes.disk import ModelDisk
from virtup.drivers.pool_store import PoolStore
from virtup.drivers.pools import Pools
from virtup.drivers.volumes import Volumes
from virtup.errors import DomainNotFound, OperationFailed, OperationInvalid, XmlInvalid
from virtup.machine.events import DomainRef, Event, EventBus, PoolEventBus
from virtup.machine.jobs import NO_JOB

if TYPE_CHECKING:
    from virtup.host.layout import Layout

INFO = {
    "model": "x86_64",
    "memory": 4679896,
    "cpus": 2,
    "mhz": 2596,
    "nodes": 1,
    "sockets": 1,
    "cores": 2,
    "threads": 1,
}


class FakeConsole:
    """One end of a socket pair; ``far`` is the guest's end."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair()
        near.setblocking(False)
        self.far.settimeout(10)
        self.fd = near.detach()
        self.on_taken: Callable[[], None] | None = None

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def take(self) -> None:
        """What a second client does with --force."""
        if self.on_taken is not None:
            self.on_taken()
        self.close()


class FakeGuest:
    """A guest that starts and stops at once; ``gate`` holds ``start`` back until it is set."""

    def __init__(self, owner: FakeDomains, name: str) -> None:
        self.owner = owner
        self.name = name
        self.uuid = uuids.uuid5(uuids.NAMESPACE_DNS, name).bytes
        self.id = -1
        self.persistent = True
        self.autostart = False
        self.autostart_once = False
        self.updated = False
        self.managed: str | None = None
        self.job: dict[str, int] | None = None
        self.stats: tuple[int, dict[str, Any]] = (0, {})
        self.paused = False
        self.autodestroy: int | None = None
        self.definition = SimpleNamespace(vcpus=4, title="Mail", description=None)
        self.machine: SimpleNamespace | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.consoles: list[FakeConsole] = []
        self.asked: list[tuple[Any, ...]] = []

    @property
    def active(self) -> bool:
        return self.id >= 0

    @property
    def has_managed_save(self) -> bool:
        return self.managed is not None

    @property
    def ref(self) -> DomainRef:
        return DomainRef(self.name, self.uuid, self.id)

    def state(self) -> tuple[int, int]:
        if not self.active:
            return 5, 0
        return (3, 1) if self.paused else (1, 1)

    def info(self) -> dict[str, int]:
        return {
            "state": self.state()[0],
            "maxMem": 65536,
            "memory": 65536,
            "nrVirtCpu": 2,
            "cpuTime": 0,
        }

    def memory_stats(self) -> dict[int, int]:
        return {6: 65536, 7: 1234}

    def os_type(self) -> str:
        return "hvm"

    def xml(self, flags: int) -> str:
        self.asked.append(("xml", flags))
        return f"<domain type='qemu'><name>{self.name}</name></domain>"

    def messages(self, _flags: int) -> list[str]:
        return ["tainted: custom-monitor"]

    async def start(self, flags: int, client_id: int | None) -> None:
        await self.gate.wait()
        if self.active:
            raise OperationInvalid("domain is already running")
        self.owner.last_id += 1
        self.id = self.owner.last_id
        self.machine = SimpleNamespace(live=self.definition)
        self.autodestroy = client_id if flags & 2 else None
        self.tell("lifecycle", event=2, detail=0)

    async def destroy(self, flags: int) -> None:
        self.running()
        self.id, self.machine = -1, None
        self.tell("lifecycle", event=5, detail=1)
        if not self.persistent:
            del self.owner.guests[self.name]

    async def shutdown(self, flags: int) -> None:
        self.asked.append(("shutdown", flags))
        await self.destroy(0)

    async def reboot(self, flags: int) -> None:
        self.asked.append(("reboot", flags))
        self.running()
        self.tell("reboot")

    async def reset(self, flags: int) -> None:
        self.asked.append(("reset", flags))
        self.running()

    async def suspend(self) -> None:
        self.running()
        self.paused = True
        self.tell("lifecycle", event=3, detail=0)

    async def resume(self) -> None:
        self.running()
        self.paused = False
        self.tell("lifecycle", event=4, detail=0)

    async def save(self, path: str, xml: str | None, flags: int, format: str | None = None) -> None:
        self.asked.append(("save", path, xml, flags, format))
        self.running()
        self.owner.images[path] = xml or f"<domain><name>{self.name}</name></domain>"
        self.id, self.machine = -1, None

    async def managed_save(self, flags: int) -> None:
        self.asked.append(("managed_save", flags))
        self.running()
        self.managed = f"<domain><name>{self.name}</name></domain>"
        self.id, self.machine = -1, None

    async def managed_save_remove(self, flags: int) -> None:
        self.asked.append(("managed_save_remove", flags))
        self.managed = None

    async def managed_save_xml(self, flags: int) -> str:
        if self.managed is None:
            raise OperationInvalid("domain does not have managed save image")
        self.asked.append(("managed_save_xml", flags))
        return self.managed

    async def managed_save_define(self, xml: str, flags: int) -> None:
        self.asked.append(("managed_save_define", xml, flags))
        self.managed = xml or await self.managed_save_xml(0)

    def job_info(self) -> dict[str, int]:
        self.running()
        return {**NO_JOB, **(self.job or {})}

    def job_stats(self, flags: int) -> tuple[int, dict[str, Any]]:
        self.asked.append(("job_stats", flags))
        return self.stats

    async def abort_job(self, flags: int) -> None:
        self.running()
        self.asked.append(("abort_job", flags))
        if self.job is None:
            raise OperationInvalid("no job is active on the domain")
        self.job = None

    async def undefine(self, flags: int) -> None:
        self.persistent = False
        if not self.active:
            del self.owner.guests[self.name]

    async def set_autostart(self, autostart: bool) -> None:
        self.autostart = autostart

    async def set_autostart_once(self, once: bool) -> None:
        self.autostart_once = once

    async def open_console(self, device: str | None, flags: int) -> FakeConsole:
        self.running()
        self.asked.append(("console", device, flags))
        console = FakeConsole()
        self.consoles.append(console)
        return console

    async def monitor_command(self, command: str, flags: int) -> str:
        if command == "hang":
            await asyncio.Event().wait()
        if command == "bug":
            raise ZeroDivisionError("by nought")
        if command.startswith("big "):
            return "x" * int(command[4:])
        return f"{flags}:{command}"

    async def set_time(self, seconds: int, nseconds: int, flags: int) -> None:
        self.asked.append(("set_time", seconds, nseconds, flags))

    async def agent_command(self, command: str, timeout: int, flags: int) -> str | None:
        return None if command == "silent" else f"{timeout}:{command}"

    def running(self) -> None:
        if not self.active:
            raise OperationInvalid("domain is not running")

    def tell(self, kind: str, **args: Any) -> None:
        self.owner.events.emit(Event(kind, self.ref, args))


class FakeDomains:
    """The registry; a document needs no more than a name to be a guest."""

    def __init__(self, events: EventBus) -> None:
        self.events = events
        self.guests: dict[str, FakeGuest] = {}
        self.images: dict[str, str] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.last_id = 0

    def add(self, name: str) -> FakeGuest:
        guest = self.guests[name] = FakeGuest(self, name)
        return guest

    def all(self) -> list[FakeGuest]:
        return list(self.guests.values())

    def by_name(self, name: str) -> FakeGuest:
        return self._find(lambda g: g.name == name, f"no domain with matching name '{name}'")

    def by_uuid(self, uuid: bytes) -> FakeGuest:
        text = uuids.UUID(bytes=uuid)
        return self._find(lambda g: g.uuid == uuid, f"no domain with matching uuid '{text}'")

    def by_id(self, number: int) -> FakeGuest:
        return self._find(lambda g: g.id == number >= 0, f"no domain with matching id {number}")

    def resolve(self, handle: dict[str, Any]) -> FakeGuest:
        return self.by_uuid(handle["uuid"])

    def _find(self, wanted: Callable[[FakeGuest], bool], text: str) -> FakeGuest:
        for guest in self.guests.values():
            if wanted(guest):
                return guest
        raise DomainNotFound(text)

    async def define(self, xml: str, flags: int) -> FakeGuest:
        name = re.search(r"<name>(.*?)</name>", xml)
        if name is None:
            raise XmlInvalid("<xml>:1:1: a domain without a name")
        return self.guests.get(name[1]) or self.add(name[1])

    async def create(self, xml: str, flags: int, client_id: int | None) -> FakeGuest:
        guest = await self.define(xml, 0)
        guest.persistent = False
        await guest.start(flags, client_id)
        return guest

    async def restore(self, path: str, xml: str | None, flags: int) -> FakeGuest:
        self.asked.append(("restore", path, xml, flags))
        guest = await self.define(xml or self._image(path), 0)
        await guest.start(0, None)
        return guest

    async def save_image_xml(self, path: str, flags: int) -> str:
        self.asked.append(("save_image_xml", path, flags))
        return self._image(path)

    async def save_image_define(self, path: str, xml: str, flags: int) -> None:
        self.asked.append(("save_image_define", path, xml, flags))
        self._image(path)
        self.images[path] = xml

    async def verify_image(self, path: str) -> dict[str, Any]:
        whole = path in self.images
        return {
            "path": path,
            "verdict": "whole" if whole else "not checkable",
            "damage": "" if whole else "unreadable",
            "sentence": "" if whole else f"the saved state '{path}' cannot be read",
            "contents": {"path": path} if whole else {},
        }

    def _image(self, path: str) -> str:
        if path not in self.images:
            raise OperationFailed(f"no image at '{path}'")
        return self.images[path]

    async def xml_to_native(self, form: str, xml: str) -> str:
        return f"{form}: qemu-system-x86_64"


class FakeNode:
    """A host of two processors."""

    async def hostname(self) -> str:
        return "vm.example"

    def info(self) -> dict[str, Any]:
        return dict(INFO)

    async def version(self) -> int:
        return 7002022

    async def capabilities_xml(self) -> str:
        return "<capabilities/>"

    async def domain_capabilities_xml(self, *asked: Any) -> str:
        return f"<domainCapabilities><!-- {asked} --></domainCapabilities>"


class FakeHistory:
    """Starts that failed, of guests that there are."""

    def __init__(self, domains: FakeDomains) -> None:
        self.domains = domains

    async def why(self, guest: str) -> dict[str, Any]:
        return {"guest": self.domains.by_name(guest).name, "findings": []}

    async def of(self, guest: str) -> list[dict[str, Any]]:
        return [{"guest": guest, "verdict": "failed"}]

    async def diff(self, guest: str, before: str | None, after: str | None) -> dict[str, Any]:
        return {"guest": guest, "before": before, "after": after}


class FakeVerdict(SimpleNamespace):
    """A verdict as data is made of it."""

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "ok": True, "findings": []}


class FakeChecks:
    """Checks that find nothing."""

    def __init__(self, domains: FakeDomains) -> None:
        self.domains = domains

    async def all(self) -> list[FakeVerdict]:
        return [FakeVerdict(domain=guest.name) for guest in self.domains.all()]

    async def document(self, xml: str) -> FakeVerdict:
        return FakeVerdict(domain="", sentence="" if "<name>" in xml else "it has no name")


class FakeRepairing:
    """Repairs of guests that need none."""

    async def plan_document(self, xml: str) -> dict[str, Any]:
        return {"guest": "", "active": False, "items": []}

    async def apply_document(
        self, xml: str, keys: list[str], transaction: str | None
    ) -> dict[str, Any]:
        return {"guest": "", "transaction": transaction, "results": [], "xml": xml}

    async def define(self, xml: str, transaction: str | None) -> dict[str, Any]:
        return {"guest": "", "transaction": transaction}


def _pool_store() -> PoolStore:
    """A store of pools in memory; there are none."""
    places = SimpleNamespace(pools_dir="/pools", pools_autostart="/auto", pools_active="/active")
    return PoolStore(cast("Layout", places), ModelDisk(), "boot")


class FakeHypervisor:
    """What the daemon serves; ``gone`` records the clients it was told of."""

    def __init__(self, kind: str = "system") -> None:
        self.layout = SimpleNamespace(kind=kind)
        self.events = EventBus()
        self.domains = FakeDomains(self.events)
        self.pool_events = PoolEventBus()
        self.pools = Pools(_pool_store(), self.pool_events)
        self.volumes = Volumes(self.pools, lambda _path: "")
        self.node = FakeNode()
        self.gone: list[int] = []
        self.history = FakeHistory(self.domains)
        self.checks = FakeChecks(self.domains)
        self.repairing = FakeRepairing()

    def active_count(self) -> int:
        return sum(guest.active for guest in self.domains.all())

    def client_gone(self, client_id: int) -> None:
        self.gone.append(client_id)
        for guest in self.domains.all():
            if guest.active and guest.autodestroy == client_id:
                guest.id = -1

    async def check(self, guest: str) -> dict[str, Any]:
        return FakeVerdict(domain=self.domains.by_name(guest).name).to_dict()

    async def fix_plan(self, guest: str) -> dict[str, Any]:
        return {"guest": self.domains.by_name(guest).name, "active": False, "items": []}

    async def fix_apply(
        self, guest: str, keys: list[str], transaction: str | None
    ) -> dict[str, Any]:
        name = self.domains.by_name(guest).name
        return {"guest": name, "transaction": transaction, "results": []}

    async def fix_undo(self, guest: str) -> dict[str, Any]:
        raise OperationInvalid(f"nothing was mended for domain '{guest}'")

    def fix_list(self, guest: str) -> list[dict[str, Any]]:
        return [{"guest": self.domains.by_name(guest).name, "steps": []}]

    def boot_summary(self) -> dict[str, Any]:
        guests = [{"name": "mail", "outcome": "started"}]
        return {"guests": guests, "save_dir": "/saves"}

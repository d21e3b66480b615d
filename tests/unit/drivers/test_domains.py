"""What the registry keeps of a guest while calls and the end of its QEMU cross each other."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from virtup.drivers.domains import Domains
from virtup.drivers.guest import Guest
from virtup.errors import DomainNotFound, SystemError_, VirtError
from virtup.machine.events import EventBus
from virtup.machine.states import Shutoff
from virtup.model.domain import Domain, parse_domain

XML = """<domain type='qemu'><name>g</name>
<uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid><memory>65536</memory>
<os><type>hvm</type></os></domain>"""


class SlowStore:
    """A store whose writes wait until they are let go."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()
        self.go = threading.Event()
        self.written: list[str] = []
        self._loop = asyncio.get_running_loop()

    def write(self, domain: Domain) -> None:
        self._loop.call_soon_threadsafe(self.writing.set)
        assert self.go.wait(30)
        self.written.append(domain.name)

    def why_aside(self, name: str) -> str:
        return "'/etc/virtup/qemu/odd.xml' has no <uuid>" if name == "odd" else ""


class Launcher:
    """Completes a definition by taking it as it is."""

    async def complete(self, xml: str, **_how: Any) -> Domain:
        return parse_domain(xml)


@pytest.fixture
async def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
async def domains(store: SlowStore) -> Domains:
    parts: Any = SimpleNamespace(store=store, launcher=Launcher(), other=SimpleNamespace())
    parts.other.job_timeout_s = 30.0
    return Domains(
        parts.store,
        parts.launcher,
        EventBus(),
        parts.other,
        saving=parts.other,
        autostart=parts.other,
        clock=FakeClock(),
    )


def running(domains: Domains) -> tuple[Guest, Any]:
    """Return a transient guest that runs, and its machine."""
    machine: Any = SimpleNamespace(job=None, id=1, set_persistent=lambda _how: None)
    guest = Guest(domains, parse_domain(XML), persistent=False)
    guest.machine = machine
    domains._by_name[guest.name] = guest
    return guest, machine


async def test_a_guest_that_ends_while_it_is_defined_is_still_known(
    domains: Domains, store: SlowStore
) -> None:
    guest, machine = running(domains)
    defining = asyncio.ensure_future(domains.define(XML, 0))
    await store.writing.wait()
    domains._ended(guest, machine, Shutoff.DESTROYED)
    store.go.set()
    assert await defining is guest
    assert store.written == ["g"]
    assert domains.by_name("g") is guest
    assert guest.persistent
    assert not guest.active


async def test_a_transient_guest_that_ends_under_a_call_is_forgotten_after_it(
    domains: Domains,
) -> None:
    guest, machine = running(domains)
    async with guest.job("suspend"):
        domains._ended(guest, machine, Shutoff.CRASHED)
        assert domains.by_name("g") is guest
    with pytest.raises(DomainNotFound):
        domains.by_name("g")


async def test_a_call_that_waited_for_a_forgotten_guest_is_told_so(domains: Domains) -> None:
    guest, machine = running(domains)

    async def waiting() -> None:
        async with guest.job("resume"):
            pytest.fail("the guest is gone")

    async with guest.job("suspend"):
        second = asyncio.ensure_future(waiting())
        await asyncio.sleep(0)
        domains._ended(guest, machine, Shutoff.CRASHED)
    with pytest.raises(DomainNotFound, match="no domain with matching name 'g'"):
        await second


def test_a_guest_whose_file_was_left_aside_is_told_as_such(domains: Domains) -> None:
    with pytest.raises(DomainNotFound) as caught:
        domains.by_name("odd")
    assert caught.value.message == (
        "Domain not found: no domain with matching name 'odd'; its definition was left aside: "
        "'/etc/virtup/qemu/odd.xml' has no <uuid>"
    )
    with pytest.raises(DomainNotFound, match=r"'none'$"):
        domains.by_name("none")


async def test_a_definition_that_cannot_be_written_is_refused_with_its_cause(
    domains: Domains, store: SlowStore
) -> None:
    def write(domain: Domain) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"/etc/{domain.name}.xml")

    store.write = write  # type: ignore[method-assign]
    judged: dict[str, Any] = {}

    async def judge(error: VirtError, domain: Domain, **known: Any) -> None:
        judged.update(known, guest=domain.name)
        error.message += "\ncause:    full"

    domains._launcher.judged = judge  # type: ignore[assignment]
    with pytest.raises(SystemError_) as caught:
        await domains.define(XML, 0)
    assert caught.value.message == (
        "cannot write '/etc/g.xml': No space left on device\ncause:    full"
    )
    assert judged == {"errno": errno.ENOSPC, "path": "/etc/g.xml", "guest": "g"}
    assert domains.all() == []

"""Many calls at once: each ends as one of the ways it may, and nothing leaks."""

from __future__ import annotations

import os
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests import lab, remains
from virtup.client.connection import Connection, connect
from virtup.errors import Code, VirtError

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("VIRTUP_SEED", "11"))
UUID = "6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28"

ALLOWED = {
    Code.OPERATION_INVALID: (
        "domain is not running|domain is already running|is already active|"
        "destroyed while it started|transient domain"
    ),
    Code.NO_DOMAIN: "no domain with matching",
    Code.OPERATION_FAILED: "the connection to QEMU's monitor ended",
}
"""What a call may be refused with when another was first."""


def client(daemon: lab.Daemon) -> Connection:
    return connect(daemon.uri, autostart=False)


def held(daemon: lab.Daemon) -> tuple[int, int]:
    """How many files and threads the daemon has."""
    base = Path(f"/proc/{daemon.pid}")
    return len(os.listdir(base / "fd")), len(os.listdir(base / "task"))


def check(error: VirtError) -> None:
    """See that *error* is one that a race may end in."""
    assert re.search(ALLOWED.get(error.code, "(?!)"), error.message), error


def run_all(workers: list[Callable[[], None]]) -> None:
    """Run functions in threads of their own; raise the first of their errors."""
    errors: list[BaseException] = []

    def kept(worker: Callable[[], None]) -> None:
        try:
            worker()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=kept, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(lab.BOUND_S * 2)
        assert not thread.is_alive(), "a call never came back"
    if errors:
        raise errors[0]


def test_sixteen_guests_at_once(daemon: lab.Daemon, guest_dir: Path) -> None:
    names = [f"g{number}" for number in range(16)]
    text = {name: lab.domain_xml(name, guest_dir, memory_mib=64) for name in names}
    with client(daemon) as conn:  # one more, before, so that what is kept for good is there
        dom = conn.call("DOMAIN_CREATE_XML", xml_desc=text["g0"], flags=1)["dom"]
        conn.call("DOMAIN_DESTROY_FLAGS", dom=dom, flags=0)
    before, ids = held(daemon), []

    def create(name: str) -> None:
        with client(daemon) as conn:
            ids.append(conn.call("DOMAIN_CREATE_XML", xml_desc=text[name], flags=1)["dom"]["id"])

    def destroy(name: str) -> None:
        with client(daemon) as conn:
            dom = conn.call("DOMAIN_LOOKUP_BY_NAME", name=name)["dom"]
            conn.call("DOMAIN_DESTROY_FLAGS", dom=dom, flags=0)

    run_all([lambda name=name: create(name) for name in names])  # type: ignore[misc]
    assert len(set(ids)) == 16
    assert len(daemon.qemus()) == 16
    assert sorted(daemon.virsh("list", "--name").stdout.split()) == sorted(names)
    run_all([lambda name=name: destroy(name) for name in names])  # type: ignore[misc]
    remains.none(daemon)
    lab.eventually(lambda: held(daemon)[0] <= before[0], f"files: {held(daemon)}, were {before}")


def test_one_definition_created_by_eight_clients_runs_once(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    text = lab.domain_xml("g", guest_dir).replace("<vcpu>", f"<uuid>{UUID}</uuid><vcpu>")
    outcomes: Counter[str] = Counter()

    def create() -> None:
        with client(daemon) as conn:
            try:
                conn.call("DOMAIN_CREATE_XML", xml_desc=text, flags=1)
            except VirtError as error:
                check(error)
                outcomes["refused"] += 1
            else:
                outcomes["created"] += 1

    run_all([create] * 8)
    assert outcomes == {"created": 1, "refused": 7}
    assert len(daemon.qemus()) == 1
    daemon.virsh("destroy", "g")
    remains.none(daemon)


class Player:
    """A client that does to one guest whatever comes to its mind."""

    def __init__(self, daemon: lab.Daemon, text: str, chance: random.Random) -> None:
        self.conn = client(daemon)
        self.text = text
        self.chance = chance
        self.did: Counter[str] = Counter()

    def play(self, turns: int) -> None:
        """Make calls; each succeeds or is refused for a reason that a race explains."""
        with self.conn:
            for _ in range(turns):
                verb = self.chance.choice(list(self.verbs))
                try:
                    self.verbs[verb](self)
                except VirtError as error:
                    check(error)
                    self.did[f"{verb} refused"] += 1
                else:
                    self.did[verb] += 1

    def on_guest(self, name: str, **more: Any) -> None:
        dom = self.conn.call("DOMAIN_LOOKUP_BY_NAME", name="g")["dom"]
        self.conn.call(name, dom=dom, **more)

    verbs: ClassVar[dict[str, Callable[[Player], Any]]] = {
        "define": lambda self: self.conn.call("DOMAIN_DEFINE_XML_FLAGS", xml=self.text, flags=0),
        "undefine": lambda self: self.on_guest("DOMAIN_UNDEFINE_FLAGS", flags=0),
        "create": lambda self: self.conn.call("DOMAIN_CREATE_XML", xml_desc=self.text, flags=1),
        "mine": lambda self: self.conn.call("DOMAIN_CREATE_XML", xml_desc=self.text, flags=3),
        "start": lambda self: self.on_guest("DOMAIN_CREATE_WITH_FLAGS", flags=1),
        "destroy": lambda self: self.on_guest("DOMAIN_DESTROY_FLAGS", flags=0),
        "suspend": lambda self: self.on_guest("DOMAIN_SUSPEND"),
        "xml": lambda self: self.on_guest("DOMAIN_GET_XML_DESC", flags=0),
        "list": lambda self: self.conn.call("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=0),
        "autostart": lambda self: self.on_guest("DOMAIN_SET_AUTOSTART", autostart=1),
    }


def test_four_clients_and_one_guest(daemon: lab.Daemon, guest_dir: Path) -> None:
    text = lab.domain_xml("g", guest_dir, memory_mib=64)
    text = text.replace("<vcpu>", f"<uuid>{UUID}</uuid><vcpu>")
    with client(daemon) as conn:
        dom = conn.call("DOMAIN_CREATE_XML", xml_desc=text, flags=1)["dom"]
        conn.call("DOMAIN_DESTROY_FLAGS", dom=dom, flags=0)
    before = held(daemon)
    players = [Player(daemon, text, random.Random(SEED + number)) for number in range(4)]
    run_all([lambda player=player: player.play(60) for player in players])  # type: ignore[misc]
    did = sum((player.did for player in players), Counter[str]())
    for verb in ("destroy", "define", "undefine"):
        assert did[verb], did
    assert did["start"] + did["create"] + did["mine"], did
    virsh = daemon.virsh
    virsh("destroy", "g", check=False)
    lab.eventually(lambda: virsh("list", "--name").stdout.split() == [], "it is off")
    virsh("undefine", "g", check=False)
    assert virsh("list", "--all", "--name").stdout.split() == []
    remains.none(daemon)
    assert not list((daemon.root / "etc" / "qemu").glob("*.xml"))
    assert not list((daemon.root / "etc" / "qemu" / "autostart").iterdir())
    lab.eventually(lambda: held(daemon)[0] <= before[0], f"files: {held(daemon)}, were {before}")
    assert "Traceback" not in daemon.log
    assert "did not end" not in daemon.log

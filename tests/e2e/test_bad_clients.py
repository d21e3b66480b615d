"""Clients that send garbage, never read, or die in mid-call: they hurt nobody and leave nothing."""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab, remains
from virtup.client.connection import Connection, connect
from virtup.errors import VirtError
from virtup.wire.session import ClientSession
from virtup.wire.tables import REMOTE

pytestmark = pytest.mark.e2e

MEMORY_KIB = 300 * 1024
"""What a daemon may have taken at most, whatever its clients do; it takes about 45 MiB by itself."""

SLOW = f"""#!/bin/sh
case "$*" in *"-machine none"*) exec {lab.QEMU} "$@";; esac
sleep 0.5
exec {lab.QEMU} "$@"
"""
"""An emulator that gives a client time to die in."""


def assert_well(daemon: lab.Daemon) -> None:
    """It lives, answers, and has not grown."""
    assert daemon.virsh("uri").stdout.strip() == daemon.uri
    (peak,) = [
        int(line.split()[1])
        for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    assert peak < MEMORY_KIB
    assert "Traceback" not in daemon.log


def link(daemon: lab.Daemon) -> socket.socket:
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(lab.BOUND_S)
    end.connect(str(daemon.root / "run" / "virtup-sock"))
    return end


def client(daemon: lab.Daemon) -> Connection:
    return connect(daemon.uri, autostart=False)


def packet(name: str, args: dict[str, object]) -> bytes:
    """A call as a client sends it first."""
    return ClientSession().call(REMOTE, name, args)[1]


def is_dropped(end: socket.socket) -> bool:
    """Read until the daemon hangs up."""
    try:
        while end.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


def open_fds(daemon: lab.Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def test_packets_of_impossible_lengths(daemon: lab.Daemon) -> None:
    for length in (0, 27, 33554437, 2**31, 2**32 - 1):
        with link(daemon) as end:
            end.sendall(struct.pack(">I", length) + b"\0" * 24)
            assert is_dropped(end)
    assert_well(daemon)


def test_a_long_packet_that_never_ends(daemon: lab.Daemon) -> None:
    with link(daemon) as end, link(daemon) as other:
        end.sendall(struct.pack(">I", 33554432) + b"\0" * 1000)
        other.sendall(struct.pack(">IIIIIII", 33554432, REMOTE, 1, 1, 0, 1, 0))
        other.sendall(b"\0" * (30 << 20))
        assert_well(daemon)


def test_mutations_of_good_packets(daemon: lab.Daemon) -> None:
    chance = random.Random(7)
    xml = "<domain type='qemu'><name>g</name></domain>"
    good = [
        packet("CONNECT_OPEN", {"name": None, "flags": 0}),
        packet("DOMAIN_CREATE_XML", {"xml_desc": xml, "flags": 1}),
        packet("CONNECT_LIST_ALL_DOMAINS", {"need_results": 1, "flags": 3}),
    ]
    for _ in range(300):
        bad = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 6)):
            bad[chance.randrange(4, len(bad))] = chance.choice((0, 1, 127, 255))
        with link(daemon) as end:
            end.sendall(good[0] + bad)
            end.shutdown(socket.SHUT_WR)
            assert is_dropped(end)
    assert_well(daemon)


def test_a_client_that_calls_and_never_reads(daemon: lab.Daemon) -> None:
    packets = [packet("CONNECT_OPEN", {"name": None, "flags": 0})]
    packets += [packet("CONNECT_GET_CAPABILITIES", {}) for _ in range(5000)]
    with link(daemon) as end:
        end.setblocking(False)
        rest = memoryview(b"".join(packets))
        while rest and select.select([], [end], [], 1)[1]:
            rest = rest[end.send(rest) :]
        assert_well(daemon)
    assert_well(daemon)


def test_a_client_that_never_reads_while_events_flood(daemon: lab.Daemon, guest_dir: Path) -> None:
    xml = daemon.root / "g.xml"
    xml.write_text(lab.domain_xml("g", guest_dir))
    with client(daemon) as deaf, client(daemon) as good:
        created = good.call("DOMAIN_CREATE_XML", xml_desc=xml.read_text(), flags=1)["dom"]
        for _ in range(1000):
            deaf.call_qemu("CONNECT_DOMAIN_MONITOR_EVENT_REGISTER", dom=None, event=None, flags=0)
        with pytest.raises(VirtError, match="1000 event callbacks and may have no more"):
            deaf.call_qemu("CONNECT_DOMAIN_MONITOR_EVENT_REGISTER", dom=None, event=None, flags=0)
        while "it did not read, and more than" not in daemon.log:
            good.call("DOMAIN_RESUME", dom=created)
            good.call("DOMAIN_SUSPEND", dom=created)
        assert_well(daemon)
        good.call("DOMAIN_DESTROY_FLAGS", dom=created, flags=0)
    remains.none(daemon)


def test_more_clients_than_allowed(make_daemon: Callable[..., lab.Daemon]) -> None:
    daemon = make_daemon(start=False)
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text("max_clients = 3\n")
    daemon.start()
    before = open_fds(daemon)
    ends = [link(daemon) for _ in range(3)]
    for _ in range(20):
        with link(daemon) as end:
            assert is_dropped(end)
    for end in ends:
        end.close()
    lab.eventually(lambda: open_fds(daemon) <= before, "all are closed")
    assert_well(daemon)


def slow(daemon: lab.Daemon, guest_dir: Path) -> Path:
    """The definition of a guest that takes its time to start."""
    emulator = daemon.root / "slow"
    emulator.write_text(SLOW)
    emulator.chmod(0o755)
    xml = daemon.root / "g.xml"
    xml.write_text(lab.domain_xml("g", guest_dir).replace(lab.QEMU, str(emulator)))
    return xml


def starting(daemon: lab.Daemon) -> bool:
    status = daemon.root / "run" / "qemu" / "g.status.json"
    return status.exists() and '"starting":true' in status.read_text()


def test_a_client_that_dies_while_its_guest_starts(daemon: lab.Daemon, guest_dir: Path) -> None:
    xml = slow(daemon, guest_dir)
    with daemon.virsh.popen("create", xml, "--paused") as virsh:
        lab.eventually(lambda: starting(daemon), "the start is under way")
        virsh.kill()
        virsh.communicate()
    lab.eventually(
        lambda: daemon.virsh("list", "--name").stdout.split() == ["g"] and not starting(daemon),
        "the guest runs without its client",
    )
    assert len(daemon.qemus()) == 1
    daemon.virsh("destroy", "g")
    remains.none(daemon)


def test_a_client_that_dies_while_its_own_guest_starts(daemon: lab.Daemon, guest_dir: Path) -> None:
    xml = slow(daemon, guest_dir)
    with daemon.virsh.popen("create", xml, "--autodestroy") as virsh:
        lab.eventually(lambda: starting(daemon), "the start is under way")
        virsh.kill()
        virsh.communicate()
    remains.none(daemon)
    assert daemon.virsh("list", "--all", "--name").stdout.split() == []


def test_a_guest_goes_with_its_client(daemon: lab.Daemon, guest_dir: Path) -> None:
    xml = daemon.root / "g.xml"
    xml.write_text(lab.domain_xml("g", guest_dir))
    for flags, stays in ((2, False), (0, True)):
        conn = client(daemon)
        conn.call("DOMAIN_CREATE_XML", xml_desc=xml.read_text(), flags=1 | flags)
        conn.close()
        if not stays:
            remains.none(daemon)
        else:
            assert daemon.virsh("domstate", "g").stdout.strip() == "paused"
    daemon.virsh("destroy", "g")


def test_a_client_that_dies_at_a_console_frees_it(daemon: lab.Daemon, guest_dir: Path) -> None:
    xml = daemon.root / "g.xml"
    xml.write_text(lab.domain_xml("g", guest_dir))
    daemon.virsh("create", xml)
    before = open_fds(daemon)
    for _ in range(3):
        conn = client(daemon)
        dom = conn.call("DOMAIN_LOOKUP_BY_NAME", name="g")["dom"]
        conn.stream("DOMAIN_OPEN_CONSOLE", dom=dom, dev_name=None, flags=0)
        conn.close()
        lab.eventually(lambda: open_fds(daemon) <= before, "its console is closed")
    with lab.Terminal(["virsh", "-c", daemon.uri, "console", "g"]) as console:
        console.until("tick")
    daemon.virsh("destroy", "g")
    remains.none(daemon)


def test_calls_under_way_when_the_daemon_is_told_to_end(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    xml = slow(daemon, guest_dir)
    with daemon.virsh.popen("create", xml, "--paused") as virsh:
        lab.eventually(lambda: starting(daemon), "the start is under way")
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        assert virsh.wait(lab.BOUND_S) == 1
        virsh.communicate()
        assert daemon.process.wait(lab.BOUND_S) == 0
    assert daemon.qemus() == []
    remains.none(daemon)
    daemon.start()
    assert daemon.virsh("list", "--all", "--name").stdout.split() == []
    assert "Traceback" not in daemon.log

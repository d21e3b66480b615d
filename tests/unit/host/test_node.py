"""The host as libvirt tells of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from virtup.host import node, proc


def test_the_host_is_as_other_programs_see_it() -> None:
    info = node.info()
    assert info.model == os.uname().machine
    assert info.cpus == os.sysconf("SC_NPROCESSORS_ONLN")
    meminfo = Path("/proc/meminfo").read_text().split()
    assert info.memory_kib == int(meminfo[meminfo.index("MemTotal:") + 1])
    assert info.nodes * info.sockets * info.cores * info.threads >= info.cpus


def test_the_topology_is_as_lscpu_sees_it() -> None:
    if shutil.which("lscpu") is None:
        pytest.skip("no lscpu here")
    rows = subprocess.run(["lscpu", "-p=SOCKET,CORE"], capture_output=True, text=True, check=True)
    cores = {row for row in rows.stdout.splitlines() if not row.startswith("#")}
    info = node.info()
    if info.threads * len(cores) == info.cpus:
        assert info.nodes * info.sockets * info.cores == len(cores)
    else:
        assert (info.nodes, info.sockets, info.cores, info.threads) == (1, 1, info.cpus, 1)


def cpu(root: Path, number: int, package: int, core: int) -> None:
    topology = root / f"cpu{number}" / "topology"
    topology.mkdir(parents=True)
    (topology / "physical_package_id").write_text(f"{package}\n")
    (topology / "core_id").write_text(f"{core}\n")


def host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpus: list[tuple[int, int]], **lists: str
) -> node.NodeInfo:
    """Read a host of (package, core) processors; *lists* are online, present, node0, node1."""
    for number, (package, core) in enumerate(cpus):
        cpu(tmp_path, number, package, core)
    every = f"0-{len(cpus) - 1}"
    (tmp_path / "online").write_text(lists.get("online", every))
    (tmp_path / "present").write_text(lists.get("present", every))
    nodes = [name for name in lists if name.startswith("node")]
    for name in nodes:
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "cpulist").write_text(lists[name])
        (tmp_path / "nodes" / "online").write_text(f"0-{len(nodes) - 1}")
    monkeypatch.setattr(node, "_CPU", str(tmp_path))
    monkeypatch.setattr(node, "_NODE", str(tmp_path / "nodes"))
    return node.info()


def shape(info: node.NodeInfo) -> tuple[int, int, int, int, int]:
    return info.cpus, info.nodes, info.sockets, info.cores, info.threads


def test_threads_and_packages_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpus = [(p, c) for p in (0, 1) for c in (0, 1, 2) for _ in (0, 1)]
    assert shape(host(tmp_path, monkeypatch, cpus)) == (12, 1, 2, 3, 2)


def test_sockets_are_those_of_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpus = [(0, 0), (0, 1), (1, 0), (1, 1)]
    found = host(tmp_path, monkeypatch, cpus, node0="0-1", node1="2,3")
    assert shape(found) == (4, 2, 1, 2, 1)


def test_an_uneven_host_is_told_as_single_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpus = [(0, 0), (0, 0), (0, 1)]
    assert shape(host(tmp_path, monkeypatch, cpus)) == (3, 1, 1, 3, 1)


def test_processors_that_are_offline_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpus = [(0, 0), (0, 0), (0, 1), (0, 1)]
    found = host(tmp_path, monkeypatch, cpus, online="0,2-3", present="0-3")
    assert shape(found) == (3, 1, 1, 3, 1)


def test_a_container_that_shows_nothing_still_has_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "_CPU", str(tmp_path))
    monkeypatch.setattr(node, "_NODE", str(tmp_path))
    info = node.info()
    assert info.cpus == os.cpu_count()
    assert info.nodes * info.sockets * info.cores * info.threads == info.cpus


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("0", (0,)), ("0-2", (0, 1, 2)), ("0-1,4,6-7", (0, 1, 4, 6, 7))]
)
def test_the_kernels_lists(text: str, numbers: tuple[int, ...]) -> None:
    assert node._ranges(text) == numbers


def test_a_process_uses_time_and_memory() -> None:
    before = node.cpu_time_ns(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    after = node.cpu_time_ns(os.getpid())
    assert before is not None
    assert after is not None
    assert 40_000_000 <= after - before
    assert after <= (time.process_time() + 1) * 1e9
    resident = node.rss_kib(os.getpid())
    assert resident is not None
    assert 5_000 < resident < 5_000_000


def test_a_process_that_is_gone_has_used_nothing() -> None:
    assert node.cpu_time_ns(2**22 + 1) is None
    assert node.rss_kib(2**22 + 1) is None
    assert proc.stat(2**22 + 1) is None


def test_names() -> None:
    assert node.kernel() == os.uname().release
    assert len(node.boot_id()) == 36
    assert node.boot_id() == node.boot_id()


@pytest.mark.parametrize(
    ("name", "canonical", "expected"),
    [
        ("h", "h.example.org", "h.example.org"),
        ("h", "localhost.localdomain", "h"),
        ("h", "", "h"),
        ("h", None, "h"),
        ("h.lan", "other", "h.lan"),
        ("localhost", "other", "localhost"),
    ],
)
def test_a_hosts_name_is_the_full_one_where_it_is_known(
    monkeypatch: pytest.MonkeyPatch, name: str, canonical: str | None, expected: str
) -> None:
    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        if canonical is None:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, canonical, ("::1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(os, "uname", lambda: type("U", (), {"nodename": name}))
    assert node.hostname() == expected


def test_macs_are_qemus_and_differ() -> None:
    macs = {node.random_mac() for _ in range(20)}
    assert len(macs) > 15
    assert all(mac.startswith("52:54:00:") and len(mac) == 17 for mac in macs)

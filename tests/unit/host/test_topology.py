"""The host's processors and memory, from a /sys of our own and from the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virtup.host import topology


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two nodes of two cores with two threads each; the last processor is offline."""
    cpu, node = tmp_path / "cpu", tmp_path / "node"
    put(cpu / "online", "0-6")
    put(node / "online", "0-1")
    for number in range(7):
        here = cpu / f"cpu{number}"
        first = number - number % 2
        put(here / "topology/physical_package_id", str(number // 4))
        put(here / "topology/die_id", "0")
        put(here / "topology/core_id", str(number // 2 % 2))
        put(here / "topology/thread_siblings_list", f"{first}-{first + 1}")
        for level, kind, size in ((1, "Data", "32K"), (3, "Unified", "16384K")):
            cache = here / f"cache/index{level}"
            put(cache / "level", str(level))
            put(cache / "type", kind)
            put(cache / "size", size)
            put(cache / "id", str(number // 4))
            put(cache / "shared_cpu_list", "0-3" if number < 4 else "4-6")
    for number in range(2):
        put(node / f"node{number}/cpulist", "0-3" if number == 0 else "4-7")
        put(node / f"node{number}/distance", "10 21" if number == 0 else "21 10")
        put(node / f"node{number}/meminfo", f"Node {number} MemTotal:     1048576 kB\n")
        put(node / f"node{number}/hugepages/hugepages-2048kB/nr_hugepages", "64")
    monkeypatch.setattr(topology, "_CPU", str(cpu))
    monkeypatch.setattr(topology, "_NODE", str(node))
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_nodes_have_their_memory_and_processors(tree: Path) -> None:
    first, second = topology.cells()
    assert (first.number, second.number) == (0, 1)
    assert first.memory_kib == 1024 * 1024
    small = os.sysconf("SC_PAGE_SIZE") // 1024
    assert first.pages == ((small, (1048576 - 64 * 2048) // small), (2048, 64))
    assert first.distances == ((0, 10), (1, 21))
    assert [cpu.number for cpu in second.processors] == [4, 5, 6]
    seen = second.processors[2]
    assert (seen.socket, seen.die, seen.core, seen.siblings) == (1, 0, 1, "6-7")


def test_shared_caches_are_named_once(tree: Path) -> None:
    first, second = topology.caches()
    assert (first.number, first.level, first.kind, first.size_kib) == (0, 3, "both", 16384)
    assert (first.cpus, second.cpus) == ("0-3", "4-6")


def test_a_kernel_without_numa_has_one_node(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "_NODE", str(tree / "nope"))
    (only,) = topology.cells()
    assert only.memory_kib > 0
    assert len(only.processors) == 7


@pytest.mark.parametrize(
    ("firmware", "machine_id", "expected"),
    [
        ("4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "", "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"),
        ("", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"),
        (
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "0123456789abcdef0123456789abcdef",
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
        ("Not Settable", "", None),
    ],
)
def test_the_hosts_uuid(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    firmware: str,
    machine_id: str,
    expected: str | None,
) -> None:
    put(tmp_path / "dmi", firmware)
    put(tmp_path / "id", machine_id)
    monkeypatch.setattr(topology, "_UUIDS", tuple(f"{tmp_path}/{n}" for n in ("no", "dmi", "id")))
    assert topology.host_uuid() == expected


def test_this_host_is_told_as_it_is() -> None:
    cells = topology.cells()
    cpus = [cpu.number for cell in cells for cpu in cell.processors]
    assert sorted(cpus) == sorted(set(cpus))
    assert len(cpus) == os.cpu_count()
    assert all(cell.memory_kib > 0 for cell in cells)
    assert topology.page_sizes_kib()[0] == os.sysconf("SC_PAGE_SIZE") // 1024
    model = topology.cpu_model()
    if os.uname().machine == "x86_64":
        assert model.family > 0
        assert model.physical_bits > 0

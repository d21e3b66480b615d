"""Guests that are bound to processors and NUMA nodes of the host, with a real QEMU."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import lab

pytestmark = pytest.mark.e2e


def allowed(pid: int, thread: int) -> set[int]:
    """The processors that a thread may run on."""
    assert (Path("/proc") / str(pid) / "task" / str(thread)).exists()
    return os.sched_getaffinity(thread)


def monitor(daemon: lab.Daemon, command: str) -> Any:
    asked = json.dumps({"execute": command})
    return json.loads(daemon.virsh("qemu-monitor-command", "g", asked).stdout)["return"]


def test_threads_run_where_the_definition_pins_them(daemon: lab.Daemon, guest_dir: Path) -> None:
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        pytest.skip("one processor only: nothing to choose from")
    first, second = mine[:2]
    tune = (
        "<vcpu>2</vcpu><iothreads>1</iothreads><cputune>"
        f"<vcpupin vcpu='0' cpuset='{second}'/><emulatorpin cpuset='{first}'/>"
        f"<iothreadpin iothread='1' cpuset='{second}'/></cputune>"
        "<numatune><memory mode='strict' nodeset='0'/></numatune>"
    )
    path = daemon.root / "g.xml"
    path.write_text(lab.domain_xml("g", guest_dir).replace("<vcpu>1</vcpu>", tune))
    daemon.virsh("define", path)
    daemon.virsh("start", "g")
    pid = daemon.qemu("g")
    threads = {one["cpu-index"]: one["thread-id"] for one in monitor(daemon, "query-cpus-fast")}
    (io,) = (one["thread-id"] for one in monitor(daemon, "query-iothreads"))
    assert allowed(pid, pid) == {first}
    assert allowed(pid, threads[0]) == {second}
    assert {first, second} <= allowed(pid, threads[1])
    assert allowed(pid, io) == {second}
    (backend,) = monitor(daemon, "query-memdev")
    assert (backend["policy"], backend["host-nodes"]) == ("bind", [0])


def test_a_processor_that_is_not_there_is_named(daemon: lab.Daemon, guest_dir: Path) -> None:
    tune = "<vcpu>1</vcpu><cputune><vcpupin vcpu='0' cpuset='4000'/></cputune>"
    path = daemon.root / "g.xml"
    path.write_text(lab.domain_xml("g", guest_dir).replace("<vcpu>1</vcpu>", tune))
    daemon.virsh("define", path)
    for said in (
        daemon.virsh("start", "g", check=False).stderr,
        daemon.virtup("check", "g", check=False).stdout,
    ):
        assert "<vcpupin vcpu='0'> pins the guest to the host's CPU 4000" in " ".join(said.split())
        assert "[VU381]" in said


def test_a_guest_has_numa_nodes_of_its_own(daemon: lab.Daemon, guest_dir: Path) -> None:
    head = (
        "<vcpu>2</vcpu><cpu><numa><cell cpus='0' memory='64' unit='MiB'/>"
        "<cell memory='96' unit='MiB' cpus='1'/></numa></cpu>"
        "<numatune><memnode cellid='1' mode='preferred' nodeset='0'/></numatune>"
    )
    text = lab.domain_xml("g", guest_dir).replace("<vcpu>1</vcpu>", head)
    text = text.replace("<memory ", "<maxMemory slots='2' unit='MiB'>512</maxMemory><memory ", 1)
    path = daemon.root / "g.xml"
    path.write_text(text)
    daemon.virsh("define", path)
    daemon.virsh("start", "g")
    found = {one["id"]: (one["size"], one["policy"]) for one in monitor(daemon, "query-memdev")}
    mib = 1 << 20
    assert found == {"ram-node0": (64 * mib, "default"), "ram-node1": (96 * mib, "preferred")}
    summary = monitor(daemon, "query-memory-size-summary")
    assert summary == {"base-memory": 160 * mib, "plugged-memory": 0}


def test_memory_that_can_grow_needs_a_numa_node(daemon: lab.Daemon, guest_dir: Path) -> None:
    text = lab.domain_xml("g", guest_dir)
    text = text.replace("<memory ", "<maxMemory slots='2' unit='MiB'>512</maxMemory><memory ", 1)
    path = daemon.root / "g.xml"
    path.write_text(text)
    refused = daemon.virsh("define", path, check=False).stderr
    assert "At least one numa node has to be configured when enabling memory hotplug" in refused
    assert "fix: " in refused

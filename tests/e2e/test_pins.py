"""Guests that are bound to processors and NUMA nodes of the host, with a real QEMU."""

import json
import os
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e


def allowed(pid: int, thread: int) -> set[int]:
    """The processors that a thread may run on."""
    assert (Path("/proc") / str(pid) / "task" / str(thread)).exists()
    return os.sched_getaffinity(thread)


def monitor(daemon: lab.Daemon, command: str) -> list[dict[str, object]]:
    asked = json.dumps({"execute": command})
    found: list[dict[str, object]] = json.loads(
        daemon.virsh("qemu-monitor-command", "g", asked).stdout
    )["return"]
    return found


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
    threads = {
        int(str(one["cpu-index"])): int(str(one["thread-id"]))
        for one in monitor(daemon, "query-cpus-fast")
    }
    (io,) = (int(str(one["thread-id"])) for one in monitor(daemon, "query-iothreads"))
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

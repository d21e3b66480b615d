"""A host that cannot give a guest its memory: told, mended, started."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.e2e import test_findings
from tests.e2e.test_accepted import may_lift_limits
from tests.e2e.test_findings import Guest, guest, served
from tests.e2e.test_findings_kvm import OWN_DEV

__all__ = ["guest", "served"]

pytestmark = test_findings.pytestmark
GROUPS = Path("/sys/fs/cgroup/memory")
LIMIT, ENOUGH = 320 << 20, 2 << 30
TOUCHED = (
    "<qemu:commandline><qemu:arg value='-object'/>"
    "<qemu:arg value='memory-backend-ram,id=touched,size=800M,prealloc=on'/></qemu:commandline>"
)
"""Memory that QEMU takes in full while it starts, as with `<allocation mode='immediate'/>`."""


def test_more_than_a_process_may_have(make_daemon: Callable[..., lab.Daemon], guest: Guest) -> None:
    daemon = make_daemon(start=False)
    daemon.program = ["prlimit", f"--as={8 << 30}", *daemon.program]
    daemon.start()
    guest.daemon = daemon
    guest.text["memory"] = str(16 << 10)
    guest.told("VU070", "16 GiB", "a process may have 8192 MiB", "lower <memory>")
    guest.text["memory"] = "64"
    guest.starts()


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory, whose limit holds for what is started in it."""
    if not (GROUPS / "memory.limit_in_bytes").exists():
        pytest.skip("no control groups of the first version for memory")
    made = GROUPS / f"vt{uuid.uuid4().hex[:8]}"
    made.mkdir()
    (made / "memory.limit_in_bytes").write_text(str(LIMIT))
    yield made
    lab.eventually(lambda: not (made / "cgroup.procs").read_text(), "the group is empty")
    made.rmdir()


@pytest.fixture
def within(group: Path, make_daemon: Callable[..., lab.Daemon], guest: Guest) -> Iterator[Guest]:
    daemon = make_daemon(start=False)
    join = f'echo $$ >{group}/cgroup.procs; exec "$@"'
    daemon.program = ["sh", "-c", join, "sh", *daemon.program]
    daemon.start()
    guest.daemon = daemon
    yield guest
    daemon.close()


@pytest.mark.root
def test_killed_for_memory(within: Guest, group: Path) -> None:
    within.text["raw"] = TOUCHED
    said = within.told("VU051", "The kernel killed QEMU (pid", f"'/{group.name}'", "320 MiB")
    assert "raise the limit" in said
    (group / "memory.limit_in_bytes").write_text(str(ENOUGH))
    within.starts()


@pytest.mark.root
@pytest.mark.parametrize("by", ["limit", "definition"])
def test_not_to_be_locked(make_daemon: Callable[..., lab.Daemon], guest: Guest, by: str) -> None:
    """As in a container: root, and no right to raise a limit."""
    daemon = make_daemon(start=False)
    free = daemon.program
    powerless = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"]
    daemon.program = ["prlimit", f"--memlock={8 << 20}", *powerless, *free]
    daemon.start()
    guest.daemon = daemon
    guest.text["raw"] = "<memoryBacking><locked/></memoryBacking>"
    guest.told("VU072", "64 MiB", "<locked/>", "8 MiB at most", "raise the daemon's limit")
    if by == "limit":
        if not may_lift_limits():
            pytest.skip("this root may not raise the limit of locked memory either")
        daemon.stop()
        daemon.program = free
        daemon.start()
    else:
        del guest.text["raw"]
    guest.starts()


@pytest.fixture
def no_pages() -> Iterator[None]:
    """No huge page is reserved on this host; what a fix reserves is given back."""
    reserved = Path("/proc/sys/vm/nr_hugepages")
    with lab.huge_pages():
        if reserved.read_text().strip() != "0":
            pytest.skip("this host has reserved huge pages, which are not ours to take")
        yield
        reserved.write_text("0")


@pytest.mark.root
@pytest.mark.usefixtures("no_pages")
def test_no_huge_pages(make_daemon: Callable[..., lab.Daemon], guest: Guest) -> None:
    """First no hugetlbfs is there, then too few pages: each fix leads a step on."""
    daemon = make_daemon(start=False)
    daemon.program = lab.on_a_host_where(OWN_DEV, daemon.program)
    daemon.start()
    guest.daemon = daemon
    guest.inside = ("nsenter", "-t", str(daemon.pid), "-m")
    guest.text["raw"] = "<memoryBacking><hugepages/></memoryBacking>"
    guest.mend(guest.told("VU308", "pages of 2 MiB is mounted"))
    guest.mend(guest.told("VU071", "needs 32 huge pages of 2 MiB", "has 0 free"))
    guest.starts()

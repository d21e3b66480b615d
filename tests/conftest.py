"""Fixtures of every test: the guest, a daemon in its own folder, its two clients."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests import figures, lab

settings.register_profile(
    "any host",
    deadline=None,  # how fast this host is now says nothing of the code
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any host")

TEST_S = 300
"""No test needs as long, but one that says how long with the mark ``bound``; it has hung."""


def pytest_configure(config: pytest.Config) -> None:
    """Have figures printed at the end, and one guest for all processes of the run."""
    config.pluginmanager.register(figures.Figures())
    if getattr(config.option, "numprocesses", None) and lab.GUEST_MADE not in os.environ:
        os.environ[lab.GUEST_MADE] = str(lab.make_guest())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: of two processes none is to wait for the other at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


def pytest_report_header() -> list[str]:
    """Name the programs that the run stands on."""

    def version(*command: str) -> str:
        if not shutil.which(command[0]):
            return "absent"
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).partition("\n")[0].strip()

    kvm = "there" if Path("/dev/kvm").exists() else "absent"
    shared = "there" if lab.CONFORMANCE.is_dir() else "absent"
    user = "root" if lab.IS_ROOT else "not root"
    return [
        f"qemu: {version(lab.QEMU, '--version')}",
        f"virsh: {version('virsh', '--version')}, kernel: {platform.release()}, {user}",
        f"/dev/kvm: {kvm}, conformance cases: {shared}",
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, aloud, what only root can do."""
    if item.get_closest_marker("root") and not lab.IS_ROOT:
        pytest.skip("not root")


@contextmanager
def bounded(what: str, bound_s: int = TEST_S) -> Iterator[None]:
    """Fail *what* when it hangs, with the place where it does; no run of all tests may hang."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"{what} took more than {bound_s} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(bound_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Bound the test itself."""
    own = item.get_closest_marker("bound")
    with bounded(item.name, own.args[0] if own else TEST_S):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Bound what a test stands on."""
    if signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        return (yield)
    with bounded(f"the fixture '{fixturedef.argname}'"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Bound the clean-up."""
    with bounded(f"the end of {item.name}"):
        return (yield)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> figures.Tell:
    """``tell("69 states, none lost")``: a line for the end of the run."""
    return figures.lines(request.config).append


@pytest.fixture(scope="session")
def guest_dir() -> Path:
    """The folder with vmlinuz, initrd.img, initrd-agent.img and disk.img; read it only."""
    return lab.guest_dir()


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder with recorded domain XML cases; a test that needs it skips without it."""
    if not lab.CONFORMANCE.is_dir():
        pytest.skip("the conformance cases are not here (VIRTUP_CONFORMANCE)")
    return lab.CONFORMANCE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with facts, corpus and recorded faults; a test that needs it skips without it."""
    if not lab.SHARED.is_dir():
        pytest.skip("the recorded facts are not here (VIRTUP_SHARED)")
    return lab.SHARED


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A short folder that QEMU's user can pass through; pytest's own are too long and too shut."""
    place = lab.scratch()
    yield place
    lab.discard(place)


@pytest.fixture
def make_daemon() -> Iterator[Callable[..., lab.Daemon]]:
    """Make daemons, each in a folder of its own: ``make_daemon("--timeout", "1", kind="session")``.

    They are started unless ``start=False``; at the end they and their guests are gone.
    """
    made: list[lab.Daemon] = []

    def make(*options: str, kind: str = lab.KIND, start: bool = True) -> lab.Daemon:
        daemon = lab.Daemon(lab.scratch(), *options, kind=kind)
        made.append(daemon)
        if start:
            daemon.start()
        return daemon

    yield make
    for daemon in made:
        daemon.close()
        lab.discard(daemon.root)


@pytest.fixture
def daemon(make_daemon: Callable[..., lab.Daemon]) -> lab.Daemon:
    """A fresh, running daemon: a system one for root, else a session's."""
    return make_daemon()


@pytest.fixture
def virsh(daemon: lab.Daemon) -> lab.Client:
    """Debian's virsh against ``daemon``."""
    return daemon.virsh


@pytest.fixture
def virtup(daemon: lab.Daemon) -> lab.Client:
    """The virtup command against ``daemon``."""
    return daemon.virtup

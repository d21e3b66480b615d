"""Real faults, each in a cell of its own: what virtup says of them, and whether it mends them.

A choice of them is run; ``VIRTUP_FAULTS=all`` runs every one, with the proof that its guest starts
without the fault. Times are printed and not asserted: they are the host's as much as virtup's.
"""

import os

import pytest

from tests import lab
from tests.faults import score
from tests.faults.score import Faults
from tests.figures import Tell

WHOLE = os.environ.get("VIRTUP_FAULTS") == "all"

CHOICE = (
    "file-kernel-unreadable",
    "file-ancestor-dir-closed",
    "file-disk-missing",
    "file-disk-empty",
    "file-disk-on-readonly-fs",
    "file-log-dir-full",
    "host-cpu-pin-absent",
    "host-numa-node-absent",
    "host-hugetlbfs-not-mounted",
    "host-tap-busy",
    "cfg-cpu-model-unknown",
    "cfg-memory-unit-invalid",
    "cfg-pci-address-duplicate",
    "cfg-serial-port-duplicate",
    "cfg-pool-inactive",
    "proc-segfault",
    "proc-monitor-closes",
    "save-machine-other",
    "save-disk-locked",
    "save-disk-written",
    "two-kernel-and-initrd-missing",
)

NAMED_AT_LEAST = 64
"""Of the faults that keep a guest from starting, those whose cause and subject are both named."""
MENDED_AT_LEAST = 7
"""Of those whose repair is safe, those that ``virtup fix`` mends so that the guest starts."""

pytestmark = [pytest.mark.e2e, pytest.mark.root]


@pytest.fixture(scope="module")
def faults(request: pytest.FixtureRequest) -> Faults:
    if not lab.IS_ROOT:
        pytest.skip("a cell with namespaces of its own needs root")
    if not (score.LAB / "run-faults").exists():
        pytest.skip(f"no fault lab at {score.LAB} (set VIRTUP_SHARED)")
    guest = request.getfixturevalue("guest_dir")
    with lab.huge_pages():
        return score.run(() if WHOLE else CHOICE, guest, healthy=WHOLE)


def test_figures(faults: Faults, tell: Tell) -> None:
    tell(faults.figures())

    failing = {one["id"] for one in faults.failing}
    named = faults.having("cause", "subject")
    if WHOLE:
        safe = {one["id"] for one in faults.failing if one["fix_class"] == "auto"}
        assert len(named) >= NAMED_AT_LEAST
        assert len(safe & faults.told("autofix_ok")) >= MENDED_AT_LEAST
    else:
        assert failing - named == set()
        assert failing | faults.told("silent_loss") | faults.started <= set(CHOICE)


@pytest.mark.parametrize("what", ["autofix_harm", "hang", "silent_loss", "daemon_crashed"])
def test_nothing_is_harmed_lost_or_stuck(faults: Faults, what: str) -> None:
    assert faults.told(what) == set()


def test_nothing_is_explained_where_nothing_failed(faults: Faults) -> None:
    assert faults.alarms == set()

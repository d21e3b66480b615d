"""Saved states: what virtup itself read of a file is proven, what is told elsewhere is not."""

from __future__ import annotations

import pytest

from virtup.causes.finding import Certainty
from virtup.causes.restore import restore_image_consumed
from virtup.model.evidence import Evidence

SAID = (
    "the saved state '/s.img' was restored before, 2026-01-01 00:00:00 UTC: the guest has run on "
    "since, and its disks with it; the file is left as it is"
)


@pytest.mark.parametrize(
    ("evidence", "certainty"),
    [
        (Evidence(phase="prepare", path="/s.img", error=SAID), Certainty.PROVEN),
        (Evidence(error=SAID), Certainty.LIKELY),
    ],
)
def test_a_file_that_was_read_here_is_proven(evidence: Evidence, certainty: Certainty) -> None:
    (found,) = restore_image_consumed.find(evidence)
    assert found.certainty is certainty
    assert found.evidence[0].endswith("and its disks with it")
    assert found.fixes[-1].text.startswith("start the guest from its disks")

"""What is told of a start that failed: why it did, and what else stands against the guest."""

import pytest

from virtup.causes.finding import Certainty, Finding
from virtup.errors import StartFailed
from virtup.machine.failure import UNKNOWN, with_others


def finding(code: str, subject: str, certainty: Certainty = Certainty.PROVEN) -> Finding:
    return Finding(code, "slug", f"About '{subject}'.", subject, certainty, ("seen",))


def failed(*told: Finding) -> StartFailed:
    return StartFailed("it failed\ncause: ...", findings=tuple(one.to_dict() for one in told))


def test_what_else_stands_against_it_follows():
    error = failed(finding("VU004", "/a"))
    with_others(
        error, [finding("VU004", "/a"), finding("VU004", "/b"), finding("VU036", "x")], "vm"
    )
    assert [one["subject"] for one in error.findings] == ["/a", "/b", "x"]
    assert error.message.splitlines()[0] == "it failed"
    assert all(f"About '{what}'." in str(error) for what in ("/a", "/b"))


@pytest.mark.parametrize("more", [[], [finding("VU004", "/a")]])
def test_what_is_told_already_changes_nothing(more):
    error = failed(finding("VU004", "/a", Certainty.LIKELY))
    before = error.message, error.findings
    with_others(error, more, "vm")
    assert (error.message, error.findings) == before


def test_what_is_proven_takes_the_place_of_what_nobody_knows():
    error = failed(finding(UNKNOWN, "", Certainty.POSSIBLE))
    with_others(error, [finding("VU004", "/b")], "vm")
    assert [one["code"] for one in error.findings] == ["VU004"]

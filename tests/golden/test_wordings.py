"""The causes against failures in words of our own: old and new versions, languages, noise."""

import html
import json
import textwrap
from collections.abc import Callable
from itertools import islice

import pytest

from tests.figures import Tell
from tests.golden.scoring import NOBODY, Score, figures
from tests.golden.wordings import wordings
from virtup.causes.catalogue import causes

FIRST_MIN = 0.97
AMONG_MIN = 0.99


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [Score.of(one.name, one.answers, one.findings()) for one in wordings()]


def test_the_figures(scores: list[Score], tell: Tell) -> None:
    tell(figures("in other words", scores))
    assert len(scores) > 250


def test_the_right_cause_is_told(scores: list[Score]) -> None:
    missed = [str(one) for one in scores if not one.is_first]
    assert sum(one.is_first for one in scores) >= FIRST_MIN * len(scores), missed
    assert sum(one.is_among for one in scores) >= AMONG_MIN * len(scores), missed


def test_no_cause_is_wrong_with_confidence(scores: list[Score]) -> None:
    assert [str(one) for one in scores if one.is_wrong] == []


def test_every_label_is_a_cause() -> None:
    known = {one.slug for one in causes()} | {NOBODY}
    labels = {part for one in wordings() for label in one.answers for part in label.split("+")}
    assert labels <= known


def _each_line(head: str) -> Callable[[str], str]:
    return lambda text: "\n".join(head + line for line in text.splitlines())


def _narrow(text: str) -> str:
    lines = [
        textwrap.wrap(line, 80, break_long_words=False, break_on_hyphens=False) or [""]
        for line in text.splitlines()
    ]
    return "\n".join(part for line in lines for part in line)


WRAPPINGS: dict[str, Callable[[str], str]] = {
    "syslog": _each_line("Mar  7 10:11:12 box libvirtd[812]: "),
    "journal": _each_line("2024-03-07T10:11:12+0100 box virtqemud[812]: "),
    "libvirtd's log": _each_line(
        "2024-03-07 10:11:12.123+0000: 812: error : qemuProcessReportLogError:2051 : "
    ),
    "mail": _each_line("> "),
    "narrow window": _narrow,
    "web page": lambda text: f"<pre><code>{html.escape(text)}</code></pre>",
    "markdown": lambda text: f"```\n{text}\n```",
    "JSON": lambda text: json.dumps({"component": "virt-launcher", "msg": text, "pos": "a:1"}),
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "Python": lambda text: (
        'Traceback (most recent call last):\n  File "asyncjob.py", line 72, in cb_wrapper\n'
        f"    callback(asyncjob, *args, **kwargs)\nlibvirt.libvirtError: {text}"
    ),
    "Go": lambda text: (
        "Failed to start host: creating host: create: Error creating machine: Error in driver: "
        f"error creating VM: virError(Code=1, Domain=10, Message='{text}')"
    ),
    "terraform": lambda text: (
        "╷\n│ Error: error creating libvirt domain: " + text.replace("\n", "\n│ ") + "\n│ \n╵"
    ),
    "shell": lambda text: (
        f"root@box:~# virsh start vm1\n{text}\n\nroot@box:~# virsh list --all\n"
        " Id   Name   State\n---------------------\n -    vm1    shut off\n"
    ),
}
"""What people and programs put around the words before they reach a reader."""
WRAPPED_MIN = 0.97
WRAPPED_WRONG = 0.02
ONE_IN = 3
"""Each wrapping is tried on so many of the cases, on others than the one before it."""


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_what_stands_around_the_words_changes_little(wrapping: str) -> None:
    around, turn = WRAPPINGS[wrapping], list(WRAPPINGS).index(wrapping) % ONE_IN
    some = islice(wordings(), turn, None, ONE_IN)
    scores = [Score.of(one.name, one.answers, one.findings(around)) for one in some]
    missed = [str(one) for one in scores if not one.is_first]
    assert sum(one.is_first for one in scores) >= WRAPPED_MIN * len(scores), missed
    assert sum(one.is_wrong for one in scores) <= WRAPPED_WRONG * len(scores), missed

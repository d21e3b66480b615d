"""No text, command line or fact breaks a cause; what is found is whole, quoted and bounded."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from virtup.causes import catalogue
from virtup.causes.catalogue import causes, diagnose
from virtup.causes.finding import Certainty, Finding
from virtup.causes.render import LINES_MAX, lines
from virtup.model.evidence import Evidence

PIECES = sorted(
    {
        word
        for one in causes()
        for ev in one.positive
        for text in (ev.stderr, ev.error)
        for word in text.replace("\n", " \n ").split(" ")
    }
)
words = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=60).map(" ".join)
phases = st.sampled_from(["", "parse", "prepare", "exec", "monitor", "negotiate", "load", "check"])
options = st.sampled_from(
    ["-kernel", "-initrd", "-blockdev", "-drive", "-vnc", "-netdev", "-machine", "-m", "-chardev"]
)
values = st.sampled_from(
    [
        "",
        "/a",
        "file=/a,if=pflash",
        "{",
        '{"file":{"file":1}}',
        "x:9",
        ":99999",
        "user,hostfwd=tcp::9-",
    ]
)
evidences = st.builds(
    Evidence,
    phase=phases,
    stderr=words,
    error=words,
    argv=st.lists(options | values | st.text(max_size=5), max_size=12).map(tuple),
    definition=st.just("") | words,
    exit_status=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    errno=st.none() | st.integers(0, 140),
    path=st.sampled_from(["", "/a", "/a.sock", "rel"]),
    silence=st.sampled_from(["", "no greeting", "no answer", "garbage", "closed"]),
    pid=st.none() | st.just(77),
    uid=st.none() | st.just(991),
    emulator=st.sampled_from(["", "/usr/bin/qemu-system-x86_64"]),
)


def is_whole(finding: Finding) -> None:
    assert finding.sentence
    assert finding.evidence
    assert all(finding.evidence)
    assert Finding.from_dict(json.loads(json.dumps(finding.to_dict()))) == finding


@settings(max_examples=300)
@given(evidences)
@example(Evidence(stderr='-blockdev {"a":{'))
@example(Evidence(phase="parse", definition="<a"))
@example(Evidence(stderr="Could not set up host forwarding rule ''"))
def test_any_evidence_has_an_answer(ev: Evidence) -> None:
    found = diagnose(ev)
    assert found
    for finding in found:
        is_whole(finding)
    assert 1 <= len(lines(found)) <= LINES_MAX
    for probe in catalogue.probes(ev):
        hash(probe)


@settings(max_examples=200)
@given(st.text(max_size=400))
def test_any_text_has_an_answer(text: str) -> None:
    for ev in (Evidence(stderr=text), Evidence(error=text), Evidence(definition=text)):
        for finding in diagnose(ev):
            is_whole(finding)
            assert finding.certainty is not Certainty.PROVEN or ev.definition
    catalogue.page(text)

"""Causes that words tell: which phrase counts how much, and what becomes of the subject."""

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.phrase import SUBJECTS_MAX, Told
from virtup.model.evidence import Evidence

TOLD = Told(
    "VU999",
    "thing-broken",
    sentence="The thing '{subject}' is broken.",
    otherwise="A thing is broken.",
    subject="the thing",
    phrases=(r"thing '(?P<subject>[^'\n]+)' is broken", r"^broken thing$"),
    doubtful=(r"thing (?P<subject>\w+) is odd",),
    noted=(r"kernel: thing failed",),
    unless=r"on purpose",
    backed=r"<thing/>",
    fixes=(Fix("mend {subject}", ("mend {subject}",), undo=("break {subject}",)),),
)


def found(**words: str) -> list[Finding]:
    return list(TOLD.find(Evidence(**words)))  # type: ignore[arg-type]


def test_a_phrase_names_its_subject_in_sentence_and_fix() -> None:
    (one,) = found(error="error: thing 'a' is broken")
    assert one.sentence == "The thing 'a' is broken."
    assert one.subject == "a"
    assert one.certainty is Certainty.LIKELY
    assert one.evidence == ("error: thing 'a' is broken",)
    assert one.fixes == (Fix("mend a", ("mend a",), undo=("break a",)),)


def test_a_phrase_without_a_subject_takes_the_other_sentence() -> None:
    (one,) = found(stderr="broken thing\n")
    assert (one.sentence, one.subject) == ("A thing is broken.", "the thing")
    assert one.fixes[0].commands == ("mend NAME",)


def test_a_doubtful_phrase_is_possible_until_something_backs_it() -> None:
    assert found(error="thing a is odd")[0].certainty is Certainty.POSSIBLE
    assert found(error="thing a is odd", definition="<thing/>")[0].certainty is Certainty.LIKELY
    noted = found(error="thing a is odd", notes="kernel: thing failed")[0]
    assert noted.certainty is Certainty.LIKELY
    assert noted.evidence == ("thing a is odd", "kernel: thing failed")


def test_a_note_alone_is_possible() -> None:
    (one,) = found(error="start failed", notes="kernel: thing failed")
    assert one.certainty is Certainty.POSSIBLE
    assert one.evidence == ("kernel: thing failed",)


def test_words_of_another_cause_silence_it() -> None:
    assert found(error="thing 'a' is broken\non purpose") == []
    assert found(error="nothing of the kind") == []


def test_each_subject_is_told_once_and_not_without_end() -> None:
    twice = found(error="thing 'a' is broken", qmp_error="so thing 'a' is broken")
    assert [one.subject for one in twice] == ["a"]
    many = found(error="\n".join(f"thing '{n}' is broken" for n in range(9)))
    assert [one.subject for one in many] == [str(n) for n in range(SUBJECTS_MAX)]


def test_it_asks_nothing_of_the_host() -> None:
    assert TOLD.probes(Evidence(error="thing 'a' is broken", uid=1)) == ()

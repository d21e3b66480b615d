"""Messages without a cause: every one is explained, and none is taken for one that has a cause."""

from pathlib import Path

import pytest

from virtup.causes import catalogue
from virtup.causes.catalogue import UNKNOWN_SLUG, causes, diagnose
from virtup.causes.symptom import SYMPTOMS, Symptom
from virtup.model.evidence import Evidence

INDEX = Path(__file__).resolve().parents[3] / "docs" / "causes" / "index.md"
MESSAGES = [(symptom, message) for symptom in SYMPTOMS for message in symptom.messages]


@pytest.mark.parametrize(("symptom", "message"), MESSAGES)
def test_a_message_without_a_cause_is_explained(symptom: Symptom, message: str) -> None:
    assert symptom.words.search(message)
    page = catalogue.page(message)
    assert symptom.meaning in page
    assert all(command in page for command in symptom.look.commands)
    for slug in symptom.usual:
        known = catalogue.cause(slug)
        assert known is not None, slug
        assert f"- {known.code} {slug}: {known.title}" in page


@pytest.mark.parametrize("message", [message for _, message in MESSAGES])
def test_a_symptom_alone_is_unknown_and_says_where_to_look(message: str) -> None:
    (one,) = diagnose(Evidence(error=f"error: {message}"))
    assert one.slug == UNKNOWN_SLUG
    assert one.evidence == (f"error: {message}",)
    assert one.fixes[0].commands
    assert "virtup attempts" not in one.fixes[0].commands[0]


def test_what_is_said_besides_a_symptom_comes_first() -> None:
    (one,) = diagnose(Evidence(error="error: Failed to start domain 'a'\nerror: it is haunted"))
    assert one.sentence.startswith("No known cause fits")


def test_a_cause_behind_a_symptom_is_told_alone() -> None:
    words = "process exited while connecting to monitor: -cpuu: invalid option"
    assert "qemu-arg-typo" in catalogue.page(words)
    assert not any(symptom.meaning in catalogue.page(words) for symptom in SYMPTOMS)


def test_on_the_own_host_the_record_of_starts_is_named() -> None:
    (one,) = diagnose(Evidence(error="monitor socket did not show up", uid=7, guest="vm1"))
    assert one.fixes[0].commands == ("virtup attempts vm1",)


def test_noise_alone_is_shown_when_nothing_else_was_said() -> None:
    (one,) = diagnose(Evidence(stderr="qemu: terminating on signal 15 from pid 7\n"))
    assert one.evidence == ("qemu: terminating on signal 15 from pid 7",)


def test_the_index_has_every_cause_and_every_message() -> None:
    index = INDEX.read_text()
    assert [one.slug for one in causes() if f"({one.slug}.md): {one.title}" not in index] == []
    assert [message for _, message in MESSAGES if f"- `{message}`: " not in index] == []

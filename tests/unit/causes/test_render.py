"""Findings on a terminal: aligned, bounded, pasteable, the certainty in the label."""

import pytest

from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.render import LINES_MAX, lines, record


def finding(number: int = 1, **more: object) -> Finding:
    values: dict[str, object] = {
        "code": f"VU{number:03d}",
        "slug": f"cause-{number}",
        "sentence": f"The thing number {number} is broken.",
        "subject": str(number),
        "certainty": Certainty.PROVEN,
        "evidence": (f"line {number}", "this host: so it is"),
        "fixes": (Fix("mend it", (f"mend {number}",), Safety.AUTO, (f"break {number}",)),),
    }
    return Finding(**{**values, **more})  # type: ignore[arg-type]


def test_one_finding_has_cause_evidence_and_fix() -> None:
    assert lines([finding()]) == [
        "cause:    The thing number 1 is broken. [VU001]",
        "evidence: line 1",
        "          this host: so it is",
        "fix:      mend 1",
    ]


def test_nothing_found_is_nothing_shown() -> None:
    assert lines([]) == []


@pytest.mark.parametrize(
    ("certainty", "label"),
    [
        (Certainty.PROVEN, "cause:"),
        (Certainty.LIKELY, "likely:"),
        (Certainty.POSSIBLE, "maybe:"),
    ],
)
def test_the_label_says_how_sure(certainty: Certainty, label: str) -> None:
    assert lines([finding(certainty=certainty)])[0].startswith(label)


def test_two_findings_show_both_causes_and_fixes() -> None:
    shown = lines([finding(1), finding(2)])
    assert [line for line in shown if line.startswith(("cause", "fix"))] == [
        "cause:    The thing number 1 is broken. [VU001]",
        "fix:      mend 1",
        "cause:    The thing number 2 is broken. [VU002]",
        "fix:      mend 2",
    ]


@pytest.mark.parametrize("count", [3, 4, 9])
def test_many_findings_fit_and_the_rest_is_counted(count: int) -> None:
    wordy = [
        finding(number, sentence=f"Number {number}: " + "word " * 30 + "end.")
        for number in range(1, count + 1)
    ]
    shown = lines(wordy)
    assert len(shown) <= LINES_MAX
    assert "Number 1:" in shown[0]
    assert "other finding" in shown[-1]
    assert lines(wordy, name="vm7")[-1].endswith("virtup why vm7")
    assert all(len(line) <= 80 for line in shown)


def test_endless_words_are_cut_and_say_so() -> None:
    shown = lines([finding(sentence="word " * 400, evidence=("more " * 400,))])
    assert len(shown) == LINES_MAX
    assert shown[-1].endswith("…")


def test_a_long_command_can_be_pasted() -> None:
    command = "setfacl -m u:virtup-qemu:--x " + " ".join(f"/srv/some/folder/{n}" for n in range(9))
    shown = lines([finding(fixes=(Fix("x", (command,)),))])
    fix = [line[10:] for line in shown[3:]]
    assert " ".join(piece.removesuffix(" \\") for piece in fix) == command
    assert all(piece.endswith(" \\") for piece in fix[:-1])
    assert all(len(line) <= 80 for line in shown)


def test_a_quoted_command_is_never_broken() -> None:
    command = f"mv '/img/{'a b ' * 30}' /img/x"
    shown = lines([finding(fixes=(Fix("x", (command,)),))])
    assert shown[-1] == f"fix:      {command}"


def test_a_fix_without_commands_is_its_text() -> None:
    assert lines([finding(fixes=(Fix("pray"),))])[-1] == "fix:      pray"


def test_the_record_has_everything() -> None:
    shown = "\n".join(
        record(finding(fixes=(Fix("mend", ("a",), Safety.CONFIRM, ("b",)), Fix("or c"))))
    )
    for piece in ("VU001 cause-1 (proven)", "line 1", "so it is", "mend", "undo:     b", "or c"):
        assert piece in shown

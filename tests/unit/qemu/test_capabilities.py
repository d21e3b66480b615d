"""Capabilities from answers: look-ups, what is refused, what is kept and read again."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.fakes.answers import answers
from virtup.errors import InvalidArgument
from virtup.qemu import probes
from virtup.qemu.capabilities import (
    CacheInvalid,
    Capabilities,
    NotProbed,
    UnusableQemu,
    dump,
    from_answers,
    load,
    parse_replies,
    with_cpus,
)
from virtup.qemu.probes import Question


@pytest.fixture
def caps() -> Capabilities:
    return from_answers(answers())


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("kvm", True),
        ("tcg", True),
        ("device.virtio-blk-pci", True),
        ("device.nope", False),
        ("device.nope.prop", False),
        ("device.virtio-blk-pci.queue-size", True),
        ("device.virtio-blk-pci.nope", False),
        ("object.dotted.type", True),
        ("object.dotted.type.a.b", True),
        ("object.dotted.type.a", False),
        ("option.sandbox", True),
        ("option.sandbox.spawn", True),
        ("option.sandbox.nope", False),
        ("option.nope", False),
        ("machine.pc", True),
        ("machine.pc-q35-8.1", True),
        ("machine.pc-q35-9.9", False),
        ("migration.events", True),
        ("migration.nope", False),
        ("tpm.type.emulator", True),
        ("tpm.type.tpm-tis", False),
        ("tpm.model.tpm-tis", True),
        ("blockdev-add", True),
        ("blockdev-add/arg-type/+file/aio/^io_uring", True),
        ("no.such.kind", False),
    ],
)
def test_has(caps: Capabilities, name: str, there: bool) -> None:
    assert caps.has(name) is there


def test_a_property_that_was_not_asked_for_is_no_silent_no(caps: Capabilities) -> None:
    assert caps.has("device.never-asked")
    with pytest.raises(NotProbed, match="'never-asked' were not asked"):
        caps.has("device.never-asked.anything")
    with pytest.raises(NotProbed):
        caps.property_of("ide-hd", "serial")


def test_a_property_has_its_type_and_default(caps: Capabilities) -> None:
    found = caps.property_of("virtio-blk-pci", "queue-size")
    assert found is not None
    assert (found.name, found.type, found.default) == ("queue-size", "uint16", 256)
    serial = caps.property_of("virtio-blk-pci", "serial")
    assert serial is not None
    assert serial.default is None
    assert caps.property_of("nope", "x") is None


def test_machines_go_by_name_and_alias(caps: Capabilities) -> None:
    pc = caps.machine("pc")
    assert pc is not None
    assert (pc.name, pc.cpu_max, pc.default_cpu) == ("pc-i440fx-8.1", 255, "qemu64")
    assert pc is caps.machine("pc-i440fx-8.1")
    assert pc is caps.default_machine
    assert caps.machine("nope") is None
    q35 = caps.machine("q35")
    assert q35 is not None
    assert (q35.hotpluggable_cpus, q35.default_cpu, q35.is_default) == (True, None, False)


def test_cpu_models_belong_to_an_accelerator(caps: Capabilities) -> None:
    epyc, denverton, most = caps.cpu_models("kvm")
    assert (epyc.usable, epyc.alias_of) == (True, "EPYC-v1")
    assert (denverton.usable, denverton.deprecated) == (False, True)
    assert denverton.blockers == ("mpx", "mpx")
    assert most.usable is None
    assert [m.usable for m in caps.cpu_models("qemu")] == [None, None, None]
    assert caps.cpu_model("EPYC") == epyc
    assert caps.cpu_model("nope") is None

    slow = with_cpus(caps, "tcg", {probes.CPUS: {"return": [{"name": "486"}]}})
    assert [m.name for m in slow.cpu_models("qemu")] == ["486"]
    assert slow.cpu_models("kvm") == caps.cpu_models("kvm")


def test_without_kvm_no_model_is_kvms() -> None:
    caps = from_answers(answers(query_kvm={"present": True, "enabled": False}))
    assert not caps.has("kvm")
    assert caps.cpu_models("kvm") == ()
    assert caps.cpu_model("EPYC", "kvm") is not None, "it is known, under the other accelerator"
    assert [m.usable for m in caps.cpu_models("qemu")] == [True, False, None]


@pytest.mark.parametrize("question", sorted(probes.REQUIRED))
def test_a_qemu_without_an_answer_it_must_have_is_unusable(question: Question) -> None:
    said = answers()
    said[question] = {"error": {"class": "CommandNotFound", "desc": "no such thing here"}}
    with pytest.raises(UnusableQemu, match=rf"'{question.execute}'.*no such thing here"):
        from_answers(said)
    del said[question]
    with pytest.raises(UnusableQemu, match="nothing"):
        from_answers(said)


@pytest.mark.parametrize("question", [q for q in probes.PROBE if q not in probes.REQUIRED])
def test_any_other_question_may_be_answered_by_an_error(question: Question) -> None:
    said = answers()
    said[question] = {"error": {"class": "DeviceNotFound", "desc": "not here"}}
    from_answers(said)


@pytest.mark.parametrize("value", [None, 7, "text", [1], {"a": 1}, [{}], [None]])
@pytest.mark.parametrize("question", sorted(probes.REQUIRED))
def test_answers_of_another_form_are_one_clear_error(question: Question, value: object) -> None:
    said = answers()
    said[question] = {"return": value}
    with pytest.raises(UnusableQemu, match="QEMU's answers have not the form"):
        from_answers(said)


def test_cpu_models_without_an_answer_are_refused(caps: Capabilities) -> None:
    with pytest.raises(UnusableQemu):
        with_cpus(caps, "tcg", {})


# -- kept text ----------------------------------------------------------------------------------


def test_what_is_kept_is_read_again_equal(caps: Capabilities) -> None:
    again = load(dump(caps))
    assert again == caps
    assert again.digest == caps.digest
    assert dump(again) == dump(caps)
    for name in ("device.virtio-blk-pci.queue-size", "machine.pc", "option.sandbox.spawn"):
        assert again.has(name)
    assert again.schema.has("blockdev-add/arg-type/+file/aio")


def test_every_field_is_kept(caps: Capabilities) -> None:
    """A field that `dump` forgot would come back with another value than its own."""
    kept = load(dump(caps))
    for field in dataclasses.fields(caps):
        assert getattr(kept, field.name) == getattr(caps, field.name), field.name
        assert getattr(caps, field.name) not in (None, "", ()), f"{field.name} proves nothing"


def test_the_digest_tells_two_apart(caps: Capabilities) -> None:
    other = from_answers(answers(query_tpm_types=["passthrough"]))
    assert other.digest != caps.digest
    assert from_answers(answers()).digest == caps.digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "garbage",
        "[]\n{}\n[]\n",
        "null\n\n",
        "{}\n{}\n[]\n",
        '{"virtup-capabilities": 99, "digest": ""}\n{}\n[]\n',
        '{"virtup-capabilities": 1}\n{}\n[]\n',
    ],
)
def test_a_text_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(CacheInvalid):
        load(text)


def test_a_torn_or_changed_text_is_refused(caps: Capabilities) -> None:
    text = dump(caps)
    for cut in (1, len(text) // 3, len(text) // 2, len(text) - 1):
        with pytest.raises(CacheInvalid):
            load(text[:cut])
    with pytest.raises(CacheInvalid, match="digest"):
        load(text.replace("virtio-blk-pci", "virtio-blk-pcj"))


# -- a recording --------------------------------------------------------------------------------


def recording(*parts: dict[Question, dict[str, object]]) -> str:
    lines: list[object] = []
    for part in parts:
        lines += [{"execute": "qmp_capabilities", "id": "a"}, {"return": {}, "id": "a"}]
        for number, (question, reply) in enumerate(part.items()):
            lines += [question.command(number), reply]
    return "\n\n".join(json.dumps(line, indent=2) for line in lines)


def test_a_recording_is_what_was_answered(caps: Capabilities) -> None:
    assert parse_replies(recording(answers())) == caps


def test_the_second_part_is_without_kvm() -> None:
    part = {probes.CPUS: {"return": [{"name": "486", "unavailable-features": []}]}}
    caps = parse_replies(recording(answers(), part))
    assert [m.name for m in caps.cpu_models("qemu")] == ["486"]
    assert next(m.name for m in caps.cpu_models("kvm")) == "EPYC"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"r\.replies, line 1: it is empty"),
        ("\n\n{", r"r\.replies, line 3: not JSON"),
        ("[1]", r"line 1: a JSON object must stand here"),
        ("7", r"line 1: a JSON object must stand here"),
        ('{"a": 1}', r"line 1: a command"),
        ('{"execute": 7}', r"line 1: a command"),
        ('{"execute": "query-version", "arguments": 1}', r"line 1: 'arguments' must be"),
        ('{"execute": "x"}\n{"return": {}}', r"line 2: the first command must be"),
        ('{"execute": "qmp_capabilities"}\n\n{"id": 1}', r"line 3: QEMU's reply"),
        ('{"execute": "qmp_capabilities"}', r"the reply to 'qmp_capabilities' is missing"),
        ("[" * 100_000, r"line 1: "),
        ('{"execute": "qmp_capabilities"}\n{"return": {}}', r"QEMU's answer to 'q.*' is no use"),
    ],
)
def test_what_is_no_recording_is_one_sentence_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as caught:
        parse_replies(text, source="r.replies")
    assert caught.value.message.startswith("invalid argument: r.replies")
    assert "\n" not in caught.value.message


def test_questions_are_numbered_commands() -> None:
    assert probes.VERSION.command(3) == {"execute": "query-version", "id": 3}
    question = Question.of("device-list-properties", {"typename": "x"})
    assert question.command(0)["arguments"] == {"typename": "x"}
    assert Question.of("a", {}) == Question("a")
    assert len(set(probes.PROBE)) == len(probes.PROBE)
    assert set(probes.PROBE) >= probes.REQUIRED

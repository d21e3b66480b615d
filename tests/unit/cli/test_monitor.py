"""Commands for QEMU's monitor and for the guest's agent."""

from __future__ import annotations

import json

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.cli.grammar import Failure
from virtup.cli.verbs.monitor import command_text, indented

REPLY = '{"return":{"a":[],"b":{"c":1}},"id":"x"}'


@pytest.fixture
def monitor(fake: FakeDaemon) -> FakeDaemon:
    """A daemon whose monitor and agent reply."""
    fake.handlers["DOMAIN_MONITOR_COMMAND"] = lambda _: {"result": REPLY}
    fake.handlers["DOMAIN_AGENT_COMMAND"] = lambda _: {"result": '{"return":{}}'}
    return fake


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (['{"execute":"x"}'], '{"execute":"x"}'),
        (['{"execute":', '"x"}'], '{"execute": "x"}'),
        (["query-status"], '{"execute": "query-status"}'),
        (["q", '"a":1', '"b":"c"'], '{"execute": "q", "arguments": {"a": 1, "b": "c"}}'),
        (["q", '{"a":1}'], '{"execute": "q", "arguments": {"a": 1}}'),
        (["[1]"], '{"execute": "[1]"}'),
    ],
)
def test_words_become_one_command(words: list[str], command: str) -> None:
    assert command_text(words) == command


@pytest.mark.parametrize("words", [["q", "/objects"], ["q", '"a"'], ["q", "[1]"]])
def test_arguments_that_are_no_object_are_refused(words: list[str]) -> None:
    with pytest.raises(Failure, match="failed to wrap arguments"):
        command_text(words)


def test_replies_are_printed_in_the_form_that_is_asked_for(
    virtup: Virtup, monitor: FakeDaemon
) -> None:
    assert virtup("qemu-monitor-command", "web", "x").out == f"{REPLY}\n\n"
    bare = virtup("qemu-monitor-command", "web", "--return-value", "x")
    assert bare.out == '{"a":[],"b":{"c":1}}\n'
    pretty = virtup("qemu-monitor-command", "web", "--pretty", "--return-value", "x")
    assert pretty.out == '{\n  "a": [\n\n  ],\n  "b": {\n    "c": 1\n  }\n}\n'
    assert json.loads(virtup("--json", "qemu-monitor-command", "web", "x").out)["id"] == "x"
    assert monitor.asked("DOMAIN_MONITOR_COMMAND")[0] == {
        "dom": monitor.handle("web"),
        "cmd": '{"execute": "x"}',
        "flags": 0,
    }


def test_the_human_monitor(virtup: Virtup, monitor: FakeDaemon) -> None:
    monitor.handlers["DOMAIN_MONITOR_COMMAND"] = lambda _: {"result": "VM status: running\r\n"}
    said = virtup("qemu-monitor-command", "web", "--hmp", "info", "status")
    assert said.out == "VM status: running\r\n\n\n"
    asked = monitor.asked("DOMAIN_MONITOR_COMMAND")[0]
    assert (asked["cmd"], asked["flags"]) == ("info status", 1)
    said = virtup("--json", "qemu-monitor-command", "web", "--hmp", "info", "status")
    assert json.loads(said.out) == {"reply": "VM status: running\r\n"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--hmp --pretty x", "Options --hmp and --pretty are mutually exclusive"),
        ("--hmp --return-value x", "Options --hmp and --return-value are mutually exclusive"),
        ("--pass-fds 3 x", "--pass-fds 3 is not supported: virtup passes no descriptors"),
    ],
)
def test_monitor_options_that_do_not_go(
    virtup: Virtup, monitor: FakeDaemon, words: str, says: str
) -> None:
    said = virtup("qemu-monitor-command", "web", *words.split())
    assert (said.status, said.err) == (1, f"error: {says}\n")
    assert monitor.asked("DOMAIN_MONITOR_COMMAND") == []


def test_a_reply_that_is_an_error_has_no_value(virtup: Virtup, monitor: FakeDaemon) -> None:
    monitor.handlers["DOMAIN_MONITOR_COMMAND"] = lambda _: {"result": '{"error":{}}'}
    said = virtup("qemu-monitor-command", "web", "--return-value", "x")
    assert (said.status, said.err) == (1, "error: 'return' member missing\n")


@pytest.mark.parametrize(
    ("words", "timeout"),
    [("", -1), ("--block", -2), ("--async", 0), ("--timeout 7", 7)],
)
def test_how_long_the_agent_may_take(
    virtup: Virtup, monitor: FakeDaemon, words: str, timeout: int
) -> None:
    said = virtup("qemu-agent-command", "web", *words.split(), '{"execute":', '"guest-ping"}')
    assert said.out == '{"return":{}}\n\n'
    assert monitor.asked("DOMAIN_AGENT_COMMAND") == [
        {
            "dom": monitor.handle("web"),
            "cmd": '{"execute": "guest-ping"}',
            "timeout": timeout,
            "flags": 0,
        }
    ]


def test_agent_options_that_do_not_go(virtup: Virtup, monitor: FakeDaemon) -> None:
    for words in ("--timeout 0", "--timeout -3"):
        said = virtup("qemu-agent-command", "web", *words.split(), "x")
        assert said.err == "error: timeout must be positive\n"
    for words in ("--timeout 1 --block", "--block --async"):
        said = virtup("qemu-agent-command", "web", *words.split(), "x")
        assert said.err == "error: timeout, async and block options are exclusive\n"
    assert monitor.asked("DOMAIN_AGENT_COMMAND") == []


def test_an_agent_that_is_not_waited_for_says_nothing(virtup: Virtup, monitor: FakeDaemon) -> None:
    monitor.handlers["DOMAIN_AGENT_COMMAND"] = lambda _: {"result": None}
    assert virtup("qemu-agent-command", "web", "--async", "x") == (0, "\n", "")
    monitor.handlers["DOMAIN_AGENT_COMMAND"] = lambda _: {"result": '{"return":{}}'}
    pretty = virtup("qemu-agent-command", "web", "--pretty", "x")
    assert pretty.out == '{\n  "return": {\n\n  }\n}\n\n\n'


@pytest.mark.parametrize("value", [1, "é\n", None, True, [], {}, [1, [2]], {"a": {"b": []}}])
def test_what_is_indented_is_the_same_value(value: object) -> None:
    assert json.loads(indented(value)) == value

"""Events: every kind in virsh's words, and the verb that waits for them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.cli.verbs.events import EVENTS, event_name, told
from virtup.wire.tables import REMOTE, procedures

DOM = {"name": "web", "uuid": bytes(16), "id": 1}


def body(**facts: Any) -> dict[str, Any]:
    return {"callbackID": 1, "msg": {"dom": DOM, **facts}}


def flat(**facts: Any) -> dict[str, Any]:
    return {"callbackID": 1, "dom": DOM, **facts}


END = {"family": 0, "node": "127.0.0.1", "service": "5900"}
PARAMS = [{"field": "a.b", "value": {"type": 4, "value": 100}}]
TOLD = {
    "lifecycle": (body(event=2, detail=0), ": Started Booted"),
    "reboot": (body(), ""),
    "rtc-change": (body(offset=-3), ": -3"),
    "watchdog": (body(action=2), ": reset"),
    "io-error": (body(srcPath="/d", devAlias="disk0", action=1), ": /d (disk0) pause"),
    "graphics": (
        body(
            phase=0, local=END, remote=END, authScheme="vnc", subject=[{"type": "t", "name": "n"}]
        ),
        ": connect local[IPv4 127.0.0.1 5900] remote[IPv4 127.0.0.1 5900] vnc\n\tt=n",
    ),
    "io-error-reason": (
        body(srcPath="/d", devAlias="disk0", action=2, reason="enospc"),
        ": /d (disk0) report due to enospc",
    ),
    "control-error": (body(), ""),
    "block-job": (body(path="/d", type=1, status=0), ": Block Pull for /d completed"),
    "block-job-2": (
        flat(dst="vda", type=4, status=3),
        ": Active Block Commit for vda ready",
    ),
    "disk-change": (
        body(oldSrcPath="/a", newSrcPath=None, devAlias="ide0", reason=0),
        " disk ide0: /a -> <null>: changed",
    ),
    "tray-change": (body(devAlias="ide0", reason=0), " disk ide0: opened"),
    "pm-wakeup": (body(), ""),
    "pm-suspend": (body(), ""),
    "pm-suspend-disk": (body(), ""),
    "balloon-change": (body(actual=1024), ": 1024KiB"),
    "device-removed": (body(devAlias="net0"), ": net0"),
    "tunable": (flat(params=PARAMS), ":\n\ta.b: 100"),
    "agent-lifecycle": (
        flat(state=1, reason=2),
        ": state: 'connected' reason: 'channel event'",
    ),
    "device-added": (flat(devAlias="net0"), ": net0"),
    "migration-iteration": (flat(iteration=3), ": iteration: '3'"),
    "job-completed": (flat(params=PARAMS), ":\n\ta.b: 100"),
    "device-removal-failed": (flat(devAlias="net0"), ": net0"),
    "metadata-change": (flat(type=2, nsuri="u"), ": type element, uri u"),
    "block-threshold": (
        flat(dev="vda", path=None, threshold=1, excess=2),
        ": dev: vda(<null>) 1 2",
    ),
    "memory-failure": (
        flat(recipient=1, action=1, flags=2),
        ":\nrecipient: guest\naction: inject\nflags:\n\taction required: 0\n\trecursive: 1",
    ),
    "memory-device-size-change": (flat(alias="m0", size=7), ":\nalias: m0\nsize: 7"),
}


def test_every_kind_has_its_words_here() -> None:
    assert set(TOLD) == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_each_kind_is_told_as_virsh_tells_it(name: str) -> None:
    facts, rest = TOLD[name]
    assert told(name, facts) == f"event '{name}' for domain 'web'{rest}\n"


def test_every_event_message_of_the_protocol_has_its_kind() -> None:
    messages = {
        event_name(known.name)
        for known in procedures(REMOTE)
        if known.msg is not None
        and re.match(r"DOMAIN_EVENT_(CALLBACK_|BLOCK_JOB_2|BLOCK_T|MEM)", known.name)
    }
    assert messages == set(EVENTS)


@pytest.mark.parametrize(
    ("event", "detail", "words"),
    [
        (0, 3, "Defined Snapshot"),
        (1, 1, "Undefined Renamed"),
        (3, 2, "Suspended I/O Error"),
        (3, 8, "Suspended Post-copy Error"),
        (4, 0, "Resumed Unpaused"),
        (5, 5, "Stopped Failed"),
        (6, 2, "Shutdown Finished after host request"),
        (7, 1, "PMSuspended Disk"),
        (8, 0, "Crashed Panicked"),
        (2, 99, "Started unknown"),
        (99, 0, "unknown unknown"),
        (-1, 0, "unknown unknown"),
    ],
)
def test_turns_of_a_life(event: int, detail: int, words: str) -> None:
    line = told("lifecycle", body(event=event, detail=detail))
    assert line == f"event 'lifecycle' for domain 'web': {words}\n"


def lifecycle(fake: FakeDaemon, detail: int = 0, callback: int = 100) -> None:
    msg = {"dom": fake.handle("web"), "event": 2, "detail": detail}
    fake.say("DOMAIN_EVENT_CALLBACK_LIFECYCLE", {"callbackID": callback, "msg": msg})


@pytest.fixture
def noisy(fake: FakeDaemon) -> FakeDaemon:
    """A daemon that has three events to tell as soon as lifecycle events are asked for."""

    def register(args: dict[str, Any]) -> dict[str, Any]:
        if args["eventID"] == 0:
            lifecycle(fake, 0)
            lifecycle(fake, 1, callback=7)
            lifecycle(fake, 2)
        return {"callbackID": 100 + args["eventID"]}

    fake.handlers["CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY"] = register
    return fake


def test_the_first_event_ends_the_wait(virtup: Virtup, noisy: FakeDaemon) -> None:
    assert virtup("event", "--event", "lifecycle", "--domain", "web") == (
        0,
        "event 'lifecycle' for domain 'web': Started Booted\nevents received: 1\n\n",
        "",
    )
    asked = noisy.asked("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY")
    assert asked == [{"eventID": 0, "dom": noisy.handle("web")}]


def test_a_loop_goes_on_until_time_is_out(virtup: Virtup, noisy: FakeDaemon) -> None:
    said = virtup("event", "--all", "--loop", "--timeout", "1", "--timestamp")
    lines = said.out.splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: event 'lifecycle' for domain 'web': "
    assert re.fullmatch(f"{stamp}Started Booted", lines[0])
    assert re.fullmatch(f"{stamp}Started Restored", lines[1])
    assert lines[2:] == ["event loop timed out", "events received: 2", ""]
    assert said.status == 0
    asked = noisy.asked("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY")
    assert [args["eventID"] for args in asked] == list(range(len(EVENTS)))


def test_no_event_is_status_1(virtup: Virtup) -> None:
    assert virtup("event", "--event", "reboot", "--timeout", "1") == (
        1,
        "event loop timed out\nevents received: 0\n\n",
        "",
    )


def test_events_as_json_are_a_line_each(virtup: Virtup, noisy: FakeDaemon) -> None:
    said = virtup("--json", "event", "--event", "lifecycle", "--loop", "--timeout", "1")
    first = json.loads(said.out.splitlines()[0])
    assert (first["event"], first["domain"]) == ("lifecycle", "web")
    assert first["args"] == {"event": 2, "detail": 0}
    assert len(said.out.splitlines()) == 2
    assert noisy.gone is False


def test_the_kinds_are_listed(virtup: Virtup) -> None:
    assert virtup("event", "--list").out.splitlines() == [*EVENTS, ""]
    assert json.loads(virtup("--json", "event", "--list").out) == list(EVENTS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "one of --list, --all, or --event <type> is required"),
        ("lifecycle", "one of --list, --all, or --event <type> is required"),
        ("--event nope", "unknown event type nope"),
        ("--list --all", "Options --list and --all are mutually exclusive"),
        ("--all --event reboot", "Options --all and --event are mutually exclusive"),
        (
            "--all --timeout 0",
            "Numeric value '0' for <timeout> option is malformed or out of range",
        ),
        ("--all --domain nope", "failed to get domain 'nope'"),
    ],
)
def test_what_is_no_wait(virtup: Virtup, words: str, says: str) -> None:
    assert virtup("event", *words.split()) == (1, "\n", f"error: {says}\n")

"""Events reach the callbacks that wait for them, each in the shape of its age."""

import pytest

from tests.fakes.hypervisor import FakeHypervisor
from virtup.daemon.subscriptions import EVENT_NAMES, Subscriptions
from virtup.errors import Code, VirtError
from virtup.machine.events import Event
from virtup.wire.session import ServerSession
from virtup.wire.tables import QEMU, REMOTE, procedure, type_line
from virtup.wire.xdr import codec

REGISTER = "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY"
DEREGISTER = "CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY"


async def test_lifecycle_of_one_guest_and_of_all(serve):
    served = await serve()
    one, two = (served.hypervisor.domains.add(name) for name in ("vm1", "vm2"))
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    assert await peer.call(REGISTER, eventID=0, dom=dom) == {"callbackID": 0}
    assert await peer.call(REGISTER, eventID=0, dom=None) == {"callbackID": 1}
    await two.start(0, None)
    await one.start(0, None)
    got = [await peer.message("DOMAIN_EVENT_CALLBACK_LIFECYCLE") for _ in range(3)]
    assert [(m["callbackID"], m["msg"]["dom"]["name"]) for m in got] == [
        (1, "vm2"),
        (0, "vm1"),
        (1, "vm1"),
    ]
    assert got[0]["msg"]["dom"]["id"] == 1
    await peer.call(DEREGISTER, callbackID=1)
    await two.destroy(0)
    await one.destroy(0)
    last = await peer.message("DOMAIN_EVENT_CALLBACK_LIFECYCLE")
    assert (last["callbackID"], last["msg"]["event"], last["msg"]["detail"]) == (0, 5, 1)


async def test_the_old_calls_and_their_messages(serve):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    assert await peer.call("CONNECT_DOMAIN_EVENT_REGISTER") == {"cb_registered": 1}
    await peer.call("CONNECT_DOMAIN_EVENT_REGISTER_ANY", eventID=1)
    await guest.start(0, None)
    assert (await peer.message("DOMAIN_EVENT_LIFECYCLE"))["event"] == 2
    await guest.reboot(0)
    assert (await peer.message("DOMAIN_EVENT_REBOOT"))["dom"]["name"] == "vm1"
    assert await peer.call("CONNECT_DOMAIN_EVENT_DEREGISTER") == {"cb_registered": 0}
    await peer.call("CONNECT_DOMAIN_EVENT_DEREGISTER_ANY", eventID=1)
    await guest.reboot(0)
    await peer.call("CONNECT_GET_TYPE")
    assert not peer.events


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        (REGISTER, {"eventID": 28, "dom": None}, "unsupported event ID 28"),
        (REGISTER, {"eventID": -1, "dom": None}, "unsupported event ID -1"),
        ("CONNECT_DOMAIN_EVENT_REGISTER_ANY", {"eventID": 15}, "unsupported event ID 15"),
        (DEREGISTER, {"callbackID": 5}, "callback 5 not registered"),
        ("CONNECT_DOMAIN_EVENT_DEREGISTER", {}, "event 0 not registered"),
    ],
)
async def test_what_cannot_be_registered_or_forgotten(serve, name, args, says):
    peer = await (await serve()).connect()
    error = await peer.refusal(name, **args)
    assert error.code == Code.INTERNAL_ERROR
    assert says in error.message


async def test_the_same_callback_twice_is_refused_as_libvirt_does(serve):
    peer = await (await serve()).connect()
    await peer.call(REGISTER, eventID=0, dom=None)
    assert "already tracked" in (await peer.refusal(REGISTER, eventID=0, dom=None)).message


@pytest.mark.parametrize("kind", ["NETWORK", "STORAGE_POOL", "NODE_DEVICE", "SECRET"])
async def test_callbacks_for_what_there_is_none_of(serve, kind):
    peer = await (await serve()).connect()
    handle = {"NETWORK": "net", "STORAGE_POOL": "pool", "NODE_DEVICE": "dev", "SECRET": "secret"}
    args = {"eventID": 0, handle[kind]: None}
    got = await peer.call(f"CONNECT_{kind}_EVENT_REGISTER_ANY", **args)
    await peer.call(f"CONNECT_{kind}_EVENT_DEREGISTER_ANY", **got)
    assert await peer.refusal(f"CONNECT_{kind}_EVENT_DEREGISTER_ANY", **got)


@pytest.mark.parametrize(
    ("event", "flags", "told"),
    [
        (None, 0, ["RESET", "STOP"]),
        ("STOP", 0, ["STOP"]),
        ("STO", 0, []),
        ("stop", 0, []),
        ("stop", 2, ["STOP"]),
        ("R.*T$", 1, ["RESET"]),
        ("R.*T$", 0, []),
        ("r|s", 3, ["RESET", "STOP"]),
    ],
)
async def test_monitor_events_by_name(serve, event, flags, told):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    got = await peer.call(
        "CONNECT_DOMAIN_MONITOR_EVENT_REGISTER", program=QEMU, dom=None, event=event, flags=flags
    )
    for name in ("RESET", "STOP"):
        guest.tell("monitor", event=name, seconds=5, micros=6, details='{"a":1}')
    for name in told:
        body = await peer.message("DOMAIN_MONITOR_EVENT")
        assert (body["event"], body["seconds"], body["details"]) == (name, 5, '{"a":1}')
    await peer.call("CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER", program=QEMU, **got)
    guest.tell("monitor", event="STOP", seconds=5, micros=6, details=None)
    await peer.call("CONNECT_GET_TYPE")
    assert not peer.events


@pytest.mark.parametrize(
    ("event", "flags", "says"),
    [
        ("(", 1, "not a regular expression"),
        ("x", 4, "0x4"),
        ("x" * 300, 1, "more than 256"),
    ],
)
async def test_monitor_events_that_cannot_be_asked_for(serve, event, flags, says):
    peer = await (await serve()).connect()
    args = {"dom": None, "event": event, "flags": flags}
    error = await peer.refusal("CONNECT_DOMAIN_MONITOR_EVENT_REGISTER", program=QEMU, **args)
    assert error.code == Code.INVALID_ARG
    assert says in error.message


SAMPLES = {
    "s": "text", "i": 1, "u": 1, "h": 1, "H": 1,
    "remote_nonnull_string": "text", "remote_string": None,
    "remote_domain_event_graphics_address": {"family": 0, "node": "n", "service": "s"},
}  # fmt: skip


def sample_args(number):
    """Arguments of a domain event by libvirt's names, of any value."""
    name = EVENT_NAMES[number]
    message = f"DOMAIN_EVENT_{name}"
    if number > 15 and number not in (16, 24, 25, 26, 27):
        message = f"DOMAIN_EVENT_CALLBACK_{name}"
    fields = [f.split(":") for f in type_line(procedure(REMOTE, message).msg).split(" ")]
    return {
        field: [] if spec.endswith(">") else SAMPLES[spec]
        for field, spec in fields
        if field not in ("callbackID", "dom", "msg")
    }


@pytest.mark.parametrize("number", range(len(EVENT_NAMES)))
def test_every_event_fits_its_message(number):
    guest = FakeHypervisor().domains.add("vm1")
    sent = []
    wishes = Subscriptions(lambda *message: sent.append(message))
    callback = wishes.add(number, None)
    if number <= 14:
        wishes.add(number, None, legacy=True)
    kind = EVENT_NAMES[number].lower().replace("_", "-")
    if kind == "io-error-reason":
        kind = "io-error"
    args = sample_args(number)
    if kind.startswith("pm"):
        args["reason"] = 0
    wishes.deliver(Event(kind, guest.ref, args))
    assert len(sent) == (2 if number <= 14 else 1)
    for program, name, body in sent:
        data = ServerSession().message(program, name, body)
        decoded = codec(procedure(program, name).msg).decode(data[28:])
        assert decoded.get("callbackID", callback) == callback
        inner = decoded.get("msg", decoded)
        assert inner["dom"]["name"] == "vm1"
        assert args.items() <= {**decoded, **inner, "reason": args.get("reason")}.items()


def test_an_io_error_with_its_reason_is_two_events():
    guest = FakeHypervisor().domains.add("vm1")
    sent = []
    wishes = Subscriptions(lambda *message: sent.append(message))
    plain, reasoned = wishes.add(4, None), wishes.add(6, None)
    args = {"srcPath": "/d", "devAlias": "virtio-disk0", "action": 1, "reason": "enospc"}
    wishes.deliver(Event("io-error", guest.ref, args))
    assert {(body["callbackID"], body["msg"].get("reason")) for _, _, body in sent} == {
        (plain, None),
        (reasoned, "enospc"),
    }
    for program, name, body in sent:
        assert ServerSession().message(program, name, body)


def test_nothing_is_sent_without_callbacks():
    wishes = Subscriptions(lambda *message: pytest.fail(f"sent {message}"))
    wishes.deliver(Event("lifecycle", FakeHypervisor().domains.add("vm1").ref, {}))
    number = wishes.add(1, None)
    wishes.deliver(Event("lifecycle", FakeHypervisor().domains.add("vm1").ref, {}))
    wishes.remove(number)
    with pytest.raises(VirtError):
        wishes.remove(number)
    assert len(wishes) == 0


async def test_an_event_that_does_not_fit_is_a_line_in_the_log(serve, caplog):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    await peer.call(REGISTER, eventID=1, dom=None)
    guest.tell("reboot", surplus=1)
    guest.tell("no-such-event")
    guest.tell("reboot")
    assert (await peer.message("DOMAIN_EVENT_CALLBACK_REBOOT"))["msg"]["dom"]["name"] == "vm1"
    assert "there is no field 'surplus'" in caplog.text
    assert "no-such-event" in caplog.text

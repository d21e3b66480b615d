"""The connection: opening, features, refusals, many calls, clients that misbehave or die."""

import asyncio

import pytest

from tests.fakes.hypervisor import INFO
from virtup.errors import Code, Origin
from virtup.wire.frame import Header, Kind, Status, encode_frame
from virtup.wire.session import PingReceived
from virtup.wire.tables import QEMU, REMOTE, VIRTUP


async def test_a_client_opens_asks_and_closes(serve):
    served = await serve()
    peer = await served.connect(opened=False)
    assert await peer.call("AUTH_LIST") == {"types": [0]}
    assert await peer.call("CONNECT_OPEN", name="qemu:///system", flags=0) == {}
    assert await peer.call("CONNECT_GET_TYPE") == {"type": "QEMU"}
    assert await peer.call("CONNECT_GET_VERSION") == {"hv_ver": 7002022}
    assert await peer.call("CONNECT_GET_LIB_VERSION") == {"lib_ver": 9000000}
    assert await peer.call("CONNECT_GET_HOSTNAME") == {"hostname": "vm.example"}
    assert await peer.call("CONNECT_GET_URI") == {"uri": "qemu:///system"}
    assert await peer.call("NODE_GET_INFO") == INFO
    assert await peer.call("CONNECT_CLOSE") == {}
    assert await peer.closed()


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        (None, True),
        ("", True),
        ("qemu:///session", True),
        ("qemu:///session?x=1", True),
        ("qemu:///system", False),
        ("xen:///", False),
    ],
)
async def test_the_uri_must_be_the_daemons(serve, name, fits):
    peer = await (await serve(kind="session")).connect(opened=False)
    if fits:
        assert await peer.call("CONNECT_OPEN", name=name, flags=0) == {}
        assert await peer.call("CONNECT_GET_URI") == {"uri": "qemu:///session"}
    else:
        error = await peer.refusal("CONNECT_OPEN", name=name, flags=0)
        assert error.code == Code.NO_CONNECT
        assert "qemu:///session" in error.message


async def test_nothing_is_served_before_the_connection_is_open(serve):
    peer = await (await serve()).connect(opened=False)
    error = await peer.refusal("CONNECT_GET_TYPE")
    assert (error.origin, error.message) == (Origin.RPC, "internal error: connection not open")
    await peer.call("CONNECT_OPEN", name=None, flags=0)
    error = await peer.refusal("CONNECT_OPEN", name=None, flags=0)
    assert "already open" in error.message


async def test_unknown_open_flags_are_refused(serve):
    peer = await (await serve()).connect(opened=False)
    assert "0x40" in (await peer.refusal("CONNECT_OPEN", name=None, flags=64)).message


async def test_features_are_those_of_libvirtd_without_migration_and_descriptors(serve):
    peer = await (await serve()).connect()
    supported = [
        number
        for number in range(24)
        if (await peer.call("CONNECT_SUPPORTS_FEATURE", feature=number))["supported"]
    ]
    assert supported == [9, 10, 11, 14, 15, 16]


async def test_a_procedure_without_handler_is_refused_by_name(serve):
    peer = await (await serve()).connect()
    error = await peer.refusal("CONNECT_GET_SYSINFO", flags=0)
    assert error.code == Code.NO_SUPPORT
    assert error.message.endswith("virtup does not serve CONNECT_GET_SYSINFO")


async def test_an_unknown_procedure_is_refused_and_the_connection_lives(serve):
    peer = await (await serve()).connect()
    serial = peer.send("CONNECT_GET_TYPE")
    await peer.answer(serial)
    serial, _ = peer.session.call(REMOTE, "CONNECT_GET_TYPE")
    unknown = Header(REMOTE, 1, 9999, Kind.CALL, serial, Status.OK)
    peer.writer.write(encode_frame(unknown))
    raw = await peer.reader.readexactly(28)
    assert raw[4:] == encode_frame(unknown._replace(type=Kind.REPLY, status=Status.ERROR))[4:]


async def test_a_mistake_of_our_own_is_an_error_and_a_line_in_the_log(serve, caplog):
    served = await serve()
    served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    error = await peer.refusal("DOMAIN_MONITOR_COMMAND", program=QEMU, dom=dom, cmd="bug", flags=0)
    assert error.code == Code.INTERNAL_ERROR
    assert "ZeroDivisionError: by nought" in error.message
    assert any("DOMAIN_MONITOR_COMMAND failed" in r.message for r in caplog.records)
    assert await peer.call("CONNECT_GET_TYPE") == {"type": "QEMU"}


async def test_a_reply_that_does_not_fit_the_protocol_is_an_error(serve):
    served = await serve()
    served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    args = {"dom": dom, "cmd": "big 4194305", "flags": 0}
    error = await peer.refusal("DOMAIN_MONITOR_COMMAND", program=QEMU, **args)
    assert "above the limit of 4194304" in error.message


async def test_calls_run_at_once_and_are_answered_as_they_end(serve):
    served = await serve()
    slow = served.hypervisor.domains.add("slow")
    slow.gate.clear()
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="slow"))["dom"]
    start = peer.send("DOMAIN_CREATE", dom=dom)
    assert await peer.call("DOMAIN_IS_ACTIVE", dom=dom) == {"active": 0}
    slow.gate.set()
    assert await peer.answer(start) == {}
    assert await peer.call("DOMAIN_IS_ACTIVE", dom=dom) == {"active": 1}


async def test_calls_beyond_the_limit_wait_their_turn(serve):
    served = await serve(max_client_requests=2)
    slow = served.hypervisor.domains.add("slow")
    slow.gate.clear()
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="slow"))["dom"]
    starts = [peer.send("DOMAIN_CREATE", dom=dom) for _ in range(2)]
    asks = [peer.send("DOMAIN_IS_ACTIVE", dom=dom) for _ in range(500)]
    unserved = peer.send("CONNECT_GET_SYSINFO", flags=0)
    other = await served.connect()
    assert await other.call("CONNECT_GET_TYPE")
    slow.gate.set()
    assert await peer.answer(starts[0]) == {}
    with pytest.raises(Exception, match="already running"):
        await peer.answer(starts[1])
    for serial in asks:
        assert await peer.answer(serial) == {"active": 1}
    with pytest.raises(Exception, match="does not serve"):
        await peer.answer(unserved)


async def test_a_client_that_dies_in_mid_call_leaves_the_call_to_its_end(serve):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    guest.gate.clear()
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    peer.send("DOMAIN_CREATE_WITH_FLAGS", dom=dom, flags=2)
    await peer.call("CONNECT_GET_TYPE")
    peer.close()
    await served.settled(lambda: served.hypervisor.gone == [1], "the driver heard of it")
    guest.gate.set()
    await served.settled(lambda: guest.autodestroy == 1, "the start went to its end")
    await served.settled(lambda: not guest.active, "and what it started went with the client")


async def test_a_question_to_qemu_ends_with_its_client(serve):
    served = await serve()
    served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    peer.send("DOMAIN_MONITOR_COMMAND", program=QEMU, dom=dom, cmd="hang", flags=0)
    await peer.call("CONNECT_GET_TYPE")
    (client,) = served.server.clients
    assert len(client._running) == 1
    peer.close()
    await served.settled(lambda: not client._running, "the call ended")


async def test_the_server_ends_with_calls_under_way(serve):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    guest.gate.clear()
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    start = peer.send("DOMAIN_CREATE", dom=dom)
    await peer.call("CONNECT_GET_TYPE")
    served.server.stop()
    with pytest.raises(Exception, match="the daemon ended the call"):
        await peer.answer(start)
    assert await peer.closed()


async def test_a_client_may_still_write_when_the_daemon_ends_until_it_hangs_up(serve, monkeypatch):
    monkeypatch.setattr("virtup.daemon.server._PARTING_S", 20.0)
    served = await serve()
    peer, other = await served.connect(), await served.connect()
    served.server.stop()
    assert await peer.closed()
    peer.send("CONNECT_CLOSE")
    await peer.writer.drain()
    other.close()
    await served.settled(lambda: len(served.server.clients) == 1, "the other hung up")
    assert not served.task.done()
    peer.close()
    await asyncio.wait_for(served.task, 10)


async def test_a_client_that_does_not_hang_up_is_closed(serve, monkeypatch):
    monkeypatch.setattr("virtup.daemon.server._PARTING_S", 0.05)
    served = await serve()
    peer = await served.connect()
    served.server.stop()
    await asyncio.wait_for(served.task, 20)
    with pytest.raises(ConnectionError):
        while True:
            peer.send("CONNECT_CLOSE")
            await peer.writer.drain()
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\x10" + b"x" * 12,
        b"\xff\xff\xff\xff",
        encode_frame(Header(REMOTE, 1, 1, Kind.REPLY, 1, Status.OK)),
        encode_frame(Header(REMOTE, 1, 1, Kind.CALL, 1, Status.ERROR)),
    ],
)
async def test_garbage_closes_the_connection_with_one_line(serve, caplog, garbage):
    served = await serve()
    peer = await served.connect(opened=False)
    peer.writer.write(garbage)
    assert await peer.closed()
    await served.settled(lambda: not served.server.clients, "the client is gone")
    lines = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert len(lines) == 1
    assert lines[0].startswith("client 1: disconnected: ")
    assert await (await served.connect()).call("CONNECT_GET_TYPE") == {"type": "QEMU"}


async def test_calls_before_garbage_are_served(serve):
    served = await serve()
    peer = await served.connect()
    served.hypervisor.domains.add("vm1")
    peer.send("DOMAIN_DEFINE_XML", xml="<name>vm2</name>")
    peer.writer.write(b"\0\0\0\0")
    assert await peer.closed()
    await served.settled(lambda: "vm2" in served.hypervisor.domains.guests, "it was defined")


async def test_too_many_clients_are_turned_away(serve, caplog):
    served = await serve(max_clients=2)
    first, second = await served.connect(), await served.connect()
    third = await served.connect(opened=False)
    assert await third.closed()
    assert "max_clients" in caplog.text
    second.close()
    await served.settled(lambda: len(served.server.clients) == 1, "one left")
    assert await (await served.connect()).call("CONNECT_GET_TYPE")
    assert await first.call("CONNECT_GET_TYPE")


async def test_a_client_that_asks_for_keepalive_is_asked_and_dropped_when_silent(serve, caplog):
    served = await serve(keepalive_interval_s=0.01, keepalive_count=3)
    deaf, plain, live = [await served.connect() for _ in range(3)]
    deaf.answers_pings = False
    for peer in (deaf, live):
        await peer.call("CONNECT_SUPPORTS_FEATURE", feature=10)
    assert await deaf.closed()
    assert sum(isinstance(event, PingReceived) for event in deaf.events) >= 3
    assert "did not answer 3 keepalive" in caplog.text
    assert await plain.call("CONNECT_GET_TYPE")
    assert not plain.events


async def test_a_live_client_that_answers_stays(serve):
    served = await serve(keepalive_interval_s=0.01, keepalive_count=2)
    peer = await served.connect()
    await peer.call("CONNECT_SUPPORTS_FEATURE", feature=10)
    serial = peer.send("CONNECT_GET_TYPE")
    await peer.answer(serial)
    end = asyncio.get_running_loop().time() + 0.3
    while asyncio.get_running_loop().time() < end:
        assert await peer.call("CONNECT_GET_TYPE")


async def test_our_ping_is_answered(serve):
    peer = await (await serve()).connect()
    peer.writer.write(peer.session.ping())
    await peer.until(lambda e: type(e).__name__ == "PongReceived")


async def test_a_client_that_does_not_read_is_dropped_and_others_live(serve, caplog):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    deaf, live = await served.connect(), await served.connect()
    await deaf.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=0, dom=None)
    deaf.reader._transport.pause_reading()
    for _ in range(200_000):
        guest.tell("lifecycle", event=4, detail=0)
        if len(served.server.clients) == 1:
            break
        if _ % 1000 == 0:
            await asyncio.sleep(0)
    await served.settled(lambda: len(served.server.clients) == 1, "it was dropped")
    assert "it did not read" in caplog.text
    assert await live.call("CONNECT_GET_TYPE")


async def test_large_replies_that_are_not_read_stop_the_reading_of_calls(serve):
    served = await serve()
    served.hypervisor.domains.add("vm1")
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    peer.reader._transport.pause_reading()
    args = {"dom": dom, "cmd": "big 1000000", "flags": 0}
    asks = [peer.send("DOMAIN_MONITOR_COMMAND", program=QEMU, **args) for _ in range(40)]
    (client,) = served.server.clients
    await served.settled(lambda: client._stalled, "its output is full")
    peer.reader._transport.resume_reading()
    for serial in asks:
        assert len((await peer.answer(serial))["result"]) == 1000000
    await served.settled(lambda: not client._stalled, "its output is empty")


async def test_a_read_only_socket_and_flag_refuse_writes(serve):
    served = await serve()
    served.hypervisor.domains.add("vm1")
    for how in ({"readonly": True}, {"flags": 1}):
        peer = await served.connect(**how)
        dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
        assert await peer.call("DOMAIN_GET_STATE", dom=dom, flags=0)
        error = await peer.refusal("DOMAIN_CREATE", dom=dom)
        assert error.code == Code.OPERATION_DENIED
        assert error.message == ("operation forbidden: read only access prevents virDomainCreate")
        error = await peer.refusal("DOMAIN_GET_XML_DESC", dom=dom, flags=1)
        assert error.code == Code.OPERATION_DENIED
        error = await peer.refusal(
            "DOMAIN_MONITOR_COMMAND", program=QEMU, dom=dom, cmd="x", flags=0
        )
        assert error.code == Code.OPERATION_DENIED


async def test_an_idle_daemon_ends_but_not_with_a_guest_or_a_client(serve):
    served = await serve(idle_s=0.05)
    peer = await served.connect()
    guest = served.hypervisor.domains.add("vm1")
    await guest.start(0, None)
    await asyncio.sleep(0.15)
    assert not served.task.done()
    peer.close()
    await asyncio.sleep(0.15)
    assert not served.task.done()
    await guest.destroy(0)
    await asyncio.wait_for(served.task, 20)


async def test_virtups_own_program(serve):
    import json

    served = await serve()
    served.hypervisor.domains.add("vm1")
    peer = await served.connect()

    async def ask(name, request):
        reply = await peer.call(name, program=VIRTUP, request=request)
        return json.loads(reply["reply"])

    assert (await ask("PING", ""))["pid"] > 0
    assert await ask("WHY", '{"domain": "vm1"}') == {"guest": "vm1", "findings": []}
    assert await ask("ATTEMPTS", '{"domain": "vm1"}') == {
        "attempts": [{"guest": "vm1", "verdict": "failed"}]
    }
    for more, pair in (("", (None, None)), (', "before": "2", "after": "now"', ("2", "now"))):
        told = await ask("DIFF", f'{{"domain": "vm1"{more}}}')
        assert (told["before"], told["after"]) == pair
    for bad in ('"before": 2', '"after": "2"', '"before": []'):
        error = await peer.refusal("DIFF", program=VIRTUP, request=f'{{"domain": "vm1", {bad}}}')
        assert error.code == Code.INVALID_ARG
    for bad in ("[]", "{", '{"domain": 5}', "{}", "[" * 100000):
        error = await peer.refusal("WHY", program=VIRTUP, request=bad)
        assert error.code == Code.INVALID_ARG

"""Consoles as streams: both ways, bounded both ways, ended from every side."""

import asyncio

import pytest

from virtup.daemon.streams import INPUT_BYTES_MAX
from virtup.wire.frame import Header, Kind, Status, encode_frame
from virtup.wire.session import StreamAborted, StreamData, StreamEnded, StreamFailed, StreamFinished
from virtup.wire.tables import REMOTE, procedure


@pytest.fixture
async def lab(serve):
    """A running guest with its console open: ``far`` is the guest's end, ``serial`` the stream."""
    served = await serve()
    served.guest = served.hypervisor.domains.add("vm1")
    await served.guest.start(0, None)
    served.peer = await served.connect()
    served.dom = (await served.peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    served.serial = served.peer.send(
        "DOMAIN_OPEN_CONSOLE", stream=True, dom=served.dom, dev_name=None, flags=0
    )
    await served.peer.answer(served.serial)
    (served.console,) = served.guest.consoles
    served.far = served.console.far
    return served


async def read(peer, count):
    """So many bytes of what the console printed."""
    data = b""
    while len(data) < count:
        data += (await peer.until(lambda e: isinstance(e, StreamData))).data
    return data


def is_a(kind):
    return lambda event: isinstance(event, kind)


async def test_what_is_typed_arrives_and_what_is_printed_comes_back(lab):
    lab.peer.writer.write(lab.peer.session.stream_data(lab.serial, b"ls\r"))
    assert await asyncio.to_thread(lab.far.recv, 100) == b"ls\r"
    lab.far.send(b"bin boot\r\n\xff\x00")
    assert await read(lab.peer, 12) == b"bin boot\r\n\xff\x00"


async def test_the_client_finishes(lab):
    lab.peer.writer.write(lab.peer.session.stream_finish(lab.serial))
    await lab.peer.until(is_a(StreamFinished))
    assert lab.console.fd == -1
    assert await lab.peer.call("CONNECT_GET_TYPE")


async def test_the_client_aborts_and_may_open_again(lab):
    lab.far.send(b"x" * 1000)
    lab.peer.writer.write(lab.peer.session.stream_abort(lab.serial))
    await lab.peer.until(is_a(StreamAborted))
    serial = lab.peer.send(
        "DOMAIN_OPEN_CONSOLE", stream=True, dom=lab.dom, dev_name="serial0", flags=1
    )
    assert await lab.peer.answer(serial) == {}
    assert lab.guest.asked == [("console", None, 0), ("console", "serial0", 1)]


async def test_the_guest_ends_and_the_client_is_told_once(lab):
    lab.far.send(b"bye")
    lab.far.close()
    assert await read(lab.peer, 3) == b"bye"
    await lab.peer.until(is_a(StreamEnded))
    lab.peer.writer.write(lab.peer.session.stream_data(lab.serial, b"anyone?"))
    lab.peer.writer.write(lab.peer.session.stream_finish(lab.serial))
    await lab.peer.until(is_a(StreamFinished))
    assert not lab.peer.events
    assert lab.console.fd == -1


async def test_a_client_that_goes_lets_go_of_the_console(lab):
    lab.peer.close()
    await lab.settled(lambda: lab.console.fd == -1, "the console was closed")


async def test_another_client_takes_the_console(lab):
    lab.console.take()
    failed = await lab.peer.until(is_a(StreamFailed))
    assert "taken by another client" in failed.error.message
    assert await lab.peer.call("CONNECT_GET_TYPE")


async def test_a_guest_that_does_not_read_stops_the_reading_of_its_client(lab):
    (client,) = lab.server.clients
    chunk = b"x" * 65536
    sent = 0
    async with asyncio.timeout(20):
        while "stream" not in str(client._deaf):
            lab.peer.writer.write(lab.peer.session.stream_data(lab.serial, chunk))
            sent += len(chunk)
            await asyncio.sleep(0)
    stream = client._streams[lab.serial]
    assert len(stream._input) < INPUT_BYTES_MAX + 2 * 262144
    got = 0
    while got < sent:
        got += len(await asyncio.to_thread(lab.far.recv, 1 << 20))
    await lab.settled(lambda: not client._deaf, "its client is read again")
    assert await lab.peer.call("CONNECT_GET_TYPE")


async def test_a_client_that_does_not_read_leaves_the_output_in_the_kernel(lab):
    (client,) = lab.server.clients
    lab.peer.reader._transport.pause_reading()
    lab.far.setblocking(False)
    sent = 0
    async with asyncio.timeout(20):
        while not client._stalled:
            try:
                sent += lab.far.send(b"y" * 65536)
            except BlockingIOError:
                pass
            await asyncio.sleep(0)
    assert client._transport.get_write_buffer_size() < 4 * 1024 * 1024
    lab.peer.reader._transport.resume_reading()
    assert len(await read(lab.peer, sent)) == sent
    assert not client._stalled


async def test_a_hole_fails_the_stream_alone(lab):
    number = procedure(REMOTE, "DOMAIN_OPEN_CONSOLE").number
    header = Header(REMOTE, 1, number, Kind.STREAM_HOLE, lab.serial, Status.CONTINUE)
    lab.peer.writer.write(encode_frame(header, bytes(12)))
    await lab.peer.until(is_a(StreamFailed))
    assert await lab.peer.call("CONNECT_GET_TYPE")


async def test_typing_into_a_console_that_broke_fails_the_stream(lab):
    lab.far.close()
    await lab.peer.until(is_a(StreamEnded))
    serial = lab.peer.send("DOMAIN_OPEN_CONSOLE", stream=True, dom=lab.dom, dev_name=None, flags=0)
    await lab.peer.answer(serial)
    (client,) = lab.server.clients
    client._streams[serial].pause()
    lab.guest.consoles[1].far.close()
    data = lab.peer.session.stream_data(serial, b"x")
    lab.peer.writer.write(data + data)
    failed = await lab.peer.until(is_a(StreamFailed))
    assert "does not take input" in failed.error.message
    lab.peer.writer.write(lab.peer.session.stream_finish(lab.serial))
    await lab.peer.until(is_a(StreamFinished))


async def test_a_client_that_is_gone_when_the_console_opens_leaves_nothing_open(serve):
    served = await serve()
    guest = served.hypervisor.domains.add("vm1")
    await guest.start(0, None)
    peer = await served.connect()
    dom = (await peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    for _ in range(30):
        peer.send("DOMAIN_OPEN_CONSOLE", stream=True, dom=dom, dev_name=None, flags=0)
    await peer.writer.drain()
    peer.close()
    await served.settled(lambda: not served.server.clients, "the client is gone")
    await served.settled(lambda: all(c.fd == -1 for c in guest.consoles), "all are closed")


async def test_flags_that_are_not_known(lab):
    error = await lab.peer.refusal("DOMAIN_OPEN_CONSOLE", dom=lab.dom, dev_name=None, flags=4)
    assert "0x4" in error.message

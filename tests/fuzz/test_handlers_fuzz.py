"""Every served procedure, with any arguments that fit its type: a reply that fits, or an error."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.hypervisor import FakeHypervisor
from virtup.daemon import handlers, registry
from virtup.daemon.client import Client
from virtup.daemon.config import Config
from virtup.daemon.streams import OpenStream
from virtup.errors import VirtError
from virtup.wire.tables import procedure, type_line
from virtup.wire.xdr import codec

handlers.load()
SERVED = sorted(registry._HANDLERS, key=str)

TEXTS = st.one_of(
    st.sampled_from(["vm1", "vm2", "", "qemu", "kvm", "../etc", "<domain/>", "\udcff", "{", "["]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)
NUMBERS = {
    "i": st.one_of(st.sampled_from([0, 1, -1, -2]), st.integers(-(2**31), 2**31 - 1)),
    "u": st.one_of(st.integers(0, 8), st.integers(0, 2**32 - 1)),
    "h": st.integers(-(2**63), 2**63 - 1),
    "H": st.integers(0, 2**64 - 1),
    "d": st.floats(),
}
GUEST = FakeHypervisor().domains.add("vm1")


def values(spec):
    """Values of a type, by its notation."""
    if spec.endswith("?"):
        return st.none() | values(spec[:-1])
    name, _, limit = spec.partition("<")
    if limit:
        most = min(int(limit[:-1]), 3)
        if name == "s":
            return TEXTS
        if name == "o":
            return st.binary(max_size=most)
        return st.lists(values(name), max_size=most)
    if spec == "o[16]":
        return st.sampled_from([GUEST.uuid, bytes(16)])
    if spec in NUMBERS:
        return NUMBERS[spec]
    if spec == "v":
        return st.builds(lambda number: {"type": 1, "value": number}, NUMBERS["i"])
    line = type_line(spec)
    if line.startswith("="):
        return values(line[1:])
    return structures(line)


def structures(line):
    return st.fixed_dictionaries({f: values(s) for f, s in (x.split(":") for x in line.split(" "))})


class Server:
    """As much of a server as a client needs without a connection."""

    def __init__(self):
        self.hypervisor = FakeHypervisor()
        self.config = Config()


@pytest.mark.parametrize("key", SERVED, ids=lambda key: procedure(*key).name)
@given(data=st.data())
@settings(max_examples=15)
def test_any_arguments_get_a_reply_that_fits_or_an_error(key, data):
    known = procedure(*key)
    args = data.draw(structures(type_line(known.args))) if known.args else {}
    codec(known.args).encode(args) if known.args else None
    starts = data.draw(st.booleans())

    async def call():
        server = Server()
        server.loop = asyncio.get_running_loop()
        client = Client(server, 1, readonly=False)
        guest = server.hypervisor.domains.add("vm1")
        if starts:
            await guest.start(0, None)
        try:
            return await registry.handler(known).function(client, args)
        except VirtError as error:
            return error

    result = asyncio.run(call())
    if isinstance(result, OpenStream):
        result.console.close()
        result.console.far.close()
    elif not isinstance(result, VirtError):
        assert (known.ret is None) == (result is None)
        if known.ret is not None:
            assert codec(known.ret).decode(codec(known.ret).encode(result)) == result

"""The procedure tables: numbers and names agree, every body has a type."""

import pytest

from virtup.errors import Code
from virtup.wire import tables
from virtup.wire.tables import KEEPALIVE, QEMU, REMOTE, VIRTUP, UnknownProcedure, procedure


@pytest.mark.parametrize(
    ("program", "number", "name"),
    [
        (REMOTE, 1, "CONNECT_OPEN"),
        (REMOTE, 10, "DOMAIN_CREATE_XML"),
        (REMOTE, 66, "AUTH_LIST"),
        (REMOTE, 201, "DOMAIN_OPEN_CONSOLE"),
        (REMOTE, 318, "DOMAIN_EVENT_CALLBACK_LIFECYCLE"),
        (QEMU, 1, "DOMAIN_MONITOR_COMMAND"),
        (KEEPALIVE, 2, "PONG"),
        (VIRTUP, 1, "WHY"),
    ],
)
def test_number_and_name_are_one_procedure(program, number, name):
    assert procedure(program, number) == procedure(program, name)
    assert (procedure(program, number).number, procedure(program, name).name) == (number, name)


@pytest.mark.parametrize("program", [REMOTE, QEMU, KEEPALIVE, VIRTUP])
def test_every_procedure_is_found_both_ways_and_its_types_are_declared(program):
    rows = tables.procedures(program)
    assert len({row.number for row in rows}) == len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert procedure(program, row.name) == row == procedure(program, row.number)
        for body in (row.args, row.ret, row.msg):
            assert body is None or tables.type_line(body)


def test_there_are_as_many_as_libvirt_declares():
    assert len(tables.procedures(REMOTE)) == 453
    assert len(tables.procedures(QEMU)) == 7


@pytest.mark.parametrize(
    ("program", "key"),
    [
        (REMOTE, 0),
        (REMOTE, -1),
        (REMOTE, 9999),
        (REMOTE, "NOPE"),
        (REMOTE, "remote_connect_open_args"),
        (REMOTE, "-"),
        (REMOTE, ""),
        (0x1234, 1),
    ],
)
def test_what_is_not_there_is_an_rpc_error(program, key):
    with pytest.raises(UnknownProcedure) as caught:
        procedure(program, key)
    assert caught.value.code == Code.RPC


def test_programs_have_names():
    assert tables.program_name(REMOTE) == "remote"
    assert tables.program_name(VIRTUP) == "virtup"
    assert tables.program_name(0x1234) == "0x1234"

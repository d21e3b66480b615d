"""Every procedure is decided: served, or in the reviewed list of those that are not yet."""

from pathlib import Path

from virtup.daemon import handlers, registry
from virtup.wire import tables
from virtup.wire.tables import QEMU, REMOTE, VIRTUP

UNSERVED = Path(__file__).with_name("unserved_procedures.txt")


def expected():
    lines = UNSERVED.read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def callable_procedures(program):
    """Procedures that a client can call: messages are the daemon's to send."""
    return {row.name for row in tables.procedures(program) if row.msg is None}


def test_every_procedure_is_served_or_reviewed():
    handlers.load()
    served = registry.handled(REMOTE)
    unserved = callable_procedures(REMOTE) - served
    assert unserved - expected() == set(), "neither served nor in the list: decide"
    assert expected() - unserved == set(), "served now: take it from the list"


def test_no_message_has_a_handler():
    handlers.load()
    assert registry.handled(REMOTE) <= callable_procedures(REMOTE)


def test_the_small_programs_are_served():
    handlers.load()
    assert callable_procedures(QEMU) - registry.handled(QEMU) == {
        "DOMAIN_ATTACH",
        "DOMAIN_MONITOR_COMMAND_WITH_FILES",
    }
    assert callable_procedures(VIRTUP) == registry.handled(VIRTUP)


def test_whatever_writes_is_refused_on_a_read_only_connection():
    handlers.load()
    reads = {
        tables.procedure(*key).name
        for key, found in registry._HANDLERS.items()
        if not found.writes and key[0] == REMOTE
    }
    looks = (
        "GET_",
        "LIST_",
        "NUM_",
        "LOOKUP",
        "IS_",
        "EVENT",
        "_STATS",
        "HAS_",
        "SNAPSHOT_NUM",
        "AUTH_LIST",
    )
    connection = {
        "CONNECT_OPEN",
        "CONNECT_CLOSE",
        "CONNECT_SUPPORTS_FEATURE",
        "CONNECT_REGISTER_CLOSE_CALLBACK",
        "CONNECT_UNREGISTER_CLOSE_CALLBACK",
    }
    assert {n for n in reads if not any(look in n for look in looks)} == connection

"""Guests over the wire: every call reaches the driver, and its answer fits libvirt's types."""

import uuid as uuids

import pytest

from virtup.daemon.handlers.domain import document
from virtup.daemon.handlers.elsewhere import EMPTY, EMPTY_OF_A_GUEST, LOOKUPS
from virtup.errors import Code, VirtError, XmlInvalid
from virtup.wire.tables import QEMU, REMOTE, procedure, type_line

XML = "<domain type='qemu'><name>new</name></domain>"


@pytest.fixture
async def lab(serve):
    served = await serve()
    for name in ("vm1", "vm2"):
        served.hypervisor.domains.add(name)
    served.peer = await served.connect()
    served.dom = (await served.peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    served.guest = served.hypervisor.domains.guests["vm1"]
    return served


async def test_a_guest_is_found_by_name_uuid_and_id(lab):
    uuid = lab.guest.uuid
    assert lab.dom == {"name": "vm1", "uuid": uuid, "id": -1}
    assert await lab.peer.call("DOMAIN_LOOKUP_BY_UUID", uuid=uuid) == {"dom": lab.dom}
    await lab.guest.start(0, None)
    assert (await lab.peer.call("DOMAIN_LOOKUP_BY_ID", id=1))["dom"] == {**lab.dom, "id": 1}


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("DOMAIN_LOOKUP_BY_NAME", {"name": "x"}, "no domain with matching name 'x'"),
        ("DOMAIN_LOOKUP_BY_ID", {"id": 9}, "no domain with matching id 9"),
        ("DOMAIN_LOOKUP_BY_ID", {"id": -1}, "no domain with matching id -1"),
        ("DOMAIN_LOOKUP_BY_UUID", {"uuid": bytes(16)}, "matching uuid '00000000-0000-0000-0000"),
    ],
)
async def test_a_guest_that_is_not_there(lab, name, args, says):
    error = await lab.peer.refusal(name, **args)
    assert error.code == Code.NO_DOMAIN
    assert error.message.startswith("Domain not found: ")
    assert says in error.message


async def test_the_life_of_a_guest(lab):
    call, dom = lab.peer.call, lab.dom
    await call("DOMAIN_CREATE", dom=dom)
    assert await call("DOMAIN_GET_STATE", dom=dom, flags=0) == {"state": 1, "reason": 1}
    await call("DOMAIN_SUSPEND", dom=dom)
    assert await call("DOMAIN_GET_STATE", dom=dom, flags=0) == {"state": 3, "reason": 1}
    await call("DOMAIN_RESUME", dom=dom)
    await call("DOMAIN_REBOOT", dom=dom, flags=1)
    await call("DOMAIN_RESET", dom=dom, flags=0)
    await call("DOMAIN_DESTROY", dom=dom)
    assert (await call("DOMAIN_CREATE_WITH_FLAGS", dom=dom, flags=1))["dom"]["id"] == 2
    await call("DOMAIN_DESTROY_FLAGS", dom=dom, flags=1)
    await call("DOMAIN_CREATE", dom=dom)
    await call("DOMAIN_SHUTDOWN", dom=dom)
    await call("DOMAIN_CREATE", dom=dom)
    await call("DOMAIN_SHUTDOWN_FLAGS", dom=dom, flags=2)
    assert [a for a in lab.guest.asked if a[0] != "console"] == [
        ("reboot", 1),
        ("reset", 0),
        ("shutdown", 0),
        ("shutdown", 2),
    ]
    error = await lab.peer.refusal("DOMAIN_DESTROY", dom=dom)
    assert error.code == Code.OPERATION_INVALID
    assert error.message == "Requested operation is not valid: domain is not running"


async def test_guests_are_made_defined_and_forgotten(lab):
    call = lab.peer.call
    made = (await call("DOMAIN_CREATE_XML", xml_desc=XML, flags=0))["dom"]
    assert made["id"] == 1
    assert await call("DOMAIN_IS_PERSISTENT", dom=made) == {"persistent": 0}
    await call("DOMAIN_DESTROY", dom=made)
    assert (await lab.peer.refusal("DOMAIN_GET_INFO", dom=made)).code == Code.NO_DOMAIN
    assert (await call("DOMAIN_DEFINE_XML", xml=XML))["dom"]["name"] == "new"
    dom = (await call("DOMAIN_DEFINE_XML_FLAGS", xml=XML, flags=1))["dom"]
    await call("DOMAIN_SET_AUTOSTART", dom=dom, autostart=1)
    assert await call("DOMAIN_GET_AUTOSTART", dom=dom) == {"autostart": 1}
    assert await call("DOMAIN_GET_AUTOSTART_ONCE", dom=dom) == {"autostart": 0}
    await call("DOMAIN_SET_TIME", dom=dom, seconds=7, nseconds=8, flags=1)
    assert ("set_time", 7, 8, 1) in lab.hypervisor.domains.guests["new"].asked
    stats = {"stats": [{"tag": 6, "val": 65536}, {"tag": 7, "val": 1234}]}
    assert await call("DOMAIN_MEMORY_STATS", dom=dom, maxStats=16, flags=0) == stats
    one = {"stats": stats["stats"][:1]}
    assert await call("DOMAIN_MEMORY_STATS", dom=dom, maxStats=1, flags=0) == one
    await call("DOMAIN_SET_AUTOSTART_ONCE", dom=dom, autostart=1)
    assert await call("DOMAIN_GET_AUTOSTART_ONCE", dom=dom) == {"autostart": 1}
    await call("DOMAIN_UNDEFINE", dom=dom)
    dom = (await call("DOMAIN_DEFINE_XML", xml=XML))["dom"]
    await call("DOMAIN_UNDEFINE_FLAGS", dom=dom, flags=1)
    assert (await lab.peer.refusal("DOMAIN_IS_ACTIVE", dom=dom)).code == Code.NO_DOMAIN


async def test_what_is_read_of_a_guest(lab):
    call, dom = lab.peer.call, lab.dom
    assert await call("DOMAIN_GET_INFO", dom=dom) == {
        "state": 5, "maxMem": 65536, "memory": 65536, "nrVirtCpu": 2, "cpuTime": 0,
    }  # fmt: skip
    assert await call("DOMAIN_GET_OS_TYPE", dom=dom) == {"type": "hvm"}
    assert await call("DOMAIN_IS_ACTIVE", dom=dom) == {"active": 0}
    assert await call("DOMAIN_IS_UPDATED", dom=dom) == {"updated": 0}
    assert await call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=dom, flags=0) == {"result": 0}
    assert await call("DOMAIN_GET_MESSAGES", dom=dom, flags=0) == {
        "msgs": ["tainted: custom-monitor"]
    }
    assert await call("DOMAIN_GET_MAX_MEMORY", dom=dom) == {"memory": 65536}
    assert await call("DOMAIN_GET_MAX_VCPUS", dom=dom) == {"num": 4}
    assert await call("DOMAIN_GET_SECURITY_LABEL", dom=dom) == {"label": "", "enforcing": 0}
    assert await call("DOMAIN_GET_SECURITY_LABEL_LIST", dom=dom) == {"labels": [], "ret": 0}
    await call("DOMAIN_GET_XML_DESC", dom=dom, flags=3)
    assert lab.guest.asked == [("xml", 3)]
    await call("DOMAIN_CREATE", dom=dom)
    assert (await call("DOMAIN_GET_CONTROL_INFO", dom=dom, flags=0))["state"] == 0


@pytest.mark.parametrize(
    ("flags", "active", "answer"),
    [
        (0, False, 2),
        (0, True, 2),
        (1, True, 2),
        (2, True, 2),
        (4, True, 4),
        (6, False, 4),
        (1, False, Code.OPERATION_INVALID),
        (8, True, Code.OPERATION_UNSUPPORTED),
        (16, True, Code.INVALID_ARG),
    ],
)
async def test_vcpus_are_told_live_configured_and_at_most(lab, flags, active, answer):
    if active:
        await lab.guest.start(0, None)
    if isinstance(answer, Code):
        error = await lab.peer.refusal("DOMAIN_GET_VCPUS_FLAGS", dom=lab.dom, flags=flags)
        assert error.code == answer
    else:
        got = await lab.peer.call("DOMAIN_GET_VCPUS_FLAGS", dom=lab.dom, flags=flags)
        assert got == {"num": answer}


@pytest.mark.parametrize(
    ("kind", "flags", "answer"),
    [
        (1, 0, {"metadata": "Mail"}),
        (1, 2, {"metadata": "Mail"}),
        (0, 0, Code.NO_DOMAIN_METADATA),
        (2, 0, Code.OPERATION_UNSUPPORTED),
        (1, 1, Code.OPERATION_INVALID),
        (1, 4, Code.INVALID_ARG),
    ],
)
async def test_title_and_description(lab, kind, flags, answer):
    args = {"dom": lab.dom, "type": kind, "uri": None, "flags": flags}
    if isinstance(answer, Code):
        assert (await lab.peer.refusal("DOMAIN_GET_METADATA", **args)).code == answer
    else:
        assert await lab.peer.call("DOMAIN_GET_METADATA", **args) == answer


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("DOMAIN_GET_XML_DESC", 16),
        ("DOMAIN_GET_STATE", 1),
        ("DOMAIN_HAS_MANAGED_SAVE_IMAGE", 1),
        ("DOMAIN_GET_CONTROL_INFO", 1),
    ],
)
async def test_unknown_flags_are_refused(lab, name, flags):
    error = await lab.peer.refusal(name, dom=lab.dom, flags=flags)
    assert error.code == Code.INVALID_ARG
    assert f"0x{flags:x}" in error.message


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, ["auto", "off", "on", "paused", "transient"]),
        (1, ["on", "paused", "transient"]),
        (2, ["auto", "off"]),
        (4, ["auto", "off", "on", "paused"]),
        (8, ["transient"]),
        (1 | 8, ["transient"]),
        (2 | 8, []),
        (16, ["on", "transient"]),
        (32, ["paused"]),
        (64, ["auto", "off"]),
        (16 | 32, ["on", "paused", "transient"]),
        (128, []),
        (256, []),
        (512, ["auto", "off", "on", "paused", "transient"]),
        (1024, ["auto"]),
        (2048 | 2, ["off"]),
        (4096, []),
        (8192 | 16384, []),
        (32768 | 1024, ["auto"]),
    ],
)
async def test_the_list_is_chosen_by_flags(serve, flags, names):
    served = await serve()
    domains = served.hypervisor.domains
    for name in ("auto", "off", "on", "paused", "transient"):
        guest = domains.add(name)
        guest.autostart = name == "auto"
        guest.persistent = name != "transient"
        if name in ("on", "paused", "transient"):
            await guest.start(0, None)
        if name == "paused":
            await guest.suspend()
    peer = await served.connect()
    got = await peer.call("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=flags)
    assert sorted(dom["name"] for dom in got["domains"]) == names
    assert got["ret"] == len(names)
    count = await peer.call("CONNECT_LIST_ALL_DOMAINS", need_results=0, flags=flags)
    assert count == {"domains": [], "ret": len(names)}


async def test_the_old_list_calls(lab):
    await lab.guest.start(0, None)
    call = lab.peer.call
    assert await call("CONNECT_NUM_OF_DOMAINS") == {"num": 1}
    assert await call("CONNECT_LIST_DOMAINS", maxids=10) == {"ids": [1]}
    assert await call("CONNECT_LIST_DOMAINS", maxids=0) == {"ids": []}
    assert await call("CONNECT_NUM_OF_DEFINED_DOMAINS") == {"num": 1}
    assert await call("CONNECT_LIST_DEFINED_DOMAINS", maxnames=10) == {"names": ["vm2"]}
    error = await lab.peer.refusal("CONNECT_LIST_DOMAINS", maxids=-5)
    assert error.code == Code.INVALID_ARG
    error = await lab.peer.refusal("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=1 << 20)
    assert "0x100000" in error.message


async def test_the_host_is_told_of(lab):
    call = lab.peer.call
    assert await call("CONNECT_GET_CAPABILITIES") == {"capabilities": "<capabilities/>"}
    got = await call(
        "CONNECT_GET_DOMAIN_CAPABILITIES",
        emulatorbin="/q", arch=None, machine="pc", virttype="kvm", flags=0,
    )  # fmt: skip
    assert "('/q', None, 'pc', 'kvm', 0)" in got["capabilities"]
    assert await call("CONNECT_GET_MAX_VCPUS", type=None) == {"max_vcpus": 16}
    assert await call("CONNECT_GET_MAX_VCPUS", type="kvm") == {"max_vcpus": 1024}
    assert "'bla'" in (await lab.peer.refusal("CONNECT_GET_MAX_VCPUS", type="bla")).message
    assert await call("NODE_GET_SECURITY_MODEL") == {"model": "none", "doi": "0"}
    assert await call("CONNECT_IS_SECURE") == {"secure": 1}
    await call("CONNECT_SET_IDENTITY", params=[], flags=0)
    got = await call(
        "CONNECT_DOMAIN_XML_TO_NATIVE", nativeFormat="qemu-argv", domainXml=XML, flags=0
    )
    assert got == {"nativeConfig": "qemu-argv: qemu-system-x86_64"}


async def test_the_close_callback_is_registered_once(lab):
    call = lab.peer.call
    await call("CONNECT_REGISTER_CLOSE_CALLBACK")
    assert await lab.peer.refusal("CONNECT_REGISTER_CLOSE_CALLBACK")
    await call("CONNECT_UNREGISTER_CLOSE_CALLBACK")
    assert await lab.peer.refusal("CONNECT_UNREGISTER_CLOSE_CALLBACK")


async def test_monitor_and_agent_commands_pass(lab):
    call = lab.peer.call
    got = await call("DOMAIN_MONITOR_COMMAND", program=QEMU, dom=lab.dom, cmd="info", flags=1)
    assert got == {"result": "1:info"}
    args = {"dom": lab.dom, "cmd": "ping", "timeout": -2, "flags": 0}
    assert await call("DOMAIN_AGENT_COMMAND", program=QEMU, **args) == {"result": "-2:ping"}
    args["cmd"] = "silent"
    assert await call("DOMAIN_AGENT_COMMAND", program=QEMU, **args) == {"result": None}


def arguments(name):
    """Arguments of any value that fit the procedure's type."""
    known = procedure(REMOTE, name)
    if known.args is None:
        return {}
    values = {
        "remote_nonnull_string": "x",
        "remote_string": None,
        "remote_uuid": uuids.UUID(int=7).bytes,
        "remote_nonnull_domain": None,
    }
    fields = [field.split(":") for field in type_line(known.args).split(" ")]
    return {field: values.get(spec, 1) for field, spec in fields}


@pytest.mark.parametrize("name", EMPTY)
async def test_what_the_host_has_none_of_is_listed_empty(lab, name):
    body = await lab.peer.call(name, **arguments(name))
    assert body
    assert all(value in ([], 0) for value in body.values())


@pytest.mark.parametrize("name", EMPTY_OF_A_GUEST)
async def test_what_a_guest_has_none_of_is_listed_empty(lab, name):
    args = {**arguments(name), "dom": lab.dom}
    assert all(value in ([], 0) for value in (await lab.peer.call(name, **args)).values())
    args["dom"] = {**lab.dom, "uuid": bytes(16)}
    assert (await lab.peer.refusal(name, **args)).code == Code.NO_DOMAIN


@pytest.mark.parametrize("name", LOOKUPS)
async def test_what_the_host_has_none_of_is_not_found(lab, name):
    error = await lab.peer.refusal(name, **arguments(name))
    assert error.code == LOOKUPS[name][0][0]
    shown = "00000000-0000-0000-0000-000000000007" if "UUID" in name else "x"
    assert error.message.endswith(f" '{shown}'")


def test_a_document_comes_in_the_encoding_that_it_declares():
    latin = "<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>"
    sent = latin.encode("latin-1").decode("utf-8", "surrogateescape")
    assert document(sent) == latin
    assert document("<a>é</a>") == "<a>é</a>"


@pytest.mark.parametrize("head", ["", "<?xml version='1.0' encoding='nonsense-9'?>"])
def test_a_document_that_is_not_what_it_declares_is_refused_by_line(head):
    with pytest.raises(XmlInvalid, match="line 2") as caught:
        document(head + "<a>\n\udcff</a>")
    assert isinstance(caught.value, VirtError)

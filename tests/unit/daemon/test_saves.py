"""Saved state over the wire: each call reaches the driver, and read-only clients only look."""

import json

import pytest

from virtup.errors import Code
from virtup.machine.jobs import Job, JobType, Operation
from virtup.wire.tables import VIRTUP
from virtup.wire.typed import Typed, from_params, to_params

XML = "<domain><name>vm1</name></domain>"
PATH = "/srv/vm1.img"
RUNNING, PAUSED = 2, 4


@pytest.fixture
async def lab(serve):
    served = await serve()
    served.guest = served.hypervisor.domains.add("vm1")
    served.domains = served.hypervisor.domains
    await served.guest.start(0, None)
    served.peer = await served.connect()
    served.dom = (await served.peer.call("DOMAIN_LOOKUP_BY_NAME", name="vm1"))["dom"]
    return served


def params(**values):
    return to_params(values)


@pytest.mark.parametrize(
    ("name", "args", "asked"),
    [
        ("DOMAIN_SAVE", {"to": PATH}, ("save", PATH, None, 0, None)),
        (
            "DOMAIN_SAVE_FLAGS",
            {"to": PATH, "dxml": XML, "flags": 3},
            ("save", PATH, XML, 3, None),
        ),
        (
            "DOMAIN_SAVE_FLAGS",
            {"to": PATH, "dxml": None, "flags": 0},
            ("save", PATH, None, 0, None),
        ),
        (
            "DOMAIN_SAVE_PARAMS",
            {"params": params(file=PATH, dxml=XML, image_format="zstd"), "flags": 4},
            ("save", PATH, XML, 4, "zstd"),
        ),
        ("DOMAIN_SAVE_PARAMS", {"params": [], "flags": 1}, ("managed_save", 1)),
        ("DOMAIN_MANAGED_SAVE", {"flags": 5}, ("managed_save", 5)),
    ],
)
async def test_a_guest_is_saved(lab, name, args, asked):
    await lab.peer.call(name, dom=lab.dom, **args)
    assert lab.guest.asked == [asked]
    assert not lab.guest.active


@pytest.mark.parametrize(
    ("name", "args", "asked"),
    [
        ("DOMAIN_RESTORE", {"from": PATH}, (PATH, None, 0)),
        ("DOMAIN_RESTORE_FLAGS", {"from": PATH, "dxml": XML, "flags": 9}, (PATH, XML, 9)),
        ("DOMAIN_RESTORE_PARAMS", {"params": params(file=PATH), "flags": 2}, (PATH, None, 2)),
        (
            "DOMAIN_RESTORE_PARAMS",
            {"params": params(dxml=XML, file=PATH), "flags": 0},
            (PATH, XML, 0),
        ),
    ],
)
async def test_a_guest_is_restored(lab, name, args, asked):
    await lab.guest.save(PATH, None, 0)
    await lab.peer.call(name, **args)
    assert lab.domains.asked == [("restore", *asked)]
    assert lab.guest.active


async def test_an_image_is_read_and_changed(lab):
    lab.domains.images[PATH] = XML
    call = lab.peer.call
    assert await call("DOMAIN_SAVE_IMAGE_GET_XML_DESC", file=PATH, flags=1) == {"xml": XML}
    await call("DOMAIN_SAVE_IMAGE_DEFINE_XML", file=PATH, dxml="<domain/>", flags=RUNNING)
    assert lab.domains.asked == [
        ("save_image_xml", PATH, 1),
        ("save_image_define", PATH, "<domain/>", RUNNING),
    ]


async def test_a_managed_save_comes_is_changed_and_goes(lab):
    call, dom = lab.peer.call, lab.dom
    assert await call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=dom, flags=0) == {"result": 0}
    error = await lab.peer.refusal("DOMAIN_MANAGED_SAVE_GET_XML_DESC", dom=dom, flags=0)
    assert error.message.endswith("domain does not have managed save image")
    await call("DOMAIN_MANAGED_SAVE", dom=dom, flags=0)
    assert await call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=dom, flags=0) == {"result": 1}
    assert (await call("DOMAIN_MANAGED_SAVE_GET_XML_DESC", dom=dom, flags=1))["xml"] == XML
    await call("DOMAIN_MANAGED_SAVE_DEFINE_XML", dom=dom, dxml="<domain/>", flags=PAUSED)
    assert lab.guest.managed == "<domain/>"
    await call("DOMAIN_MANAGED_SAVE_DEFINE_XML", dom=dom, dxml=None, flags=RUNNING)
    assert lab.guest.asked[-2:] == [
        ("managed_save_define", "", RUNNING),
        ("managed_save_xml", 0),
    ]
    await call("DOMAIN_MANAGED_SAVE_REMOVE", dom=dom, flags=0)
    assert await call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=dom, flags=0) == {"result": 0}


async def test_the_list_knows_who_has_a_managed_save(lab):
    lab.domains.add("saved").managed = XML
    for flags, name in ((256, "saved"), (512, "vm1")):
        got = await lab.peer.call("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=flags)
        assert [dom["name"] for dom in got["domains"]] == [name]


WITH_FLAGS = {
    "DOMAIN_SAVE_FLAGS": {"dom": None, "to": PATH, "dxml": None},
    "DOMAIN_SAVE_PARAMS": {"dom": None, "params": params(file=PATH)},
    "DOMAIN_RESTORE_FLAGS": {"from": PATH, "dxml": None},
    "DOMAIN_RESTORE_PARAMS": {"params": params(file=PATH)},
    "DOMAIN_SAVE_IMAGE_DEFINE_XML": {"file": PATH, "dxml": XML},
    "DOMAIN_MANAGED_SAVE": {"dom": None},
    "DOMAIN_MANAGED_SAVE_DEFINE_XML": {"dom": None, "dxml": XML},
}


def filled(args, dom):
    """The arguments with the guest's handle where one belongs."""
    return {**args, "dom": dom} if "dom" in args else args


@pytest.mark.parametrize("name", WITH_FLAGS)
async def test_running_and_paused_exclude_each_other(lab, name):
    args = filled(WITH_FLAGS[name], lab.dom)
    error = await lab.peer.refusal(name, **args, flags=RUNNING | PAUSED)
    assert error.code == Code.INVALID_ARG
    assert error.message == (
        "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive"
    )
    assert lab.guest.asked == lab.domains.asked == []


@pytest.mark.parametrize("name", ["MANAGED_SAVE_GET_XML_DESC", "SAVE_IMAGE_GET_XML_DESC"])
async def test_unknown_flags_of_a_look_are_refused(lab, name):
    args = {"file": PATH} if "IMAGE" in name else {"dom": lab.dom}
    error = await lab.peer.refusal(f"DOMAIN_{name}", **args, flags=6)
    assert error.code == Code.INVALID_ARG
    assert "0x6" in error.message


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("DOMAIN_SAVE", {"dom": None, "to": "vm1.img"}),
        ("DOMAIN_SAVE_FLAGS", {"dom": None, "to": "", "dxml": None, "flags": 0}),
        ("DOMAIN_SAVE_PARAMS", {"dom": None, "params": params(file="vm1.img"), "flags": 0}),
        ("DOMAIN_RESTORE", {"from": "vm1.img"}),
        ("DOMAIN_RESTORE_FLAGS", {"from": "./vm1.img", "dxml": None, "flags": 0}),
        ("DOMAIN_RESTORE_PARAMS", {"params": params(file="vm1.img"), "flags": 0}),
        ("DOMAIN_SAVE_IMAGE_GET_XML_DESC", {"file": "vm1.img", "flags": 0}),
        ("DOMAIN_SAVE_IMAGE_DEFINE_XML", {"file": "vm1.img", "dxml": XML, "flags": 0}),
    ],
)
async def test_a_relative_path_is_refused(lab, name, args):
    error = await lab.peer.refusal(name, **filled(args, lab.dom))
    assert error.code == Code.INVALID_ARG
    assert "is not absolute" in error.message
    assert lab.guest.asked == lab.domains.asked == []


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (params(file=PATH, frob="1"), Code.ARGUMENT_UNSUPPORTED, "parameter 'frob' not supported"),
        (params(file=7), Code.INVALID_ARG, "'file' has to be a string"),
        ([*params(file=PATH), *params(file=PATH)], Code.INVALID_ARG, "'file' occurs multiple"),
    ],
)
async def test_parameters_are_known_texts_given_once(lab, given, code, says):
    for name, args in (
        ("DOMAIN_SAVE_PARAMS", {"dom": lab.dom}),
        ("DOMAIN_RESTORE_PARAMS", {}),
    ):
        error = await lab.peer.refusal(name, **args, params=given, flags=0)
        assert error.code == code
        assert says in error.message


async def test_parameters_that_need_a_file(lab):
    error = await lab.peer.refusal("DOMAIN_RESTORE_PARAMS", params=params(dxml=XML), flags=0)
    assert error.code == Code.INVALID_ARG
    assert "'file'" in error.message
    error = await lab.peer.refusal(
        "DOMAIN_SAVE_PARAMS", dom=lab.dom, params=params(dxml=XML), flags=0
    )
    assert error.code == Code.ARGUMENT_UNSUPPORTED
    assert lab.guest.asked == []


async def test_a_job_is_told_and_aborted(lab):
    call, dom = lab.peer.call, lab.dom
    idle = await call("DOMAIN_GET_JOB_INFO", dom=dom)
    assert set(idle.values()) == {0}
    job = Job(Operation.SAVE, began_ms=0, total_bytes=1 << 40, left_bytes=1 << 39)
    lab.guest.job = job.info(1500)
    info = await call("DOMAIN_GET_JOB_INFO", dom=dom)
    assert (info["type"], info["timeElapsed"], info["dataTotal"]) == (2, 1500, 1 << 40)
    assert info["memRemaining"] == 1 << 39
    await call("DOMAIN_ABORT_JOB", dom=dom)
    error = await lab.peer.refusal("DOMAIN_ABORT_JOB_FLAGS", dom=dom, flags=0)
    assert error.code == Code.OPERATION_INVALID
    assert lab.guest.asked == [("abort_job", 0), ("abort_job", 0)]


async def test_statistics_have_the_types_that_clients_read(lab):
    job = Job(Operation.SAVE, began_ms=0, total_bytes=5, done_bytes=5)
    job.type, job.ended_ms = JobType.COMPLETED, 20.0
    lab.guest.stats = (3, {**job.stats(0), "errmsg": "none"})
    got = await lab.peer.call("DOMAIN_GET_JOB_STATS", dom=lab.dom, flags=1)
    assert got["type"] == JobType.COMPLETED
    kinds = {one["field"]: one["value"]["type"] for one in got["params"]}
    assert kinds["operation"] == Typed.INT
    assert kinds["time_elapsed"] == kinds["data_total"] == Typed.ULLONG
    assert kinds["success"] == Typed.BOOLEAN
    assert kinds["errmsg"] == Typed.STRING
    found = from_params(got["params"])
    assert (found["operation"], found["time_elapsed"], found["success"]) == (2, 20, True)
    assert lab.guest.asked == [("job_stats", 1)]


async def test_no_job_of_ours_is_a_post_copy_migration(lab):
    error = await lab.peer.refusal("DOMAIN_ABORT_JOB_FLAGS", dom=lab.dom, flags=1)
    assert error.message.endswith("current job is not outgoing migration in post-copy mode")
    await lab.guest.destroy(0)
    error = await lab.peer.refusal("DOMAIN_ABORT_JOB_FLAGS", dom=lab.dom, flags=1)
    assert error.message.endswith("domain is not running")
    assert lab.guest.asked == []


CHANGES = {
    **{name: {**args, "flags": 0} for name, args in WITH_FLAGS.items()},
    "DOMAIN_SAVE": {"dom": None, "to": PATH},
    "DOMAIN_RESTORE": {"from": PATH},
    "DOMAIN_SAVE_IMAGE_GET_XML_DESC": {"file": PATH, "flags": 0},
    "DOMAIN_MANAGED_SAVE_REMOVE": {"dom": None, "flags": 0},
    "DOMAIN_ABORT_JOB": {"dom": None},
    "DOMAIN_ABORT_JOB_FLAGS": {"dom": None, "flags": 0},
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_read_only_client_changes_nothing(lab, name):
    peer = await lab.connect(readonly=True)
    error = await peer.refusal(name, **filled(CHANGES[name], lab.dom))
    assert error.code == Code.OPERATION_DENIED
    words = name.removeprefix("DOMAIN_").replace("XML", "X_M_L").title().replace("_", "")
    assert error.message == (f"operation forbidden: read only access prevents virDomain{words}")
    assert lab.guest.asked == lab.domains.asked == []


async def test_a_read_only_client_looks_without_secrets(lab):
    await lab.guest.managed_save(0)
    peer = await lab.connect(readonly=True)
    look = "DOMAIN_MANAGED_SAVE_GET_XML_DESC"
    assert (await peer.call(look, dom=lab.dom, flags=0))["xml"] == XML
    error = await peer.refusal(look, dom=lab.dom, flags=1)
    assert error.message == ("operation forbidden: virDomainManagedSaveGetXMLDesc with secure flag")
    assert await peer.call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=lab.dom, flags=0) == {"result": 1}


async def verify(peer, request):
    """What the daemon says of an image."""
    text = json.dumps(request)
    return json.loads((await peer.call("VERIFY_IMAGE", program=VIRTUP, request=text))["reply"])


async def test_an_image_is_verified(lab):
    lab.domains.images[PATH] = XML
    assert (await verify(lab.peer, {"path": PATH}))["verdict"] == "whole"
    found = await verify(lab.peer, {"path": "/srv/other"})
    assert (found["verdict"], found["damage"]) == ("not checkable", "unreadable")


@pytest.mark.parametrize("request_", [{}, {"path": 7}, {"path": "vm1.img"}])
async def test_an_image_without_an_absolute_path_is_not_verified(lab, request_):
    text = json.dumps(request_)
    error = await lab.peer.refusal("VERIFY_IMAGE", program=VIRTUP, request=text)
    assert error.code == Code.INVALID_ARG
    assert "absolute path" in error.message


async def test_a_read_only_client_has_no_file_read(lab):
    peer = await lab.connect(readonly=True)
    text = json.dumps({"path": PATH})
    error = await peer.refusal("VERIFY_IMAGE", program=VIRTUP, request=text)
    assert error.code == Code.OPERATION_DENIED

"""Repairs over the wire: what is asked reaches the driver, and read-only clients only look."""

import json

import pytest

from virtup.errors import Code
from virtup.wire.tables import VIRTUP

XML = "<domain><name>vm1</name></domain>"


class Repairs:
    """Notes what it is asked, and answers with that."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        async def note(*given):
            self.asked.append((name, *given))
            return {"asked": name}

        return note

    def fix_list(self, guest):
        self.asked.append(("fix_list", guest))
        return []


@pytest.fixture
async def lab(serve):
    served = await serve()
    repairs = served.repairs = Repairs()
    served.hypervisor.repairing = repairs
    for name in ("fix_plan", "fix_apply", "fix_undo", "fix_list"):
        setattr(served.hypervisor, name, getattr(repairs, name))
    return served


async def ask(peer, name, request):
    reply = await peer.call(name, program=VIRTUP, request=json.dumps(request))
    return json.loads(reply["reply"])


@pytest.mark.parametrize(
    ("name", "request_", "asked"),
    [
        ("FIX", {"domain": "vm1"}, ("fix_plan", "vm1")),
        ("FIX", {"xml": XML}, ("plan_document", XML)),
        ("FIX_APPLY", {"domain": "vm1", "keys": ["a"]}, ("fix_apply", "vm1", ["a"], None)),
        (
            "FIX_APPLY",
            {"xml": XML, "keys": [], "transaction": "2026"},
            ("apply_document", XML, [], "2026"),
        ),
        ("FIX_DEFINE", {"xml": XML, "transaction": None}, ("define", XML, None)),
        ("FIX_UNDO", {"domain": "vm1"}, ("fix_undo", "vm1")),
        ("FIX_LIST", {"domain": "vm1"}, ("fix_list", "vm1")),
    ],
)
async def test_what_is_asked_reaches_the_driver(lab, name, request_, asked):
    peer = await lab.connect()
    await ask(peer, name, request_)
    assert lab.repairs.asked == [asked]


@pytest.mark.parametrize(
    ("name", "request_", "word"),
    [
        ("FIX", {}, "no 'domain'"),
        ("FIX_APPLY", {"domain": "vm1"}, "no 'keys'"),
        ("FIX_APPLY", {"domain": "vm1", "keys": [1]}, "no 'keys'"),
        ("FIX_APPLY", {"domain": "vm1", "keys": [], "transaction": 7}, "not the name"),
        ("FIX_APPLY", {"domain": "vm1", "keys": [], "transaction": "x" * 99}, "not the name"),
        ("FIX_DEFINE", {"domain": "vm1"}, "no 'xml'"),
        ("FIX_UNDO", {"domain": ""}, "no 'domain'"),
    ],
)
async def test_a_bad_request_is_one_sentence(lab, name, request_, word):
    peer = await lab.connect()
    error = await peer.refusal(name, program=VIRTUP, request=json.dumps(request_))
    assert error.code == Code.INVALID_ARG
    assert word in error.message
    assert lab.repairs.asked == []


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("FIX", {"xml": XML}),
        ("FIX_APPLY", {"domain": "vm1", "keys": []}),
        ("FIX_DEFINE", {"xml": XML}),
        ("FIX_UNDO", {"domain": "vm1"}),
    ],
)
async def test_a_read_only_client_changes_nothing(lab, name, request_):
    peer = await lab.connect(readonly=True)
    error = await peer.refusal(name, program=VIRTUP, request=json.dumps(request_))
    assert error.code == Code.OPERATION_DENIED
    assert lab.repairs.asked == []


async def test_a_read_only_client_may_look(lab):
    peer = await lab.connect(readonly=True)
    assert await ask(peer, "FIX", {"domain": "vm1"}) == {"asked": "fix_plan"}
    assert await ask(peer, "FIX_LIST", {"domain": "vm1"}) == {"transactions": []}

"""Typed parameters as mappings; errors as bodies."""

import pytest

from virtup.errors import Code, DomainNotFound, InvalidArgument, Origin, VirtError
from virtup.wire.errors import error_body, error_from_body
from virtup.wire.typed import Typed, from_params, to_params
from virtup.wire.xdr import codec


@pytest.mark.parametrize(
    ("value", "kind", "plain"),
    [
        (1, Typed.INT, 1),
        (-(2**31), Typed.INT, -(2**31)),
        (2**31, Typed.LLONG, 2**31),
        (2**63, Typed.ULLONG, 2**63),
        (True, Typed.BOOLEAN, True),
        (1.5, Typed.DOUBLE, 1.5),
        ("x", Typed.STRING, "x"),
        ((Typed.UINT, 3), Typed.UINT, 3),
        ((Typed.ULLONG, 3), Typed.ULLONG, 3),
    ],
)
def test_a_value_takes_its_type_and_comes_back(value, kind, plain):
    params = to_params({"p": value})
    assert params[0]["value"]["type"] == kind
    data = codec("remote_typed_param").encode(params[0])
    assert from_params([codec("remote_typed_param").decode(data)]) == {"p": plain}


def test_none_is_left_out_and_order_is_kept():
    assert [p["field"] for p in to_params({"b": 1, "x": None, "a": 2})] == ["b", "a"]


def test_a_name_that_recurs_becomes_a_list():
    assert from_params(to_params({"d": "a"}) + to_params({"d": "b"})) == {"d": ["a", "b"]}


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, b"x", [1]])
def test_what_has_no_type_is_refused_by_name(value):
    with pytest.raises(InvalidArgument, match="parameter 'size'"):
        to_params({"size": value})


def test_an_error_crosses_the_wire():
    sent = DomainNotFound("no domain with matching name 'x'")
    data = codec("virNetMessageError").encode(error_body(sent))
    got = error_from_body(codec("virNetMessageError").decode(data))
    assert (got.code, got.origin) == (Code.NO_DOMAIN, Origin.QEMU)
    assert got.message == "Domain not found: no domain with matching name 'x'"


def test_a_number_of_a_newer_peer_is_kept():
    body = error_body(VirtError("x")) | {"code": 4711, "domain": 4712}
    got = error_from_body(body)
    assert (int(got.code), int(got.origin)) == (4711, 4712)
    assert got.code.name == "CODE_4711"


def test_an_error_without_message_says_its_number():
    body = error_body(VirtError("x")) | {"message": None, "code": 9}
    assert error_from_body(body).message == "error 9 without a message"


@pytest.mark.parametrize("message", ["é" * 100001, "a\0b", "\udcff", chr(0xD800)])
def test_any_message_can_be_sent(message):
    data = codec("virNetMessageError").encode(error_body(VirtError(message)))
    assert len(data) < 200000


FINDING = {"code": "VU001", "subject": "/boot/vmlinuz", "evidence": ["it says so"]}


def test_findings_cross_the_wire_as_data():
    got = sent(VirtError("x", findings=(FINDING, {"code": "VU002"})))
    assert got.findings == (FINDING, {"code": "VU002"})


def test_of_findings_that_are_too_long_the_best_travel():
    long = {"code": "VU003", "evidence": ["x" * 70000]}
    assert sent(VirtError("x", findings=(FINDING, long))).findings == (FINDING,)
    assert sent(VirtError("x", findings=(long,))).findings == ()


@pytest.mark.parametrize(
    "text", ["", "vm1", '{"findings": [', '{"findings": [1]}', '{"findings": [' + "[" * 99999]
)
def test_what_another_daemon_put_there_is_no_finding(text):
    assert error_from_body(error_body(VirtError("x")) | {"str3": text}).findings == ()


def sent(error: VirtError) -> VirtError:
    data = codec("virNetMessageError").encode(error_body(error))
    return error_from_body(codec("virNetMessageError").decode(data))

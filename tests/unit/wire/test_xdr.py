"""XDR: known bytes, limits before memory, and the same bytes back."""

import struct

import pytest

from virtup.wire.tables import type_line, type_names
from virtup.wire.xdr import XdrError, codec

DOM = {"name": "vm1", "uuid": bytes(range(16)), "id": -1}
DOM_BYTES = b"\0\0\0\3vm1\0" + bytes(range(16)) + b"\xff\xff\xff\xff"


def word(number):
    return struct.pack(">I", number)


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("remote_nonnull_domain", DOM, DOM_BYTES),
        ("remote_connect_open_args", {"name": None, "flags": 1}, word(0) + word(1)),
        (
            "remote_connect_open_args",
            {"name": "é", "flags": 0},
            word(1) + word(2) + "é".encode() + b"\0\0" + word(0),
        ),
        (
            "remote_connect_list_domains_ret",
            {"ids": [1, -2]},
            word(2) + word(1) + b"\xff\xff\xff\xfe",
        ),
        (
            "remote_typed_param",
            {"field": "cpus", "value": {"type": 4, "value": 2**64 - 1}},
            word(4) + b"cpus" + word(4) + b"\xff" * 8,
        ),
        (
            "remote_typed_param",
            {"field": "a", "value": {"type": 7, "value": "bc"}},
            word(1) + b"a\0\0\0" + word(7) + word(2) + b"bc\0\0",
        ),
        (
            "remote_domain_get_security_label_ret",
            {"label": "a", "enforcing": 1},
            word(2) + word(ord("a")) + word(0) + word(1),
        ),
        ("remote_domain_pin_vcpu_args", None, None),
    ],
)
def test_known_bytes(name, value, data):
    if value is None:
        value = {"dom": DOM, "vcpu": 3, "cpumap": b"\x05"}
        data = DOM_BYTES + word(3) + word(1) + b"\x05\0\0\0"
    assert codec(name).encode(value) == data
    assert codec(name).decode(data) == value


def test_the_node_model_is_a_c_string_of_words():
    numbers = {"memory": 1, "cpus": 2, "mhz": 3, "nodes": 4, "sockets": 5, "cores": 6, "threads": 7}
    value = {"model": "x86_64", **numbers}
    data = codec("remote_node_get_info_ret").encode(value)
    assert len(data) == 32 * 4 + 8 + 6 * 4
    assert data[:8] == word(ord("x")) + word(ord("8"))
    assert codec("remote_node_get_info_ret").decode(data) == value
    with pytest.raises(XdrError, match="does not fit 31"):
        codec("remote_node_get_info_ret").encode({**value, "model": "m" * 32})


def test_bytes_that_are_not_utf8_come_back_as_they_were():
    data = word(2) + b"\xff\xfe\0\0"
    value = codec("remote_domain_lookup_by_name_args").decode(data)
    assert value == {"name": "\udcff\udcfe"}
    assert codec("remote_domain_lookup_by_name_args").encode(value) == data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (word(4194305), "a length of 4194305 is above the limit of 4194304"),
        (word(4194304) + b"abc", "reaches beyond the end"),
        (word(3) + b"abc", "ends too early"),
        (word(3) + b"abc\1", "padding is not zero"),
        (word(4) + b"a\0bc", "zero byte"),
        (word(4) + b"abcd" + word(0), "4 bytes follow its end"),
        (b"\0\0", "ends too early"),
        (b"", "ends too early"),
    ],
)
def test_a_text_that_does_not_fit_is_refused(data, says):
    with pytest.raises(XdrError, match=says):
        codec("remote_domain_lookup_by_name_args").decode(data)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("remote_connect_open_args", word(2) + word(0), "mark 2, not 0 or 1"),
        ("remote_connect_list_domains_ret", word(16385), "above the limit of 16384"),
        ("remote_connect_list_domains_ret", word(16384) + bytes(8), "beyond the end"),
        ("remote_connect_list_all_domains_ret", word(16384) + bytes(100), "beyond the end"),
        ("remote_typed_param", word(0) + word(8) + bytes(8), "not the type of a typed parameter"),
        ("remote_domain_get_security_label_ret", word(1) + word(300) + word(0), "fit 8 bits"),
        ("remote_domain_get_security_label_ret", word(4098), "above the limit of 4097"),
        ("remote_node_get_info_ret", word(ord("x")) * 32 + bytes(32), "a text has no end"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(name, data, says):
    with pytest.raises(XdrError, match=says):
        codec(name).decode(data)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("remote_connect_open_args", {"name": None}, "field 'flags' is missing"),
        ("remote_connect_open_args", {"name": None, "flags": 0, "x": 1}, "no field 'x'"),
        ("remote_connect_open_args", {"name": None, "flags": -1}, "'flags': -1 is not a number"),
        ("remote_connect_open_args", {"name": 7, "flags": 0}, "'name': 7 is not a text"),
        ("remote_connect_open_args", {"name": "a\0", "flags": 0}, "zero byte"),
        ("remote_connect_open_args", {"name": "\ud800", "flags": 0}, "UTF-8 can hold"),
        ("remote_nonnull_domain", {**DOM, "uuid": b"1"}, "is not 16 bytes"),
        ("remote_nonnull_domain", {**DOM, "id": 2**31}, "'id': 2147483648 is not a number"),
        ("remote_connect_list_domains_ret", {"ids": 5}, "5 is not a list"),
        ("remote_connect_list_domains_ret", {"ids": [0] * 16385}, "above the limit"),
        ("remote_domain_create_xml_ret", {"dom": None}, "'dom': None is not a mapping"),
        ("remote_domain_pin_vcpu_args", {"dom": DOM, "vcpu": 0, "cpumap": "x"}, "is not bytes"),
        ("remote_typed_param", {"field": "a", "value": {"type": 9, "value": 1}}, "9 is not the"),
        ("remote_domain_get_security_label_ret", {"label": "x" * 4097, "enforcing": 0}, "limit"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_field(name, value, says):
    with pytest.raises(XdrError, match=says):
        codec(name).encode(value)


def test_small_numbers_keep_their_range():
    name = "remote_domain_graphics_msg_no_such"
    with pytest.raises(KeyError):
        codec(name)
    small = [
        n
        for n in type_names()
        if any(f.endswith((":S", ":C", ":c")) for f in type_line(n).split(" "))
    ]
    assert small
    for name in small:
        fields = dict(field.split(":") for field in type_line(name).split(" "))
        if any(spec not in ("S", "C", "c", "i", "u", "h", "H") for spec in fields.values()):
            continue
        value = dict.fromkeys(fields, 1)
        assert codec(name).decode(codec(name).encode(value)) == value
        with pytest.raises(XdrError, match="outside"):
            codec(name).encode(value | {f: 70000 for f, s in fields.items() if s in "SCc"})


def test_every_declared_structure_compiles():
    names = [name for name in type_names() if not type_line(name).startswith("=")]
    assert len(names) > 700
    for name in names:
        assert codec(name).name == name

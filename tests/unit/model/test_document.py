from __future__ import annotations

import pytest

from virtup.errors import Code, XmlInvalid
from virtup.model.document import BYTES_MAX, DEPTH_MAX, Place, column_of, load

BOMB = """<!DOCTYPE lolz [
 <!ENTITY lol "lol">
 <!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
 <!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">
]>
<domain><name>&lol3;</name></domain>"""


def refusal(xml: str | bytes) -> str:
    with pytest.raises(XmlInvalid) as caught:
        load(xml, "vm.xml")
    assert caught.value.code is Code.XML_DETAIL
    assert "\n" not in caught.value.message
    return caught.value.message


def test_well_formed_is_loaded_without_comments_and_instructions() -> None:
    root = load("<?xml version='1.0'?>\n<!-- a --><a><!-- b --><?pi x?><b/></a>", "vm.xml")

    assert [child.tag for child in root] == ["b"]


@pytest.mark.parametrize(
    ("xml", "place"),
    [
        ("<domain>\n  <name>x</nam>\n</domain>", "vm.xml, line 2"),
        ("<dom", "vm.xml, line 1, column"),
        ("<a>\n<b c=1/></a>", "vm.xml, line 2, column 6"),
        ("<a>&nosuch;</a>", "vm.xml, line 1"),
        ("<a/><b/>", "vm.xml, line 1"),
        ("plain words", "vm.xml, line 1, column 1"),
    ],
)
def test_malformed_is_refused_with_line_and_column(xml: str, place: str) -> None:
    message = refusal(xml)

    assert message.startswith("the document is not well-formed XML: ")
    assert place in message


@pytest.mark.parametrize("xml", ["", "   \n ", b""])
def test_nothing_is_refused(xml: str | bytes) -> None:
    assert "vm.xml" in refusal(xml)


@pytest.mark.parametrize(
    "xml",
    [
        BOMB,
        "<!DOCTYPE domain SYSTEM 'http://127.0.0.1/x.dtd'><domain/>",
        "<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///x'>]>\n<d>&e;</d>",
    ],
)
def test_document_types_are_refused_before_they_are_read(xml: str) -> None:
    assert refusal(xml).startswith("a document type (DOCTYPE, DTD) is not accepted (vm.xml, line ")


def test_a_document_type_is_found_where_it_stands() -> None:
    assert "line 3, column 1" in refusal("<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE d>\n<d/>")


def test_the_word_in_a_comment_is_no_document_type() -> None:
    assert load("<!-- <!DOCTYPE x> --><a/>", "vm.xml").tag == "a"


def test_deep_nesting_is_refused() -> None:
    depth = DEPTH_MAX + 1
    message = refusal("<a>" * depth + "</a>" * depth)

    assert message.startswith(f"elements are nested deeper than {DEPTH_MAX} (")


def test_very_deep_nesting_is_refused_by_the_parser_in_the_same_words() -> None:
    assert f"deeper than {DEPTH_MAX}" in refusal("<a>" * 5000 + "</a>" * 5000)


def test_nesting_up_to_the_limit_is_accepted() -> None:
    assert load("<a>" * DEPTH_MAX + "</a>" * DEPTH_MAX, "vm.xml").tag == "a"


def test_huge_documents_are_refused_unread() -> None:
    assert f"longer than {BYTES_MAX} bytes" in refusal("<a>" + "x" * BYTES_MAX + "</a>")


@pytest.mark.parametrize("xml", ["<a>\x00</a>", "<a>\ud800</a>"])
def test_characters_that_xml_cannot_hold_are_refused(xml: str) -> None:
    assert refusal(xml).endswith("(vm.xml, line 1, column 4)")


def test_bytes_that_are_no_utf8_are_refused_where_they_stand() -> None:
    assert refusal(b"<a>\n<b>\xff</b></a>").endswith("(vm.xml, line 2, column 4)")


def test_an_encoding_declaration_does_not_matter_for_text() -> None:
    root = load("<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>ä</a>", "vm.xml")

    assert root.text == "ä"


def test_a_byte_order_mark_is_accepted() -> None:
    assert load(b"\xef\xbb\xbf<a/>", "vm.xml").tag == "a"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place("vm.xml", 3, 7), "vm.xml, line 3, column 7"),
        (Place("vm.xml", 3), "vm.xml, line 3"),
        (Place("vm.xml"), "vm.xml"),
        (Place(""), "<xml>"),
    ],
)
def test_a_place_says_what_is_known(place: Place, words: str) -> None:
    assert str(place) == words


def test_the_column_is_that_of_the_tag() -> None:
    assert column_of("<a>\n   <b/></a>", 2, "b") == 4
    assert column_of("<a>\n   <b/></a>", 2, "c") == 0
    assert column_of("<a/>", 9, "a") == 0

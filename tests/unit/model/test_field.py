"""The mapping engine, on a small document of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from virtup.errors import ConfigUnsupported, VirtError, XmlRefused
from virtup.model import scalar
from virtup.model.document import load
from virtup.model.field import (
    NAMESPACES,
    Element,
    Mode,
    Reader,
    at,
    format_element,
    parse_element,
    table,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Here(Element):
    KIND: ClassVar[tuple[str, str]] = ("type", "here")
    slot: int | None = at("@slot", scalar.hexadecimal(2, 31))


@dataclass(frozen=True, slots=True, kw_only=True)
class There(Element):
    KIND: ClassVar[tuple[str, str]] = ("type", "there")
    name: str | None = at(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base(Element):
    alias: str | None = at("alias/@name", last=1, live=lambda name: not name.startswith("ua-"))
    place: Here | There | None = at("place", last=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Base):
    kind: Literal["a", "b"] = at("@kind", required=True)
    size_kib: int | None = at("size", scalar.KIB)
    boot: tuple[Literal["hd", "fd"], ...] = at("boot/@dev")
    words: tuple[str, ...] = at("word")
    is_fast: bool = at("fast", scalar.FLAG)
    state: bool | None = at("smm/@state", scalar.ON_OFF, bare=True)
    password: str | None = at("@password", secret=True)
    deep: int | None = at("one/two/@three")
    notes: str | None = at("notes", raw=True)
    parts: tuple[Thing, ...] = at("part")
    arg: tuple[str, ...] = at("qemu:arg/@value")

    def problems(self) -> Iterator[str]:
        if self.size_kib == 13:
            yield "size 13 is bad luck"


def read(xml: str) -> Thing:
    return parse_element(Thing, load(xml, "t.xml"), Reader("t.xml", xml))


def written(thing: Thing, *, live: bool = False, secure: bool = False) -> str:
    return format_element(thing, "thing", mode=Mode(live=live, secure=secure))


FULL = f"""<thing kind='a' xmlns:qemu='{NAMESPACES["qemu"]}'>
  <size unit='KiB'>2048</size>
  <boot dev='hd'/>
  <boot dev='fd'/>
  <word>x &amp; y</word>
  <fast/>
  <smm state='off'/>
  <one>
    <two three='3'/>
  </one>
  <notes>
    <n:note xmlns:n="urn:n">text</n:note>
  </notes>
  <part kind='b'>
    <place type='there'>north</place>
  </part>
  <qemu:arg value='-x'/>
  <alias name='ua-me'/>
  <place type='here' slot='0x0a'/>
</thing>
"""


def test_a_document_is_read_and_written_as_it_was() -> None:
    thing = read(FULL)

    assert thing.boot == ("hd", "fd")
    assert thing.size_kib == 2048
    assert thing.parts[0].place == There(name="north")
    head = f" xmlns:qemu='{NAMESPACES['qemu']}'"
    assert written(thing).replace("kind='a'", f"kind='a'{head}", 1) == FULL


def test_what_is_absent_is_none_empty_or_false() -> None:
    thing = read("<thing kind='a'/>")

    assert thing == Thing(kind="a")
    assert (thing.size_kib, thing.boot, thing.is_fast, thing.place) == (None, (), False, None)
    assert written(thing) == "<thing kind='a'/>\n"


def test_units_and_numbers_may_be_written_in_other_ways() -> None:
    thing = read("<thing kind='a'><size unit='MiB'>2</size><place type='here' slot='10'/></thing>")

    assert thing.size_kib == 2048
    assert "slot='0x0a'" in written(thing)


def test_a_bare_switch_is_on() -> None:
    assert read("<thing kind='a'><smm/></thing>").state is True
    assert read("<thing kind='a'><smm state='off'/></thing>").state is False


def test_special_characters_survive() -> None:
    thing = Thing(kind="a", words=("""<>&'" \t\n]]>""",), deep=1)

    again = read(written(thing))

    assert again == thing


def test_secrets_are_written_only_when_asked_for() -> None:
    thing = read("<thing kind='a' password='s3cret'/>")

    assert "s3cret" not in written(thing)
    assert "s3cret" in written(thing, secure=True)


def test_what_a_start_made_is_written_only_for_a_running_guest() -> None:
    thing = Thing(kind="a", alias="net0")

    assert "net0" not in written(thing)
    assert "net0" in written(thing, live=True)
    assert "ua-net" in written(Thing(kind="a", alias="ua-net"))


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<thing kind='a' colour='x'/>", "<thing> attribute 'colour' is not supported"),
        ("<thing kind='a' kinds='x'/>", "did you mean 'kind'?"),
        ("<thing kind='a'><siz/></thing>", "element <siz> in <thing> is not supported; did you"),
        ("<thing kind='a'><one><x/></one></thing>", "element <x> in <one> is not supported"),
        ("<thing kind='a'><fast now='1'/></thing>", "<fast> attribute 'now' is not supported"),
        ("<thing kind='a'><place type='up'/></thing>", "accepted here: 'here', 'there'"),
        ("<thing kind='a'><x:y xmlns:x='urn:x'/></thing>", "element <y> in <thing>"),
        ("<thing kind='a'><boot dev='hd' x='1'/></thing>", "<boot> attribute 'x'"),
        ("<thing kind='a'><word unit='x'/></thing>", "<word> attribute 'unit'"),
    ],
)
def test_what_is_unknown_is_refused_by_name(xml: str, words: str) -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        read(xml)

    assert words in caught.value.message
    assert "(t.xml, line 1, column " in caught.value.message


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<thing/>", "<thing> has no attribute 'kind'"),
        ("<thing kind='c'/>", "attribute 'kind' of <thing> is 'c', accepted is 'a' or 'b'"),
        ("<thing kind='a'><size>x</size></thing>", "<size> is 'x', accepted is a whole number"),
        ("<thing kind='a'><size>13</size></thing>", "size 13 is bad luck"),
        ("<thing kind='a'><fast/><fast/></thing>", "<fast> in <thing> is given twice"),
        ("<thing kind='a'><part/></thing>", "<part> has no attribute 'kind'"),
        ("<thing kind='a'><place/></thing>", "<place> has no attribute 'type'"),
        ("<thing kind='a'>words</thing>", "<thing> cannot hold text, and has 'words'"),
        ("<thing kind='a'><fast/>words</thing>", "text 'words' stands behind <fast>"),
        ("<thing kind='a'><place type='here' slot='0x20'/></thing>", "from 0 to 31"),
        ("<thing kind='a'><notes><x/></notes></thing>", "<x> in <notes> has no namespace"),
        (
            "<thing kind='a'><notes><a xmlns='u'/><b xmlns='u'/></notes></thing>",
            "<notes> has two elements of namespace 'u'",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_accepted(xml: str, words: str) -> None:
    with pytest.raises(XmlRefused) as caught:
        read(xml)

    assert words in caught.value.message
    assert caught.value.message.endswith(")")
    assert "t.xml, line 1" in caught.value.message


def test_an_error_names_the_line_of_its_element() -> None:
    with pytest.raises(VirtError, match=r"\(t.xml, line 3, column 5\)"):
        read("<thing kind='a'>\n  <one>\n    <what/>\n  </one>\n</thing>")


def test_elements_remember_their_line_and_are_equal_without_it() -> None:
    thing = read("<thing kind='a'>\n\n<part kind='b'/></thing>")

    assert thing.parts[0].line == 3
    assert thing.parts[0] == Thing(kind="b")


def test_tables_are_made_once_a_class() -> None:
    assert table(Thing) is table(Thing)


def test_declarations_that_cannot_work_are_a_mistake_of_ours() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Wrong(Element):
        pair: tuple[int, str] = at("@pair")

    with pytest.raises(TypeError, match="pair"):
        table(Wrong)

"""The XML mapping engine: a document is a class whose fields say where they stand in the XML.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Rng(Element):
        model: Literal["virtio", "virtio-transitional"] | None = at("@model")
        rate_bytes: int | None = at("rate/@bytes")

One declaration serves both directions: `parse_element` reads it, `format_element` writes it, in
the order of the fields. The type comes from the annotation. Whatever stands in the XML and is
declared nowhere is refused by name, with file, line and column; so is a value that cannot be,
with what is accepted. Nothing is skipped and nothing is guessed: an absent item is None (or an
empty tuple, or False for a flag).

A path is ``@attribute``, ``child``, ``child/@attribute`` and so on, or ``.`` for the element's
own text. A field whose type is another Element class (or a tuple of one) maps a child element.
A union of Element classes is told apart by an attribute that each names in ``KIND``.

Tables are compiled once a class, at its first use.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

from lxml import etree

from virtup.errors import ConfigUnsupported, XmlRefused
from virtup.model import scalar
from virtup.model.document import Place, column_of, line_of
from virtup.model.scalar import Scalar

NAMESPACES = {"qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}
"""Prefixes that a path may use, and what they stand for."""

_META = "virtup.at"


@dataclass(frozen=True, slots=True)
class At:
    """What `at` was told of one field."""

    path: str
    scalar: Scalar | None = None
    required: bool = False
    last: int = 0
    secret: bool = False
    live: Callable[[Any], bool] | None = None
    raw: bool = False
    bare: bool = False
    always: bool = False


def at(
    path: str,
    as_: Scalar | None = None,
    *,
    required: bool = False,
    last: int = 0,
    secret: bool = False,
    live: Callable[[Any], bool] | bool = False,
    raw: bool = False,
    bare: bool = False,
    always: bool = False,
) -> Any:
    """Declare the field that stands at *path*.

    *as_*: how its text is read and shown, where the annotation does not say enough.
    *required*: the element is refused without it. *last*: written after the fields with a
    lower number (for what a base class adds). *secret*: shown and written only when secrets are asked for.
    *live*: written only for a running guest; a function says for which values that holds.
    *raw*: the child element is kept as it is, as text. *bare*: the element of this attribute,
    when it stands there without it, means True. *always*: an element that is not given is one
    with nothing in it.
    """
    only_live = (lambda _: True) if live is True else (live or None)
    meta = At(path, as_, required, last, secret, only_live, raw, bare, always)
    return field(default=cast("Any", _EMPTY), repr=not secret, metadata={_META: meta})


class _Empty:
    """Stands for "not given" until the table knows whether that is None, False or ()."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<not given>"


_EMPTY = _Empty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Base of every mapped class. *line* is where the element ended its start tag, 0 if made."""

    KIND: ClassVar[tuple[str, str] | None] = None
    """Attribute and its value that tell this class from the others of a union."""

    line: int = field(default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Put None, False or () where a field was not given."""
        for name, empty in table(type(self)).empties:
            if getattr(self, name) is _EMPTY:
                object.__setattr__(self, name, empty)

    def problems(self) -> Iterator[str]:
        """What is impossible in this element as it stands, a sentence each.

        One about a child alone is an `Amiss`, so that the error points there.
        """
        yield from ()


class Amiss(str):
    """A sentence about the child element *child* of what has the problem."""

    __slots__ = ("child",)
    child: str

    def __new__(cls, child: str, sentence: str) -> Self:
        """Return *sentence*, which knows what it is about."""
        made = super().__new__(cls, sentence)
        made.child = child
        return made


E = TypeVar("E", bound=Element)


@dataclass(slots=True)
class Spec:
    """One field, compiled."""

    name: str
    at: At
    scalar: Scalar | None = None
    classes: dict[str, type[Element]] | None = None
    key: str = ""
    many: bool = False
    empty: Any = None


class Node:
    """One step of the paths of a class: its attributes, its text and the steps below it."""

    __slots__ = ("attrs", "bare", "child", "kids", "many", "raw", "tag", "text", "unit")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.attrs: dict[str, Spec] = {}
        self.kids: dict[str, Node] = {}
        self.text: Spec | None = None
        self.child: Spec | None = None
        self.raw: Spec | None = None
        self.bare: Spec | None = None
        self.unit: Spec | None = None
        self.many = False

    def step(self, name: str) -> Node:
        """The node below this one for the child element *name*."""
        return self.kids.setdefault(_qualified(name), Node(name))


@dataclass(slots=True)
class Table:
    """What `parse_element` and `format_element` need of a class."""

    cls: type[Element]
    root: Node
    specs: list[Spec]
    required: list[Spec]
    empties: list[tuple[str, Any]]


def _qualified(name: str) -> str:
    prefix, colon, local = name.rpartition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if colon else name


_TABLES: dict[type[Element], Table] = {}


def table(cls: type[Element]) -> Table:
    """The compiled table of *cls*. Raises TypeError for a declaration that cannot work."""
    found = _TABLES.get(cls)
    if found is None:
        found = _TABLES[cls] = _compiled(cls)
    return found


def _compiled(cls: type[Element]) -> Table:
    hints = typing.get_type_hints(cls)
    specs = [
        _compile(item.name, item.metadata[_META], hints[item.name])
        for item in dataclasses.fields(cls)
        if _META in item.metadata
    ]
    specs.sort(key=lambda spec: spec.at.last)
    root = Node("")
    for spec in specs:
        _place(root, spec)
    required = [spec for spec in specs if spec.at.required]
    return Table(cls, root, specs, required, [(spec.name, spec.empty) for spec in specs])


def _compile(name: str, meta: At, hint: Any) -> Spec:
    spec = Spec(name, meta)
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        spec.many, spec.empty = True, ()
        if len(args) != 2 or args[1] is not Ellipsis:
            raise TypeError(f"{name}: a repeated field is a tuple[X, ...]")
        hint = args[0]
    options = [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not types.NoneType]
    if all(isinstance(option, type) and issubclass(option, Element) for option in options):
        _compile_classes(spec, options)
        return spec
    if len(options) != 1:
        raise TypeError(f"{name}: no field can be {hint}")
    kind = options[0]
    if meta.scalar is not None:
        spec.scalar = meta.scalar
    elif typing.get_origin(kind) is Literal:
        spec.scalar = scalar.choice(*typing.get_args(kind))
    else:
        plain = {str: scalar.TEXT, int: scalar.UINT, bool: scalar.YES_NO}
        spec.scalar = plain[kind]
    if spec.scalar.bare:
        spec.empty = False
    return spec


def _compile_classes(spec: Spec, options: list[type[Element]]) -> None:
    if len(options) == 1 and options[0].KIND is None:
        spec.classes = {"": options[0]}
        if spec.at.always:
            spec.empty = options[0]()
        return
    kinds = [option.KIND for option in options]
    if None in kinds or len({kind[0] for kind in kinds if kind}) != 1:
        raise TypeError(f"{spec.name}: the classes of a union are told apart by one attribute")
    spec.classes = {kind[1]: option for kind, option in zip(kinds, options, strict=True) if kind}
    spec.key = next(kind[0] for kind in kinds if kind)


def _place(root: Node, spec: Spec) -> None:
    node = root
    *steps, end = spec.at.path.split("/")
    for name in steps:
        node = node.step(name)
    if end.startswith("@"):
        node.attrs[end[1:]] = spec
        if spec.at.bare:
            node.bare = spec
    elif end == ".":
        node.text = spec
    else:
        node = node.step(end)
        if spec.at.raw:
            node.raw = spec
        elif spec.classes:
            node.child = spec
        elif spec.scalar and spec.scalar.bare:
            node.bare = spec
        else:
            node.text = spec
    if spec.many:
        node.many = True
    if spec.scalar and spec.scalar.unit:
        node.unit = spec


class Reader:
    """One document being read: knows its name and text, for the places in error texts."""

    def __init__(self, source: str, text: str = "") -> None:
        self.source = source
        self.text = text

    def place(self, element: etree._Element) -> Place:
        """Where *element* starts."""
        line = line_of(element)
        local = str(element.tag).rpartition("}")[2]
        name = f"{element.prefix}:{local}" if element.prefix else local
        return Place(self.source, line, column_of(self.text, line, name))

    def refused(self, element: etree._Element, sentence: str) -> XmlRefused:
        """The error for an impossible value in *element*."""
        return XmlRefused(f"{sentence} ({self.place(element)})")

    def unknown(self, element: etree._Element, what: str, known: list[str]) -> ConfigUnsupported:
        """The error for something that is declared nowhere."""
        name = what.rsplit("'", 2)[-2] if "'" in what else ""
        near = get_close_matches(name, known, 1, 0.75)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return ConfigUnsupported(f"{what} is not supported{hint} ({self.place(element)})")


SHOWN_MAX = 120
"""The longest name of an element or attribute that an error gives whole."""


def shown(tag: str) -> str:
    """*tag* as a person wrote it: a known namespace as its prefix, another one left out.

    No longer than a person would write it.
    """
    if len(tag) > SHOWN_MAX:
        return f"{tag[:SHOWN_MAX]}..."
    if not tag.startswith("{"):
        return tag
    uri, _, local = tag[1:].partition("}")
    prefix = next((name for name, known in NAMESPACES.items() if known == uri), "")
    return f"{prefix}:{local}" if prefix else local


def parse_element(cls: type[E], element: etree._Element, reader: Reader) -> E:
    """The *cls* that *element* holds.

    Raises ConfigUnsupported for an element or attribute that no field declares, XmlRefused for
    a value that cannot be, a missing required item, or an item given twice.
    """
    compiled = table(cls)
    values: dict[str, Any] = {}
    _read(compiled.root, element, reader, values, skip=cls.KIND[0] if cls.KIND else "")
    for spec in compiled.required:
        if spec.name not in values:
            raise reader.refused(element, f"<{shown(str(element.tag))}> has no {_named(spec)}")
    for spec in compiled.specs:
        if spec.many and spec.name in values:
            values[spec.name] = tuple(values[spec.name])
    made = cls(line=line_of(element), **values)
    for problem in made.problems():
        blamed = element.find(problem.child) if isinstance(problem, Amiss) else None
        raise reader.refused(element if blamed is None else blamed, problem)
    return made


def _named(spec: Spec) -> str:
    *steps, end = spec.at.path.split("/")
    kind = f"attribute '{end[1:]}'" if end.startswith("@") else f"<{end}>"
    return f"{kind} in <{steps[-1]}>" if steps else kind


def _read(
    node: Node, element: etree._Element, reader: Reader, values: dict[str, Any], *, skip: str = ""
) -> None:
    unit = node.unit
    for name, text in element.attrib.items():
        spec = node.attrs.get(str(name))
        if spec is not None:
            _store(spec, _scalar(spec, element, str(name), str(text), reader), values)
        elif name != skip and not (unit and name == "unit"):
            known = [*node.attrs, *(["unit"] if unit else [])]
            tag = shown(str(element.tag))
            raise reader.unknown(element, f"<{tag}> attribute '{shown(str(name))}'", known)
    content = element.text
    if node.text is not None:
        if (content and content.strip()) or not (node.attrs or node.kids):
            own = content or ""
            own = own.strip() if node.kids else own
            _store(node.text, _scalar(node.text, element, "", own, reader), values)
    elif content and not content.isspace():
        tag = shown(str(element.tag))
        raise reader.refused(element, f"<{tag}> cannot hold text, and has '{content.strip()[:60]}'")
    if node.bare is not None:
        values.setdefault(node.bare.name, True)
    seen: set[str] = set()
    for child in element:
        _descend(node, child, reader, values, seen)


def _descend(
    node: Node, child: etree._Element, reader: Reader, values: dict[str, Any], seen: set[str]
) -> None:
    tag = child.tag
    parent = child.getparent()
    within = f" in <{shown(str(parent.tag))}>" if parent is not None else ""
    if not isinstance(tag, str):
        raise reader.refused(
            parent if parent is not None else child, f"entities are not accepted{within}"
        )
    below = node.kids.get(tag)
    if below is None:
        known = list(map(shown, node.kids))
        where = reader.place(child)
        near = get_close_matches(shown(tag), known, 1, 0.75)
        hint = f"; did you mean <{near[0]}>?" if near else ""
        raise ConfigUnsupported(f"element <{shown(tag)}>{within} is not supported{hint} ({where})")
    if child.tail and not child.tail.isspace():
        raise reader.refused(
            child, f"text '{child.tail.strip()[:60]}' stands behind <{shown(tag)}>"
        )
    if tag in seen and not below.many:
        raise reader.refused(child, f"<{shown(tag)}>{within} is given twice")
    seen.add(tag)
    if below.child is not None:
        spec = below.child
        _store(spec, parse_element(_class_of(spec, child, reader), child, reader), values)
    elif below.raw is not None:
        values[below.raw.name] = raw_text(child, reader)
    else:
        _read(below, child, reader, values)


def _class_of(spec: Spec, child: etree._Element, reader: Reader) -> type[Element]:
    classes = spec.classes or {}
    if not spec.key:
        return classes[""]
    tag = shown(str(child.tag))
    kind = child.get(spec.key)
    if kind is None:
        raise reader.refused(child, f"<{tag}> has no attribute '{spec.key}'")
    if kind not in classes:
        accepted = ", ".join(f"'{name}'" for name in classes)
        raise ConfigUnsupported(
            f"<{tag}> with {spec.key} '{kind}' is not supported, accepted here: {accepted}"
            f" ({reader.place(child)})"
        )
    return classes[kind]


def _scalar(spec: Spec, element: etree._Element, name: str, text: str, reader: Reader) -> Any:
    assert spec.scalar is not None
    try:
        if spec.scalar.unit:
            return spec.scalar.read(f"{text.strip()} {element.get('unit') or ''}")
        return spec.scalar.read(text)
    except ValueError as exc:
        tag = shown(str(element.tag))
        what = f"attribute '{name}' of <{tag}>" if name else f"<{tag}>"
        if spec.scalar.unit and element.get("unit") and text.strip().isdigit():
            text += f" {element.get('unit')}"
        shown_text = " ".join(text[:80].splitlines())
        raise reader.refused(element, f"{what} is '{shown_text}', accepted is {exc}") from exc


def _store(spec: Spec, value: Any, values: dict[str, Any]) -> None:
    if spec.many:
        values.setdefault(spec.name, []).append(value)
    else:
        values[spec.name] = value


def raw_text(element: etree._Element, reader: Reader) -> str:
    """The children of *element* as XML text, one a line, each whole with its own namespaces.

    Each has to have a namespace of its own, so that its owner can find it. Raises XmlRefused.
    """
    lines = []
    seen: set[str] = set()
    for child in element:
        tag = str(child.tag)
        uri = tag[1:].partition("}")[0] if tag.startswith("{") else ""
        if not uri:
            raise reader.refused(child, f"<{tag}> in <{element.tag}> has no namespace")
        if uri in seen:
            raise reader.refused(child, f"<{element.tag}> has two elements of namespace '{uri}'")
        seen.add(uri)
        copy = etree.fromstring(etree.tostring(child, with_tail=False))
        etree.cleanup_namespaces(copy)
        lines.append(etree.tostring(copy, encoding="unicode"))
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Mode:
    """What a document is written for: *live* a running guest, *secure* with its secrets."""

    live: bool = False
    secure: bool = False


def format_element(value: Element, tag: str, *, mode: Mode, head: str = "") -> str:
    """*value* as libvirt writes it: two blanks a level, single quotes, a newline at the end.

    *head* is put as it is behind the tag name of the outermost element.
    """
    out: list[str] = []
    _write(table(type(value)).root, value, tag, mode, out, pad="", head=head, always=True)
    return "\n".join(out) + "\n"


def escape(text: str) -> str:
    """*text* for an attribute or a text node in single quotes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace("'", "&apos;").replace('"', "&quot;")
    return text.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


def _absent(spec: Spec, value: Any, mode: Mode) -> bool:
    if value is None or (value is False and spec.empty is False):
        return True
    if spec.at.secret and not mode.secure:
        return True
    return spec.at.live is not None and not mode.live and spec.at.live(value)


def _write(
    node: Node,
    value: Element,
    tag: str,
    mode: Mode,
    out: list[str],
    *,
    pad: str,
    head: str = "",
    always: bool = False,
) -> None:
    attrs = head
    if always and value.KIND:
        attrs += f" {value.KIND[0]}='{value.KIND[1]}'"
    for name, spec in node.attrs.items():
        item = getattr(value, spec.name)
        if _absent(spec, item, mode):
            continue
        assert spec.scalar is not None
        attrs += f" {name}='{escape(spec.scalar.show(item))}'"
        if spec.scalar.unit:
            attrs += f" unit='{spec.scalar.unit}'"
    text = None
    if node.text is not None:
        item = getattr(value, node.text.name)
        if not _absent(node.text, item, mode):
            assert node.text.scalar is not None
            text = escape(node.text.scalar.show(item))
            if node.text.scalar.unit:
                attrs += f" unit='{node.text.scalar.unit}'"
    if node.bare is not None and not node.attrs and getattr(value, node.bare.name):
        always = True
    inner: list[str] = []
    for kid in node.kids.values():
        _write_kid(kid, value, mode, pad + "  ", inner)
    if inner:
        out.append(f"{pad}<{tag}{attrs}>{text or ''}")
        out.extend(inner)
        out.append(f"{pad}</{tag}>")
    elif text:
        out.append(f"{pad}<{tag}{attrs}>{text}</{tag}>")
    elif attrs or always or text is not None:
        out.append(f"{pad}<{tag}{attrs}/>")


def _write_kid(kid: Node, value: Element, mode: Mode, pad: str, out: list[str]) -> None:
    tag = kid.tag
    if kid.child is not None:
        spec = kid.child
        item = getattr(value, spec.name)
        if not _absent(spec, item, mode):
            for one in item if spec.many else (item,):
                _write(table(type(one)).root, one, tag, mode, out, pad=pad, always=True)
    elif kid.raw is not None:
        item = getattr(value, kid.raw.name)
        if item is not None:
            out.append(f"{pad}<{tag}>")
            out.extend(f"{pad}  {line}" for line in item.split("\n") if line)
            out.append(f"{pad}</{tag}>")
    elif kid.many:
        _write_many(kid, value, mode, pad, out)
    else:
        _write(kid, value, tag, mode, out, pad=pad)


def _write_many(kid: Node, value: Element, mode: Mode, pad: str, out: list[str]) -> None:
    spec = kid.text or next(iter(kid.attrs.values()))
    assert spec.scalar is not None
    for item in getattr(value, spec.name):
        if _absent(spec, item, mode):
            continue
        text = escape(spec.scalar.show(item))
        if spec is kid.text:
            out.append(f"{pad}<{kid.tag}>{text}</{kid.tag}>")
        else:
            out.append(f"{pad}<{kid.tag} {next(iter(kid.attrs))}='{text}'/>")


def fields_of(cls: type[Element]) -> list[Spec]:
    """The declared fields of *cls*, in the order in which they are written."""
    return table(cls).specs

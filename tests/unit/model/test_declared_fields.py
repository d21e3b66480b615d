"""Every declared field of every class of the domain: parse, format, parse is the identity."""

from __future__ import annotations

import importlib
import pkgutil
import typing
from typing import Any, Literal

import pytest

import virtup.model.domain as package
from virtup.model.document import load
from virtup.model.field import (
    NAMESPACES,
    Element,
    Mode,
    Reader,
    Spec,
    fields_of,
    format_element,
    parse_element,
    table,
)

SAMPLES = (
    "1", "2", "0x7", "yes", "on", "vda", "52:54:00:12:34:56", "a", "pc", "192.168.1.1", "en-gb",
    "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "0-3", "qemu", "0123456789abcdef", "GenuineIntel",
    "vnet0", "1.2", "40", "/machine", "/dev/urandom", "5900", "2048", "512", "0x5000c50015ea71ad",
    "2030-12-31T23:59:59",
)  # fmt: skip


def element_classes() -> list[type[Element]]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    found: list[type[Element]] = []

    def walk(cls: type[Element]) -> None:
        for below in cls.__subclasses__():
            if below.__module__.startswith(package.__name__) and below not in found:
                found.append(below)
            walk(below)

    walk(Element)
    return sorted(found, key=lambda cls: f"{cls.__module__}.{cls.__name__}")


def sample_scalars(spec: Spec, hint: Any) -> list[Any]:
    assert spec.scalar is not None
    options = typing.get_args(hint) if spec.many else (hint, *typing.get_args(hint))
    for option in options:
        if typing.get_origin(option) is Literal:
            return list(typing.get_args(option))
    if spec.scalar.bare:
        return [True]
    values = []
    for text in SAMPLES:
        try:
            value = spec.scalar.read(text)
        except ValueError:
            continue
        if value not in values:
            values.append(value)
    assert values, f"no sample is accepted by {spec.name}"
    return values[:3]


def sample(cls: type[Element], depth: int = 0) -> Element:
    """An instance with what is required, and no more."""
    hints = typing.get_type_hints(cls)
    values = {
        spec.name: sample_values(spec, hints[spec.name], depth)[0]
        for spec in fields_of(cls)
        if spec.at.required
    }
    return cls(**values)


def sample_values(spec: Spec, hint: Any, depth: int = 0) -> list[Any]:
    if spec.at.raw:
        return ['<n:x xmlns:n="urn:n">y</n:x>']
    if spec.classes:
        made = [sample(cls, depth + 1) for cls in spec.classes.values()]
        return [(one,) for one in made] if spec.many else made
    scalars = sample_scalars(spec, hint)
    return [tuple(scalars)] if spec.many else scalars


@pytest.fixture(autouse=True)
def no_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Combinations that cannot be are told elsewhere: here it is about the mapping alone."""
    for cls in element_classes():
        if "problems" in cls.__dict__:
            monkeypatch.setattr(cls, "problems", Element.problems)


def again(value: Element) -> Element:
    head = f" xmlns:qemu='{NAMESPACES['qemu']}'"
    text = format_element(value, "x", mode=Mode(live=True, secure=True), head=head)
    return parse_element(type(value), load(text, "x.xml"), Reader("x.xml", text))


def cases() -> list[Any]:
    return [
        pytest.param(cls, spec, id=f"{cls.__name__}.{spec.name}")
        for cls in element_classes()
        for spec in fields_of(cls)
    ]


@pytest.mark.parametrize(("cls", "spec"), cases())
def test_a_field_survives_the_way_there_and_back(cls: type[Element], spec: Spec) -> None:
    hints = typing.get_type_hints(cls)
    base = {one.name: getattr(sample(cls), one.name) for one in fields_of(cls) if one.at.required}

    for value in sample_values(spec, hints[spec.name]):
        made = cls(**(base | {spec.name: value}))
        assert again(made) == made


@pytest.mark.parametrize("cls", element_classes(), ids=lambda cls: cls.__name__)
def test_all_fields_together_survive(cls: type[Element]) -> None:
    hints = typing.get_type_hints(cls)
    made = cls(**{s.name: sample_values(s, hints[s.name])[-1] for s in fields_of(cls)})

    assert again(made) == made


def test_no_two_fields_of_a_class_stand_at_one_place() -> None:
    for cls in element_classes():
        paths = [spec.at.path for spec in table(cls).specs]
        assert len(paths) == len(set(paths)), cls

"""QEMU's own description of its monitor, and questions to it by path.

A path names a command or event and walks down from there: ``arg-type`` and ``ret-type`` enter
a command, then ``NAME`` is a member, ``*NAME`` an optional member, ``+CASE`` the type that a
variant adds, ``^VALUE`` a value of an enumeration, ``$FEATURE`` a feature of what stands before
it and ``!TYPE`` a choice of an alternate. Lists are passed through.

    schema.has("blockdev-add/arg-type/+file/aio/^io_uring")

Source: QEMU, docs/devel/qapi-code-gen, "Client JSON Protocol introspection".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

Entity = Mapping[str, Any]


class Schema:
    """The answer to ``query-qmp-schema``, kept as text until the first question.

    The text must be a JSON list of entities; it is read once, at the first question.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def of(cls, entities: list[Any]) -> Schema:
        """The schema of an answer that has been read already."""
        schema = cls(json.dumps(entities, separators=(",", ":"), sort_keys=True))
        schema.__dict__["_entities"] = _index(entities)
        return schema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @cached_property
    def _entities(self) -> dict[str, Entity]:
        return _index(json.loads(self.text))

    def names(self, kind: str) -> frozenset[str]:
        """The names of all commands (*kind* "command") or events ("event")."""
        return frozenset(n for n, e in self._entities.items() if e["meta-type"] == kind)

    def has(self, path: str) -> bool:
        """Whether this QEMU knows what *path* names."""
        first, *steps = path.split("/")
        entity = self._entities.get(first)
        if entity is None or entity["meta-type"] not in ("command", "event"):
            return False
        return self._walk(entity, steps)

    def values(self, path: str) -> tuple[str, ...]:
        """The values of the enumeration at *path*, in QEMU's order; empty if there is none."""
        first, *steps = path.split("/")
        entity = self._entities.get(first)
        if entity is None:
            return ()
        found = [e for e in self._reach(entity, steps) if e["meta-type"] == "enum"]
        return tuple(_enum_values(found[0])) if found else ()

    def _walk(self, entity: Entity, steps: list[str]) -> bool:
        if not steps:
            return True
        *way, last = steps
        if last.startswith("$"):
            return any(last[1:] in e.get("features", ()) for e in self._holders(entity, way))
        return any(True for _ in self._reach(entity, steps))

    def _holders(self, entity: Entity, steps: list[str]) -> Iterator[Entity]:
        """What may carry a feature at the end of *steps*: the entity, or the member itself."""
        yield from self._reach(entity, steps)
        if steps:
            for parent in self._reach(entity, steps[:-1]):
                yield from _members(parent, steps[-1])

    def _reach(self, entity: Entity, steps: list[str]) -> Iterator[Entity]:
        entity = self._element(entity)
        if not steps:
            yield entity
            return
        for following in self._step(entity, steps[0]):
            yield from self._reach(following, steps[1:])

    def _step(self, entity: Entity, step: str) -> Iterator[Entity]:
        match entity["meta-type"]:
            case "command" | "event":
                if step in ("arg-type", "ret-type") and step in entity:
                    yield self._entities[entity[step]]
            case "object" if step.startswith("+"):
                for variant in entity.get("variants", ()):
                    if variant["case"] == step[1:]:
                        yield self._entities[variant["type"]]
            case "object":
                for member in _members(entity, step):
                    yield self._entities[member["type"]]
            case "alternate":
                for choice in entity["members"]:
                    target = self._element(self._entities[choice["type"]])
                    if step.startswith("!"):
                        if step[1:] in (target["name"], target.get("json-type")):
                            yield target
                    else:
                        yield from self._step(target, step)
            case "enum":
                if step.startswith("^") and step[1:] in _enum_values(entity):
                    yield entity
            case _:
                return

    def _element(self, entity: Entity) -> Entity:
        while entity["meta-type"] == "array":
            entity = self._entities[entity["element-type"]]
        return entity


def _index(entities: list[Any]) -> dict[str, Entity]:
    return {entity["name"]: entity for entity in entities}


def _enum_values(entity: Entity) -> list[str]:
    return list(entity.get("values", ())) or [m["name"] for m in entity.get("members", ())]


def _members(entity: Entity, step: str) -> Iterator[Entity]:
    """The members that *step* names: of an object, or (with ``^``) of an enumeration."""
    if step.startswith("^"):
        yield from (m for m in entity.get("members", ()) if m.get("name") == step[1:])
        return
    optional = step.startswith("*")
    name = step[1:] if optional else step
    for member in entity.get("members", ()):
        if member.get("name") == name and (not optional or "default" in member):
            yield member

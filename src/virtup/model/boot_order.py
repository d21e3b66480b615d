"""In which order guests come up with the host, as the guests themselves say it.

A guest says it in its definition, below ``<metadata>``, in virtup's own namespace::

    <metadata>
      <v:boot xmlns:v="urn:virtup:guests:1" order="20" delay="5">
        <v:after guest="db"/>
      </v:boot>
    </metadata>

Guests come up by ``order``, lowest first (0 when it is not said), those of one order together.
``after`` names a guest, by name or UUID, that comes before this one, whatever the orders say.
``delay`` is how many seconds those behind this guest still wait when it is up. When the host goes
down, the order is the reverse. It is an order and no more: a guest that does not come up holds
nobody back.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from virtup.errors import XmlInvalid
from virtup.model import document

if TYPE_CHECKING:
    from lxml import etree

NAMESPACE = "urn:virtup:guests:1"
DELAY_S_MAX = 3600

_KNOWN = {"order", "delay"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What one guest says. ``problem`` tells what of it could not be read, and so does not count."""

    order: int = 0
    after: tuple[str, ...] = ()
    delay_s: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A guest that takes part in the order."""

    name: str
    uuid: str
    wish: Wish


NO_WISH = Wish()
"""What a guest says that says nothing."""

K = TypeVar("K", bound=Hashable)


def wish_of(xml: str | None) -> Wish:
    """Return what a ``<domain>`` or a ``<metadata>`` document says; never refuses one.

    What cannot be read is told in ``problem``: it must not keep the guest from coming up.
    """
    if not xml or NAMESPACE not in xml:
        return Wish()
    try:
        root = document.load(xml, "<metadata>")
    except XmlInvalid as error:
        return Wish(problem=error.message)
    holder = root if root.tag == "metadata" else root.find("metadata")
    boot = None if holder is None else holder.find(f"{{{NAMESPACE}}}boot")
    return Wish() if boot is None else _read(boot)


def _read(boot: etree._Element) -> Wish:
    problems = [
        f"<boot> has no attribute '{n}'" for n in sorted(map(str, boot.keys())) if n not in _KNOWN
    ]
    order = _number(boot, "order", -(10**6), 10**6, problems)
    delay_s = _number(boot, "delay", 0, DELAY_S_MAX, problems)
    after: list[str] = []
    for child in boot:
        guest = child.get("guest")
        if child.tag != f"{{{NAMESPACE}}}after" or not guest:
            problems.append("<boot> holds <after guest='NAME'/> and nothing else")
        else:
            after.append(str(guest))
    return Wish(order, tuple(after), delay_s, "; ".join(problems))


def _number(boot: etree._Element, name: str, low: int, high: int, problems: list[str]) -> int:
    text = str(boot.get(name, "0")).strip()
    try:
        value = int(text)
    except ValueError:
        value = high + 1
    if low <= value <= high:
        return value
    problems.append(f"<boot {name}='{text}'> is not a whole number from {low} to {high}")
    return 0


@dataclass(frozen=True, slots=True)
class Arrangement:
    """For each guest the guests that come before it, and what was wrong with what they say."""

    before: Mapping[Hashable, frozenset[Hashable]]
    problems: Mapping[Hashable, str]


def arrange(members: Mapping[K, Member]) -> Arrangement:
    """Return who waits for whom: nobody waits for himself, not even by way of others.

    A guest named in ``after`` that is not among *members* is not waited for: it is up already, or
    does not come up at all. Of guests that wait for each other in a circle, the circle is dropped
    and told.
    """
    names: dict[str, K] = {}
    for key, member in members.items():
        names[member.name] = names[member.uuid.lower()] = key
    said = {
        key: {names[_key(text, names)] for text in member.wish.after if _key(text, names) in names}
        - {key}
        for key, member in members.items()
    }
    problems: dict[Hashable, str] = {
        k: m.wish.problem for k, m in members.items() if m.wish.problem
    }
    for circle in _circles(said):
        told = ", ".join(f"'{n}'" for n in sorted(members[key].name for key in circle))
        for key in circle:
            said[key] -= circle
            problem = f"{told} wait for each other; that does not count"
            problems[key] = "; ".join(filter(None, [problems.get(key, ""), problem]))
    orders: dict[K, int] = {}
    for key in members:
        _settle(key, members, said, orders)
    before: dict[Hashable, frozenset[Hashable]] = {
        key: frozenset({other for other in members if orders[other] < orders[key]} | said[key])
        for key in members
    }
    return Arrangement(before, problems)


def turns(before: Mapping[K, frozenset[Hashable]]) -> dict[K, int]:
    """Return when each guest comes, counted from 1; those of one turn come together."""
    found: dict[K, int] = {}
    left = dict(before)
    while left:
        ready = [key for key, earlier in left.items() if not earlier & left.keys()]
        number = max(found.values(), default=0) + 1
        for key in ready:
            found[key] = number
            del left[key]
    return found


def reverse(before: Mapping[Hashable, frozenset[Hashable]]) -> dict[Hashable, frozenset[Hashable]]:
    """Return the order of going down: for each guest those that come after it at boot."""
    return {
        key: frozenset(other for other, earlier in before.items() if key in earlier)
        for key in before
    }


def _key(text: str, names: Mapping[str, object]) -> str:
    return text if text in names else text.lower()


def _settle(
    key: K, members: Mapping[K, Member], said: Mapping[K, set[K]], orders: dict[K, int]
) -> None:
    """Give *key* the order it comes in: its own, or that of whom it waits for, if that is later."""
    pending = [key]
    while pending:
        top = pending[-1]
        open_ = [other for other in said[top] if other not in orders]
        if open_:
            pending += open_
            continue
        orders[top] = max([members[top].wish.order, *(orders[other] for other in said[top])])
        pending.pop()


def _circles(graph: Mapping[K, set[K]]) -> list[set[K]]:
    """Return the sets of guests that wait for each other (Tarjan's components, without recursion)."""
    index: dict[K, int] = {}
    low: dict[K, int] = {}
    stack: list[K] = []
    held: set[K] = set()
    found: list[set[K]] = []
    for root in graph:
        work = [(root, iter(sorted(graph[root], key=repr)))] if root not in index else []
        while work:
            key, rest = work[-1]
            if key not in index:
                index[key] = low[key] = len(index)
                stack.append(key)
                held.add(key)
            step = next(rest, None)
            if step is not None:
                if step not in index:
                    work.append((step, iter(sorted(graph[step], key=repr))))
                elif step in held:
                    low[key] = min(low[key], index[step])
                continue
            work.pop()
            if work:
                above = work[-1][0]
                low[above] = min(low[above], low[key])
            if low[key] == index[key]:
                circle: set[K] = set()
                while key not in circle:
                    circle.add(one := stack.pop())
                    held.discard(one)
                if len(circle) > 1:
                    found.append(circle)
    return found

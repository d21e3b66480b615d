"""Two definitions compared: the lines that differ, under the elements that hold them.

libvirt's XML has one element a line, indented by two for each level, so lines are compared.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from virtup.model.history.change import NOT_THERE, Change, between, size

LINES_MAX = 120
"""How many lines of a comparison are shown."""

_EXACT_MAX = 4_000_000
"""Up to which product of their lengths two texts are compared without short cuts."""

_LINE = re.compile(
    r"\s*<(?P<tag>[\w:.-]+)(?P<attributes>(?:\s+[\w:.-]+=(?:'[^']*'|\"[^\"]*\"))*)\s*"
    r"(?:/>|>(?:(?P<text>[^<]*)</(?P=tag)>)?)"
)
_ATTRIBUTE = re.compile(r"([\w:.-]+)=(?:'([^']*)'|\"([^\"]*)\")")
_CHOSEN = re.compile(r" (?:port|listen|address)='[^']*'")
_TARGET = re.compile(r"\s*<target dev=['\"]([^'\"]+)['\"]")


class Block(NamedTuple):
    """A place in which two texts differ: which lines of the one, which of the other."""

    start: int
    end: int
    start_now: int
    end_now: int


class Comparison(NamedTuple):
    """Two texts, where they differ, and which lines of the first are which of the second."""

    was: list[str]
    now: list[str]
    blocks: tuple[Block, ...]
    same: dict[int, int]

    @property
    def distance(self) -> int:
        """How many lines differ."""
        return sum(max(b.end - b.start, b.end_now - b.start_now) for b in self.blocks)


def closest(was: Sequence[str], now: Sequence[str]) -> Comparison:
    """Compare the pair of texts that differ least.

    Of one definition there are two texts, as it was given and as it was completed; either alone
    can differ where nobody changed anything: addresses are generated, a completed one was given.
    """
    pairs = dict.fromkeys((a, b) for a in was if a for b in now if b)
    return min((compare(a, b) for a, b in pairs), key=lambda one: one.distance, default=_NOTHING)


def unchosen(text: str) -> str:
    """Return a definition without what a start chose for a display: its port, its address.

    A saved state has the definition of the guest as it ran.
    """
    lines = []
    for line in text.splitlines(keepends=True):
        display = _tag(line) == "graphics" and "autoport='yes'" in line
        cut = display or (_tag(line) == "listen" and "type='address'" in line)
        lines.append(_CHOSEN.sub("", line) if cut else line)
    return "".join(lines)


def compare(was: str, now: str) -> Comparison:
    """Compare two texts line by line."""
    a, b = was.splitlines(), now.splitlines()
    quick = len(a) * len(b) > _EXACT_MAX
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=quick)
    blocks: list[Block] = []
    same: dict[int, int] = {}
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            same.update(zip(range(i1, i2), range(j1, j2), strict=True))
        else:
            blocks.append(Block(i1, i2, j1, j2))
    return Comparison(a, b, tuple(blocks), same)


_NOTHING = Comparison([], [], (), {})


def unified(found: Comparison) -> list[str]:
    """Return what differs as lines that begin with ``-`` and ``+``, under the elements around.

    A device is shown with its ``<target>``, which tells it from others of its kind.
    """
    context = _context(found)
    lines: list[str] = []
    back = {now: was for was, now in found.same.items()}
    position = 0
    for block in (*found.blocks, Block(0, 0, len(found.now), len(found.now))):
        kept = range(position, block.start_now)
        lines += [f" {found.now[j]}" for j in kept if j in context and j in back]
        lines += [f"-{line}" for line in found.was[block.start : block.end]]
        lines += [f"+{line}" for line in found.now[block.start_now : block.end_now]]
        position = block.end_now
    left = len(lines) - LINES_MAX
    return [*lines[:LINES_MAX], f" ... and {left} more lines"] if left > 0 else lines


def _context(found: Comparison) -> set[int]:
    """Return the lines of the second text that say where the differences are."""
    context: set[int] = set()
    for block in found.blocks:
        for j in range(block.start_now, block.end_now):
            context.update(_above(found.now, j))
        for i in range(block.start, block.end):
            context.update(found.same[k] for k in _above(found.was, i) if k in found.same)
    devices = [j for j in context if _depth(found.now[j]) == 2]
    context.update(j for device in devices for j in _targets(found.now, device))
    return context


def changes(found: Comparison) -> Iterator[Change]:
    """Yield what differs element by element."""
    for block in found.blocks:
        was = list(range(block.start, block.end))
        now = list(range(block.start_now, block.end_now))
        for i in was[:]:
            j = next((j for j in now if _tag(found.now[j]) == _tag(found.was[i]) != ""), None)
            if j is not None and _depth(found.was[i]) == _depth(found.now[j]):
                was.remove(i)
                now.remove(j)
                yield _one(found, i, j)
        yield from _whole(found.was, was, there=True)
        yield from _whole(found.now, now, there=False)


def _one(found: Comparison, i: int, j: int) -> Change:
    """Return the change of one element that is there before and after."""
    was, now = _parts(found.was[i]), _parts(found.now[j])
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    texts = [
        " ".join(f"{name}='{part[name]}'" if name else part[name] for name in names if name in part)
        for part in (was, now)
    ]
    if names == [""] and "KiB" in (was.get("unit"), now.get("unit")):
        texts = [size(int(text) * 1024) if text.isdecimal() else text for text in texts]
    what = _label(found.now, j)
    return between("definition", what, [text or NOT_THERE for text in texts])


def _whole(lines: list[str], left: list[int], *, there: bool) -> Iterator[Change]:
    """Yield elements that are only before, or only after, each with all that is in it as one."""
    end = -1
    for index in left:
        if index <= end or not _tag(lines[index]):
            continue
        end = _end(lines, index)
        text = " ".join(lines[index].split())
        label = _label(lines, index)
        values = (text, NOT_THERE) if there else (NOT_THERE, text)
        yield between("definition", label, values)


def _parts(line: str) -> dict[str, str]:
    """Return the attributes of the element in a line, and its text by an empty name."""
    found = _LINE.match(line)
    if found is None:
        return {"": line.strip()}
    parts = {name: one or two for name, one, two in _ATTRIBUTE.findall(found["attributes"])}
    return parts | ({"": found["text"]} if found["text"] else {})


def _label(lines: list[str], index: int) -> str:
    """Name an element by the device that it is in: ``disk vda <source>``, ``<memory>``."""
    tag = _tag(lines[index])
    above = [k for k in _above(lines, index) if _depth(lines[k]) == 2]
    inside = bool(above) and _tag(lines[_parent(lines, above[0])]) == "devices"
    if inside:
        return f"{_device(lines, above[0])} <{tag}>"
    is_text = f"</{tag}>" in lines[index]
    if (
        _depth(lines[index]) == 2
        and _tag(lines[_parent(lines, index)]) == "devices"
        and not is_text
    ):
        return _device(lines, index)
    return f"<{tag}>" if tag else "<domain>"


def _device(lines: list[str], index: int) -> str:
    """Name a device: by its target, else by its place among those of its kind."""
    tag = _tag(lines[index])
    for target in _targets(lines, index):
        found = _TARGET.match(lines[target])
        if found:
            return f"{tag} {found[1]}"
    same = [k for k, line in enumerate(lines) if _depth(line) == 2 and _tag(line) == tag]
    return f"{tag} {same.index(index) + 1}" if len(same) > 1 else tag


def _targets(lines: list[str], index: int) -> Iterator[int]:
    for k in range(index + 1, _end(lines, index)):
        if _TARGET.match(lines[k]) and _depth(lines[k]) == 3:
            yield k


def _end(lines: list[str], index: int) -> int:
    """Return the last line of the element that begins in a line."""
    closing = f"{'  ' * _depth(lines[index])}</{_tag(lines[index])}>"
    if lines[index].rstrip().endswith("/>") or f"</{_tag(lines[index])}>" in lines[index]:
        return index
    return next((k for k in range(index + 1, len(lines)) if lines[k] == closing), index)


def _above(lines: list[str], index: int) -> list[int]:
    """Return the lines that open the elements around a line, but for the root."""
    found = []
    depth = _depth(lines[index])
    for k in range(index - 1, 0, -1):
        if depth <= 1:
            break
        if _depth(lines[k]) < depth and _tag(lines[k]):
            found.append(k)
            depth = _depth(lines[k])
    return found


def _parent(lines: list[str], index: int) -> int:
    above = _above(lines, index)
    return above[0] if above else 0


def _depth(line: str) -> int:
    return (len(line) - len(line.lstrip(" "))) // 2


def _tag(line: str) -> str:
    found = _LINE.match(line)
    return found["tag"] if found else ""

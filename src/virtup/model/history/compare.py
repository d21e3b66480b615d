"""All that is different between two starts, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from virtup.model.history import definition, files, host
from virtup.model.history.change import AREAS, Change, Record, between

GOOD = "running"
"""The verdict of a start that went well."""


def changes(before: Record, after: Record, *, subjects: Sequence[str] = ()) -> list[Change]:
    """Return what is different in *after*, the later start.

    What concerns one of *subjects* (of the findings on a failure) comes first, then the areas in
    the order of `AREAS`.
    """
    found = [
        *_definition(before, after),
        *host.changes(before, after),
        *files.changes(before, after),
    ]
    in_definition = " ".join(one.now for one in found if one.area == "definition")
    told = [one for one in found if not _is_told(one, in_definition)]

    def rank(change: Change) -> tuple[bool, int, int]:
        concerned = any(_concerns(change, subject) for subject in subjects if subject)
        return not concerned, AREAS.index(change.area), change.weight

    return sorted(told, key=rank)


def compared(before: Record, after: Record) -> definition.Comparison:
    """Return the two definitions compared."""
    one_restored = bool(before["image"]) != bool(after["image"])
    texts = [[record["given"], record["definition"]] for record in (before, after)]
    if one_restored:
        texts = [[definition.unchosen(text) for text in each] for each in texts]
    return definition.closest(texts[0], texts[1])


def last_good(records: Sequence[Record], number: int) -> Record | None:
    """Return the last start before *number* that went well."""
    good = [one for one in records if one["verdict"] == GOOD and one["number"] < number]
    return good[-1] if good else None


def _definition(before: Record, after: Record) -> Iterator[Change]:
    yield from definition.changes(compared(before, after))
    images = before["image"], after["image"]
    if images[0] != images[1]:
        ways = [f"the saved state '{path}'" if path else "its disks" for path in images]
        yield between("environment", "it started from", ways, subject=images[1])


def _is_told(change: Change, in_definition: str) -> bool:
    """Whether a change of the definition says the same already."""
    return change.what == "QEMU's binary" and change.now in in_definition


def _concerns(change: Change, subject: str) -> bool:
    if change.area == "definition":
        return len(subject) > 2 and subject in f"{change.what} {change.was} {change.now}"
    own = change.subject
    return bool(own) and (own == subject or subject.startswith(f"{own}/"))

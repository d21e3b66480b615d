"""What a diagnosis is worth: the right cause first, among the first three, or a wrong one for sure.

A finding is *confident* when it is likely or proven. A confident finding that stands first and names
another cause than the label is wrong, and none may be. Where a label is a narrower word for the same
thing, `NARROWER` says so: a text alone cannot narrow it down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from virtup.causes.catalogue import UNKNOWN_SLUG, causes
from virtup.causes.finding import Certainty, Finding

NARROWER = {
    "kvm-unavailable": {
        "kvm-module-not-loaded",
        "kvm-nested-off",
        "kvm-disabled-firmware",
        "kvm-device-permission",
    },
}
"""A general cause, and the causes that only a look at the host tells from it."""
NOBODY = "?"
"""The label of a text from which nobody can tell the cause: a confident answer is wrong."""


@dataclass(frozen=True)
class Score:
    """One case: what may stand first, what was found in order, and how sure the first was.

    A label ``a+b`` is two faults in one text: both have to be found, one of them first.
    """

    case: str
    labels: tuple[str, ...]
    found: tuple[str, ...]
    certainty: Certainty
    derivable: bool = True

    @classmethod
    def of(
        cls,
        case: str,
        labels: Sequence[str],
        findings: Sequence[Finding],
        *,
        derivable: bool = True,
    ) -> "Score":
        """Score the findings on one case."""
        found = tuple(finding.slug for finding in findings)
        return cls(case, tuple(labels), found, findings[0].certainty, derivable)

    @property
    def is_confident(self) -> bool:
        return self.certainty is not Certainty.POSSIBLE and self.found[0] != UNKNOWN_SLUG

    @property
    def is_first(self) -> bool:
        if NOBODY in self.labels and not self.is_confident:
            return True
        return any(
            self.found[0] in label.split("+") and set(label.split("+")) <= set(self.found)
            for label in self.labels
        )

    @property
    def is_among(self) -> bool:
        return self.is_first or any(slug in self.labels for slug in self.found[:3])

    @property
    def is_wrong(self) -> bool:
        fits = self.is_first or bool(NARROWER.get(self.found[0], set()) & set(self.labels))
        return self.is_confident and not fits

    @property
    def family(self) -> str:
        """The folder that the label's cause stands in."""
        return FAMILIES.get(self.labels[0].partition("+")[0], "no cause")

    def __str__(self) -> str:
        return f"{self.case}: {' or '.join(self.labels)}, found {', '.join(self.found[:3])}"


FAMILIES = {one.slug: one.module.split(".")[2] for one in causes()}


def figures(title: str, scores: Iterable[Score]) -> str:
    """Return a table of the scores, a line a family and the sum last."""
    every = list(scores)
    groups = {name: [one for one in every if one.family == name] for name in FAMILIES.values()}
    groups["no cause"] = [one for one in every if one.family == "no cause"]
    rows = [(name, group) for name, group in sorted(groups.items()) if group]
    lines = [f"{title:<34}{'cases':>6}{'first':>7}{'three':>7}{'wrong':>7}"]
    for name, group in [*rows, ("all", every)]:
        first, among, wrong = (
            sum(getattr(one, what) for one in group)
            for what in ("is_first", "is_among", "is_wrong")
        )
        lines.append(f"  {name:<32}{len(group):>6}{first:>7}{among:>7}{wrong:>7}")
    return "\n".join(lines)

"""What virtup says of a failure: the cause, on what evidence, how sure, and what fixes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Self

from virtup.model import repair as repairs
from virtup.model.repair import Repair


class Certainty(Enum):
    """How sure a finding is; only a probe of this host makes one ``proven``."""

    PROVEN = "proven"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Safety(Enum):
    """Who may apply a fix: virtup unasked, virtup after a yes, or only a person."""

    AUTO = "auto"
    CONFIRM = "confirm"
    MANUAL = "manual"


NOWHERE = 1 << 30
"""The place of a finding that rests on no line of text."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out: a sentence, and the commands that do it and undo it, ready to paste.

    ``repair`` is what virtup can do of it itself; the commands are then its own.
    """

    text: str
    commands: tuple[str, ...] = ()
    safety: Safety = Safety.MANUAL
    undo: tuple[str, ...] = ()
    repair: tuple[Repair, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fix as JSON-ready data."""
        return {
            "text": self.text,
            "commands": list(self.commands),
            "safety": self.safety.value,
            "undo": list(self.undo),
            "repair": [one.to_dict() for one in self.repair],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the fix that `to_dict` wrote. Raises KeyError, TypeError, ValueError."""
        return cls(
            text=str(data["text"]),
            commands=tuple(str(command) for command in data["commands"]),
            safety=Safety(data["safety"]),
            undo=tuple(str(command) for command in data["undo"]),
            repair=tuple(repairs.from_dict(one) for one in data.get("repair", ())),
        )


def mend(text: str, *repair: Repair, safety: Safety) -> Fix:
    """Return the fix that virtup can do by *repair*, with the commands that say the same."""
    return Fix(text, repairs.commands_of(repair), safety, repairs.undo_of(repair), repair)


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause of one failure.

    ``sentence`` names the ``subject`` (path, device, port, pid, ...); ``evidence`` is never
    empty: lines quoted word for word, then what probes saw. ``at`` is the place in the text of
    the first quoted line, by which findings are ordered; it does not travel.
    """

    code: str
    slug: str
    sentence: str
    subject: str
    certainty: Certainty
    evidence: tuple[str, ...]
    fixes: tuple[Fix, ...] = ()
    at: int = field(default=NOWHERE, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        data = asdict(self)
        del data["at"]
        data["certainty"] = self.certainty.value
        data["evidence"] = list(self.evidence)
        data["fixes"] = [fix.to_dict() for fix in self.fixes]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the finding that `to_dict` wrote. Raises KeyError or ValueError on other data."""
        return cls(
            code=str(data["code"]),
            slug=str(data["slug"]),
            sentence=str(data["sentence"]),
            subject=str(data["subject"]),
            certainty=Certainty(data["certainty"]),
            evidence=tuple(str(line) for line in data["evidence"]),
            fixes=tuple(Fix.from_dict(fix) for fix in data["fixes"]),
        )

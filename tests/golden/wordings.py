"""Failures in words that no rule was made from: written down, each with the cause that it tells.

A file of ``wordings`` holds cases in plain text. ``=== a|b`` begins one and names what may stand
first; ``?`` stands for no confident answer, ``a+b`` for two faults in one text. What follows is the manager's error below ``[error]``,
QEMU's or a helper's words below ``[log]``, the definition below ``[xml]``, and what was written down
of the host below ``[host]``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from virtup.causes import elsewhere
from virtup.causes.finding import Finding

FOLDER = Path(__file__).parent / "wordings"


@dataclass
class Wording:
    """One case: where it stands, what may answer it, and its texts by kind."""

    name: str
    answers: tuple[str, ...]
    texts: dict[str, str] = field(default_factory=dict)

    def findings(self, around: Callable[[str], str] = str) -> list[Finding]:
        """What is found, with something put *around* the words of the manager and of QEMU."""
        error, log = (self.texts.get(kind, "") for kind in ("error", "log"))
        ev = elsewhere.evidence(
            around(error) if error else "",
            log=around(log) if log else "",
            xml=self.texts.get("xml", ""),
            notes=self.texts.get("host", ""),
        )
        return elsewhere.judged(ev)


def wordings() -> Iterator[Wording]:
    """Yield every case of every file."""
    for path in sorted(FOLDER.glob("*.txt")):
        for block in re.finditer(
            r"^=== (.*)\n((?:(?!=== ).*\n?)*)", path.read_text(), re.MULTILINE
        ):
            case = Wording(f"{path.stem}:{block[1]}", tuple(block[1].split("|")))
            parts = re.split(r"^\[(error|log|xml|host)\]\n", block[2], flags=re.MULTILINE)
            case.texts = dict(zip(parts[1::2], parts[2::2], strict=True))
            yield case

"""A start that failed: what is known about it, and the error that its caller sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from virtup.causes.finding import Finding
from virtup.causes.render import lines
from virtup.errors import StartFailed, VirtError
from virtup.machine.diagnose import diagnose
from virtup.model.evidence import Evidence

UNKNOWN = "VU000"
"""The code of the finding that lays the evidence out because no cause fits."""


@dataclass
class StepFailed(Exception):
    """A step of a start did not hold; ``evidence`` has what the step alone knows.

    ``message`` is the first line of the error, in the words that libvirt's users know.
    """

    message: str
    evidence: Evidence
    error: VirtError | None = None
    verdict: VirtError | None = None
    """The error for the caller, once the failure was looked into."""


async def told(message: str, evidence: Evidence, error: VirtError | None = None) -> VirtError:
    """Return the error for the caller: *message*, then cause, evidence and fix.

    When *error* is given it is that one, with the longer text and the findings in it.
    """
    findings = await diagnose(replace(evidence, error=evidence.error or message))
    if error is not None and [one.code for one in findings] == [UNKNOWN]:
        findings = []  # the sentence says all that is known: a page about it would say less
    return _worded(error or StartFailed(""), message, findings, evidence.guest)


def with_others(error: VirtError, foreseen: Iterable[Finding], guest: str) -> None:
    """Add to *error* what else would keep *guest* from starting: a start stops at the first thing.

    What is told already, of the same thing, is not told again.
    """
    told = [Finding.from_dict(one) for one in error.findings]
    known = {(one.code, one.subject) for one in told}
    more = [one for one in foreseen if (one.code, one.subject) not in known]
    if more:
        told = [one for one in told if one.code != UNKNOWN]
        _worded(error, error.message.partition("\n")[0], [*told, *more], guest)


def _worded(error: VirtError, message: str, findings: list[Finding], guest: str) -> VirtError:
    """Put *message* and *findings* into *error*."""
    text = "\n".join([message, *lines(findings, name=guest or "NAME")])
    error.message, error.args = text, (text,)
    error.findings = tuple(one.to_dict() for one in findings)
    return error

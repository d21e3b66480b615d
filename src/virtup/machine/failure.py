"""A start that failed: what is known about it, and the error that its caller sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    text = "\n".join([message, *lines(findings, name=evidence.guest or "NAME")])
    data = tuple(one.to_dict() for one in findings)
    if error is None:
        return StartFailed(text, findings=data)
    error.message, error.findings, error.args = text, data, (text,)
    return error

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


async def told(message: str, evidence: Evidence, error: VirtError | None = None) -> VirtError:
    """Return the error for the caller: *message*, then cause, evidence and fix.

    When *error* is given its code and origin stay; its findings are those of the diagnosis.
    """
    findings = await diagnose(replace(evidence, error=evidence.error or message))
    if error is not None and [one.code for one in findings] == [UNKNOWN]:
        findings = []  # the sentence says all that is known: a page about it would say less
    text = "\n".join([message, *lines(findings)])
    data = tuple(one.to_dict() for one in findings)
    if error is None:
        return StartFailed(text, findings=data)
    # the class keeps its code; its template was applied when *message* was made
    return VirtError(text, code=error.code, origin=error.origin, fault=error.fault, findings=data)

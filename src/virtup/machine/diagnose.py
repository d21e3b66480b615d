"""Why a start failed: the causes say what to look at, the host is looked at, the causes judge."""

from __future__ import annotations

import asyncio
import logging
import time

from virtup.causes import catalogue
from virtup.causes.finding import Finding
from virtup.host import evidence
from virtup.model.evidence import Evidence

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often the causes may ask on from what was seen."""


async def diagnose(ev: Evidence, *, deadline_s: float = 2.0) -> list[Finding]:
    """Return the findings on *ev*, best first; never empty.

    The host is looked at in threads for at most *deadline_s* seconds altogether; a probe that
    gives no answer by then leaves its causes unproven. Facts that *ev* has already are kept. A
    mistake in a cause goes to the log: it must not take the place of what it was to explain.
    """
    looking = asyncio.to_thread(look_and_judge, ev, deadline_s)
    (found,) = await asyncio.gather(looking, return_exceptions=True)
    if isinstance(found, Exception):
        log.error("the causes of a failure of '%s' cannot be told", ev.guest, exc_info=found)
        return [catalogue.unknown(ev)]
    if isinstance(found, BaseException):
        raise found
    return found


async def warm() -> None:
    """Load the catalogue and its phrases, so that the first failure need not wait for it."""
    await asyncio.to_thread(catalogue.diagnose, Evidence())


def look_and_judge(ev: Evidence, deadline_s: float) -> list[Finding]:
    """Do what `diagnose` does, in this thread."""
    until = time.monotonic() + deadline_s
    for _ in range(ROUNDS):
        wanted = catalogue.probes(ev)
        left = until - time.monotonic()
        if not wanted or left <= 0:
            break
        ev = ev.with_facts(evidence.answer_all(wanted, left))
    return catalogue.diagnose(ev)

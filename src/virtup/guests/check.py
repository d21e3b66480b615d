"""What ``virtup check --boot`` and ``--shutdown`` tell: how guests would fare, with nothing done."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from typing import Any

from virtup.client.uri import find
from virtup.errors import SystemError_
from virtup.guests import boot as boots
from virtup.guests import kept as kept_
from virtup.guests import service as services
from virtup.guests import stop as stopping
from virtup.guests.kept import Kept
from virtup.guests.office import Office
from virtup.guests.plan import Plan, Step
from virtup.guests.service import Problem, Service

SAVED, SHUT_DOWN, LOST = "saved", "shut down", "lost"
_BECOMES = {"save": SAVED, "shut down": SHUT_DOWN, "leave": LOST}


def boot(uri: str | None) -> dict[str, Any]:
    """Return who comes back at the next boot, JSON-ready; *uri* names one daemon, None all set.

    Raises VirtError, also when the list of those who are to come back cannot be read.
    """
    return asyncio.run(_boot(uri))


def shutdown(uri: str | None) -> dict[str, Any]:
    """Return what would become of the running guests if the host went down now, JSON-ready.

    Raises as `boot`. Where nothing else tells how fast the disk writes, 32 MiB are written to it,
    in a file without a name.
    """
    return asyncio.run(_shutdown(uri))


@dataclass
class _View:
    """What both look from: the service manager, the office, and what was wrong on the way."""

    kept: Kept
    service: Service
    office: Office
    problems: list[Problem] = field(default_factory=list)

    def document(self, daemons: list[dict[str, Any]]) -> dict[str, Any]:
        """Return all there is to tell, each problem once."""
        told = list(dict.fromkeys(self.problems))
        ok = all(one["ok"] for one in daemons) and not any(one.blocks for one in told)
        return {"ok": ok, "problems": [one.to_dict() for one in told], "daemons": daemons}


async def _view(uri: str | None) -> _View:
    kind = find(uri, env=os.environ, uid=os.geteuid()).kind
    service = await services.look(user=kind == "session")
    env = {**os.environ, **service.unit(services.GUESTS).environment}
    kept, wrong = kept_.find(env, os.geteuid(), kind=kind)
    problems = [Problem(str(one)) for one in wrong]
    if uri is not None:
        kept.settings = replace(kept.settings, uris=(uri,))

    def note(text: str) -> None:
        problems.append(Problem(text, blocks=False))

    try:
        office = kept.opened(note, note)
    except OSError as error:
        raise SystemError_(f"'{error.filename}' cannot be read: {error.strerror}") from error
    return _View(kept, service, office, problems)


def named(uri: str) -> str:
    """Return the URI for people: "default" is whose it is."""
    if uri != "default":
        return uri
    target = find(None, env=os.environ, uid=os.geteuid())
    return target.given or target.name


async def _boot(uri: str | None) -> dict[str, Any]:
    view = await _view(uri)
    found = await boots.foresee(view.office, view.service, view.kept.places.settings[-1])
    if uri is None:
        view.problems += boots.strangers(view.office)
    for one in found:
        view.problems += one.problems
    return view.document([{**one.to_dict(), "uri": named(one.uri)} for one in found])


async def _shutdown(uri: str | None) -> dict[str, Any]:
    view = await _view(uri)
    settings = view.kept.settings
    plans = await stopping.foresee(view.office)
    if any(isinstance(plan, Plan) and plan.steps for _, plan in plans):
        view.problems += view.service.not_stopping(settings.deadline)
    daemons = [_daemon(named(where), plan, view.service) for where, plan in plans]
    document = view.document(daemons)
    return {**document, "deadline_s": settings.deadline, "on_shutdown": settings.on_shutdown}


def _daemon(uri: str, plan: Plan | str, service: Service) -> dict[str, Any]:
    if isinstance(plan, str):
        return {"uri": uri, "ok": False, "error": plan, "guests": []}
    guests = [_guest(step, service) for step in plan.steps]
    return {
        "uri": uri,
        "ok": all(one["ok"] for one in guests),
        "error": "",
        "guests": guests,
        "directory": plan.limits.directory,
        "needs_bytes": plan.bytes,
        "free_bytes": plan.limits.free_bytes,
        "bytes_per_s": plan.limits.bytes_per_s,
        "needs_s": plan.seconds,
        "has_s": plan.limits.seconds,
    }


def _guest(step: Step, service: Service) -> dict[str, Any]:
    guest, becomes, why = step.guest, _BECOMES[step.act], step.why
    if becomes != LOST and not service.saves_guests:
        becomes, why = LOST, f"{services.GUESTS} does not run"
    return {
        "name": guest.name,
        "uuid": guest.uuid,
        "becomes": becomes,
        "why": why,
        "needs_bytes": guest.image_bytes if becomes == SAVED else 0,
        # one that cannot be saved by its nature is shut down without a loss
        "ok": becomes == SAVED or (becomes == SHUT_DOWN and not (why and guest.persistent)),
    }

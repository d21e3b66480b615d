"""domid, domname, domuuid."""

from __future__ import annotations

from virtup.cli.grammar import guest
from virtup.cli.run import Run
from virtup.cli.verb import verb


@verb("domid", "tell the id of a running domain", guest("domain name or uuid"))
def domid(run: Run, *, domain: str) -> None:
    """Print the id of a guest, ``-`` when it is off."""
    number = run.guest(domain, ("uuid", "name"))["id"]
    if run.json:
        run.document({"id": None if number < 0 else number})
    else:
        run.line("-" if number < 0 else str(number))


@verb("domname", "tell the name of a domain", guest("domain id or uuid"))
def domname(run: Run, *, domain: str) -> None:
    """Print the name of a guest."""
    run.value("name", run.guest(domain, ("id", "uuid"))["name"])


@verb("domuuid", "tell the UUID of a domain", guest("domain id or name"))
def domuuid(run: Run, *, domain: str) -> None:
    """Print the UUID of a guest."""
    from virtup.client.guests import format_uuid

    run.value("uuid", format_uuid(run.guest(domain, ("id", "name"))["uuid"]))

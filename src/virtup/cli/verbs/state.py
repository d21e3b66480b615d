"""autostart, resume, suspend."""

from __future__ import annotations

from virtup.cli.grammar import flag, guest
from virtup.cli.run import Run
from virtup.cli.verb import verb


@verb(
    "autostart",
    "start a domain with the host",
    guest(),
    flag("disable", "no longer start it with the host"),
    flag("once", "start it with the host the next time alone"),
)
def autostart(run: Run, *, domain: str, disable: bool, once: bool) -> None:
    """Mark a guest to be started with the host, or take the mark off."""
    handle = run.guest(domain)
    name, act = handle["name"], "unmark" if disable else "mark"
    call = "DOMAIN_SET_AUTOSTART_ONCE" if once else "DOMAIN_SET_AUTOSTART"
    when = " on next boot" if once else ""
    with run.trying(f"Failed to {act} domain '{name}' as autostarted{when}"):
        run.conn.call(call, dom=handle, autostart=int(not disable))
    key = "autostart_once" if once else "autostart"
    run.say(f"Domain '{name}' {act}ed as autostarted{when}", domain=name, **{key: not disable})


@verb("resume", "let a suspended domain run on", guest())
def resume(run: Run, *, domain: str) -> None:
    """Let the vCPUs of a guest run."""
    handle = run.guest(domain)
    name = handle["name"]
    with run.trying(f"Failed to resume domain '{name}'"):
        run.conn.call("DOMAIN_RESUME", dom=handle)
    run.say(f"Domain '{name}' resumed", domain=name)


@verb("suspend", "pause a running domain", guest(), description="Its memory stays in use.")
def suspend(run: Run, *, domain: str) -> None:
    """Stop the vCPUs of a guest."""
    handle = run.guest(domain)
    name = handle["name"]
    with run.trying(f"Failed to suspend domain '{name}'"):
        run.conn.call("DOMAIN_SUSPEND", dom=handle)
    run.say(f"Domain '{name}' suspended", domain=name)

"""destroy, reboot, reset, shutdown."""

from __future__ import annotations

from virtup.cli.grammar import Failure, flag, guest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb

MODES = {"acpi": 1, "agent": 2, "initctl": 4, "signal": 8, "paravirt": 16}
"""How a guest can be asked to stop (``virDomainShutdownFlagValues``, ``RebootFlagValues``)."""

_MODE = text("mode", "shutdown mode: acpi|agent|initctl|signal|paravirt", completes=tuple(MODES))


@verb(
    "destroy",
    "stop a domain at once",
    guest(),
    flag("graceful", "give QEMU time to write its disks' data; do not kill it"),
    flag("remove-logs", "remove the domain's logs"),
    description="As if the power were cut; the definition and the disks stay.",
)
def destroy(run: Run, *, domain: str, graceful: bool, remove_logs: bool) -> None:
    """End a guest's QEMU."""
    handle = run.guest(domain)
    name = handle["name"]
    flags = (1 if graceful else 0) | (2 if remove_logs else 0)
    with run.trying(f"Failed to destroy domain '{name}'"):
        if flags:
            run.conn.call("DOMAIN_DESTROY_FLAGS", dom=handle, flags=flags)
        else:
            run.conn.call("DOMAIN_DESTROY", dom=handle)
    run.say(f"Domain '{name}' destroyed", domain=name)


@verb("shutdown", "ask a domain to shut down", guest(), _MODE)
def shutdown(run: Run, *, domain: str, mode: str | None) -> None:
    """Ask the system in a guest to shut down; it may take its time, or refuse."""
    flags = _flags(mode, "'signal', or 'paravirt'")
    handle = run.guest(domain)
    name = handle["name"]
    with run.trying(f"Failed to shutdown domain '{name}'"):
        if flags:
            run.conn.call("DOMAIN_SHUTDOWN_FLAGS", dom=handle, flags=flags)
        else:
            run.conn.call("DOMAIN_SHUTDOWN", dom=handle)
    run.say(f"Domain '{name}' is being shutdown", domain=name)


@verb("reboot", "ask a domain to reboot", guest(), _MODE)
def reboot(run: Run, *, domain: str, mode: str | None) -> None:
    """Ask the system in a guest to reboot."""
    flags = _flags(mode, "'signal' or 'paravirt'")
    handle = run.guest(domain)
    name = handle["name"]
    with run.trying(f"Failed to reboot domain '{name}'"):
        run.conn.call("DOMAIN_REBOOT", dom=handle, flags=flags)
    run.say(f"Domain '{name}' is being rebooted", domain=name)


@verb("reset", "reset a domain", guest(), description="As if its reset button were pressed.")
def reset(run: Run, *, domain: str) -> None:
    """Reset a guest's machine."""
    handle = run.guest(domain)
    name = handle["name"]
    with run.trying(f"Failed to reset domain '{name}'"):
        run.conn.call("DOMAIN_RESET", dom=handle, flags=0)
    run.say(f"Domain '{name}' was reset", domain=name)


def _flags(modes: str | None, last: str) -> int:
    flags = 0
    for mode in modes.split(",") if modes else ():
        if mode not in MODES:
            raise Failure(
                f"Unknown mode {mode} value, expecting 'acpi', 'agent', 'initctl', {last}"
            )
        flags |= MODES[mode]
    return flags

"""console."""

from __future__ import annotations

from virtup.cli.grammar import flag, guest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb


@verb(
    "console",
    "connect to the console of a domain",
    guest(),
    text("devname", "the character device, by its alias"),
    flag("force", "take the console from whoever has it"),
    flag("safe", "only connect if nobody else can at the same time"),
    description=(
        "Ctrl-] ends it (--escape in front of the verb changes that). Where stdin is no terminal, "
        "its end does not end the console."
    ),
)
def console(run: Run, *, domain: str, devname: str | None, force: bool, safe: bool) -> int:
    """Connect this terminal to the console of a guest."""
    from virtup.cli.terminal import attach

    return attach(run, run.guest(domain), device=devname, force=force, safe=safe)

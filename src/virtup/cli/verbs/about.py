"""help."""

from __future__ import annotations

from virtup.cli.grammar import Failure, nearest, text
from virtup.cli.run import Run
from virtup.cli.verb import FAMILIES, MODULES, load, verb


@verb(
    "help",
    "print help",
    text("command", "a command, or the keyword of a group", completes=(*FAMILIES, *MODULES)),
    description="Lists all commands, or tells about one command or one group of them.",
    connects=False,
)
def help_(run: Run, *, command: str | None) -> None:
    """Print the help that was asked for."""
    from virtup.cli.help import of_everything, of_family, of_verb

    if command is None:
        run.line(of_everything())
        return
    about = load(command)
    shown = of_verb(about) if about is not None else of_family(command)
    if shown is None:
        near = nearest(command, (*MODULES, *FAMILIES))
        hint = f"; the nearest is '{near}'" if near else ""
        raise Failure(f"command or command group '{command}' doesn't exist{hint}")
    run.line(shown)

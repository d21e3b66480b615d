"""completion: the script that teaches a shell virtup's verbs, options and guests."""

from __future__ import annotations

import click

from virtup.cli.grammar import Failure, text
from virtup.cli.run import Run
from virtup.cli.verb import verb

SHELLS = ("bash", "zsh", "fish")


@verb(
    "completion",
    "print the completion script of a shell",
    text("shell", "bash, zsh or fish", required=True, completes=SHELLS),
    description=(
        'bash: eval "$(virtup completion bash)"\n'
        'zsh:  eval "$(virtup completion zsh)"\n'
        "fish: virtup completion fish | source"
    ),
    connects=False,
)
def completion(run: Run, *, shell: str) -> None:
    """Print the script for *shell*."""
    from click.shell_completion import get_completion_class

    known = get_completion_class(shell) if shell in SHELLS else None
    if known is None:
        raise Failure(f"unknown shell '{shell}', expecting 'bash', 'zsh' or 'fish'")
    command = click.get_current_context().find_root().command
    script = known(command, {}, "virtup", "_VIRTUP_COMPLETE").source()
    # click's script for fish ends a name, and what it says of an option, at its first comma
    run.line(script.replace('string split ","', 'string split -m 1 ","'))

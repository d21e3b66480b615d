"""The entry of ``virtup``: options before the verb, the verb, its errors and exit status.

The exit status is 0 or 1, as virsh's is.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from virtup.cli.grammar import BadUsage, Failure, convert, flag, nearest, scan
from virtup.cli.report import failed, misused
from virtup.cli.run import Run, Settings
from virtup.cli.verb import MODULES, Verb, load
from virtup.errors import VirtError

_EXTRA = (flag("json", "print tables, records and errors as JSON"),)


class VerbCommand(click.Command):
    """A verb as click sees it: the words behind it are read by virsh's grammar."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(verb.name, help=verb.summary, add_help_option=False)
        self.verb = verb

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words; raises BadUsage unless the context only completes."""
        ctx.args = list(args)
        if not (ctx.resilient_parsing or _asks_help(args)):
            ctx.params = scan(self.verb.name, (*self.verb.options, *_EXTRA), args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> int:
        """Run the verb; its exit status."""
        if _asks_help(ctx.args):
            from virtup.cli.help import of_verb

            click.echo(of_verb(self.verb))
            return 0
        settings = ctx.ensure_object(Settings)
        settings.json |= bool(ctx.params.pop("json", False))
        return _perform(self.verb, ctx.params, settings)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """What the word *incomplete* of this verb can become."""
        from virtup.cli.complete import words

        return list(words(self.verb, ctx, incomplete))


class Verbs(click.Group):
    """All verbs, each loaded when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks so
        """The names of all verbs."""
        return list(MODULES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name."""
        verb = load(cmd_name)
        return None if verb is None else VerbCommand(verb)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb and its words; raises BadUsage for an unknown one, and names the nearest."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            near = nearest(args[0], tuple(MODULES))
            hint = f"the nearest is '{near}'" if near else "'virtup help' lists all"
            raise BadUsage(f"unknown command: '{args[0]}'; {hint}")
        return args[0] if command else None, command, args[1:]


def _asks_help(words: list[str]) -> bool:
    """Whether ``--help`` stands among the words, before a ``--``."""
    return "--help" in words[: words.index("--") if "--" in words else None]


def _perform(verb: Verb, raw: dict[str, Any], settings: Settings) -> int:
    """Run *verb*, tell of its failure, end its output; its exit status."""
    run = Run(settings)
    began = time.perf_counter()
    try:
        if verb.connects and settings.uri is not None and _no_connection(run):
            return 1
        status = _act(verb, raw, run)
        run.end(time.perf_counter() - began)
    finally:
        run.close()
    return status


def _no_connection(run: Run) -> bool:
    """Connect to the daemon that the command names, before all else, as virsh does."""
    try:
        run.conn  # noqa: B018
    except Failure as failure:
        failed(failure, as_json=run.json)
        return True
    return False


def _act(verb: Verb, raw: dict[str, Any], run: Run) -> int:
    try:
        return verb.action(run, **convert(verb.options, raw)) or 0
    except Failure as failure:
        failed(failure, as_json=run.json)
    except VirtError as exc:
        failed(Failure(None, exc), as_json=run.json)
    return 1


def _group() -> Verbs:
    from virtup.cli.globals import OPTIONS, apply

    return Verbs(
        "virtup",
        params=list(OPTIONS),
        callback=apply,
        invoke_without_command=True,
        add_help_option=False,
        context_settings={"auto_envvar_prefix": None},
    )


def main(args: list[str] | None = None) -> None:
    """Run ``virtup`` with *args* (default: the command line) and exit."""
    _fill_closed()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
    sys.exit(run(sys.argv[1:] if args is None else args))


def _fill_closed() -> None:
    """Have /dev/null stand where a standard stream is closed, so that no socket takes its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def run(args: list[str]) -> int:
    """Run ``virtup`` with *args*; its exit status."""
    as_json = "--json" in args
    try:
        status = _group().main(args, prog_name="virtup", standalone_mode=False)
    except BadUsage as exc:
        misused(str(exc), as_json=as_json)
    except click.exceptions.NoSuchOption as exc:
        misused(f"unsupported option '{exc.option_name}'. See --help.", as_json=as_json)
    except click.UsageError as exc:
        misused(exc.format_message(), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
    except BrokenPipeError:
        sys.stdout = None
    except OSError as exc:
        sys.stdout = None
        misused(f"{exc.filename or 'standard output'}: {exc.strerror}", as_json=as_json)
    else:
        return status if isinstance(status, int) else 0
    return 1

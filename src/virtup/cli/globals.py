"""The options before the verb, virsh's letters."""

from __future__ import annotations

import click

from virtup.cli.run import Settings

EXTRA_HELP = """\
    -c | --connect=URI      hypervisor connection URI
    -e | --escape <char>    set escape sequence for console
    -h | --help             this help
    -q | --quiet            quiet mode
    -r | --readonly         connect readonly
    -t | --timing           print timing information
    -v                      short version
    -V                      long version
         --version[=TYPE]   version, TYPE is short or long (default short)
         --json             print tables, records and errors as JSON
"""
"""What ``--help`` says of them."""

OPTIONS: tuple[click.Option, ...] = (
    click.Option(["-c", "--connect", "uri"], metavar="URI"),
    click.Option(["-e", "--escape", "escape"]),
    click.Option(["-h", "--help", "wants_help"], is_flag=True),
    click.Option(["-q", "--quiet", "quiet"], is_flag=True),
    click.Option(["-r", "--readonly", "readonly"], is_flag=True),
    click.Option(["-t", "--timing", "timing"], is_flag=True),
    click.Option(["-v", "short"], is_flag=True),
    click.Option(["-V", "long"], is_flag=True),
    click.Option(["--version", "version"], is_flag=False, flag_value="short"),
    click.Option(["--json", "json"], is_flag=True),
)


@click.pass_context
def apply(
    ctx: click.Context,
    /,
    *,
    wants_help: bool,
    short: bool,
    long: bool,
    version: str | None,
    uri: str | None,
    escape: str | None,
    quiet: bool,
    readonly: bool,
    timing: bool,
    json: bool,
) -> None:
    """Put the options into the Settings; print help or version where asked, and end."""
    if wants_help:
        from virtup.cli.help import of_command

        click.echo(of_command())
        ctx.exit(0)
    if long or short or version is not None:
        print_version(long=long or version == "long")
        ctx.exit(0)
    settings = ctx.ensure_object(Settings)
    settings.uri = uri
    settings.quiet = quiet
    settings.readonly = readonly
    settings.timing = timing
    settings.json = json
    if escape is not None:
        settings.escape = _escape(escape)
    if ctx.invoked_subcommand is None:
        from virtup.cli.help import of_command

        click.echo(of_command())


def print_version(*, long: bool) -> None:
    """Print virtup's version, or what it is."""
    from virtup import __version__

    if long:
        click.echo(f"Virtup command line tool {__version__}\nSpeaks the RPC of libvirt 9.0.0")
    else:
        click.echo(__version__)


def _escape(text: str) -> str:
    """Check an escape sequence: one character, or ``^`` and a character of the control set."""
    if len(text) == 1 or (len(text) == 2 and text[0] == "^" and _has_control(text[1])):
        return text
    raise click.UsageError(f"Invalid string '{text}' for escape sequence")


def _has_control(char: str) -> bool:
    return "@" <= char.upper() <= "_"

"""Help texts, in virsh's form."""

from __future__ import annotations

from textwrap import wrap

from virtup.cli.globals import EXTRA_HELP
from virtup.cli.grammar import Kind, Option
from virtup.cli.run import WIDTH
from virtup.cli.verb import FAMILIES, Verb, load

_NAME, _OPTION = 22, 15
"""The columns of a verb's name in a list, and those that options have at least."""


def of_verb(verb: Verb) -> str:
    """The help of one verb."""
    name = _hung("", f"{verb.name} - {verb.summary}", 4)
    parts = [f"  NAME\n{name}", f"  SYNOPSIS\n{_synopsis(verb)}"]
    if verb.description:
        lines = "\n".join(_hung("", line, 4) for line in verb.description.splitlines())
        parts.append(f"  DESCRIPTION\n{lines}")
    if verb.options:
        parts.append("  OPTIONS\n" + "\n".join(_options(verb)))
    return "\n\n".join(parts) + "\n"


def of_command() -> str:
    """The help of the command: options and verbs."""
    head = (
        "\nvirtup [options]... <command> [args...]\n\n  options:\n" + EXTRA_HELP + "  commands:\n"
    )
    return head + "\n" + _all_families() + _FOOT


def of_everything() -> str:
    """The list of all verbs by family."""
    return "Grouped commands:\n\n" + _all_families() + _FOOT


def of_family(keyword: str) -> str | None:
    """The list of the verbs of one family; None when there is no such family."""
    if keyword not in FAMILIES:
        return None
    return _family(keyword)


_FOOT = (
    "\n  (specify help <group> for details about the commands in the group)\n"
    "\n  (specify help <command> for details about the command)\n"
)


def _all_families() -> str:
    return "\n".join(_family(keyword) for keyword in FAMILIES)


def _family(keyword: str) -> str:
    title, verbs = FAMILIES[keyword]
    lines = [f" {title} (help keyword '{keyword}'):"]
    for name in verbs:
        verb = load(name)
        assert verb is not None, name
        lines.append(f"    {name:<{_NAME}} {verb.summary}")
    return "\n".join(lines) + "\n"


def _hung(lead: str, text: str, indent: int) -> str:
    """*text* behind *lead*, in lines of a terminal's width that begin below the first.

    A text that begins with a blank is an example, and is not broken.
    """
    if text.startswith(" "):
        return f"{' ' * indent}{text}"
    below = " " * indent
    lines = wrap(
        text,
        WIDTH,
        initial_indent=lead or below,
        subsequent_indent=below,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) or lead


def _synopsis(verb: Verb) -> str:
    """The verb with all its options; one with its value stays together."""
    usages = " ".join(_usage(option).replace(" ", "\0") for option in verb.options)
    return _hung(f"    {verb.name} ", usages, 5 + len(verb.name)).replace("\0", " ").rstrip()


def _usage(option: Option) -> str:
    if option.kind is Kind.FLAG:
        return f"[--{option.name}]"
    if option.kind is Kind.WORDS:
        return f"{{[--{option.name}] <string>}}..."
    if option.required:
        return f"<{option.name}>"
    return f"[--{option.name} <{option.kind.value}>]"


def _options(verb: Verb) -> list[str]:
    """The options with what they are for, one below the other."""
    shown = [_shown(option) for option in verb.options]
    size = max(_OPTION, *map(len, shown))
    return [
        _hung(f"    {one:<{size}}  ", option.help, 6 + size)
        for one, option in zip(shown, verb.options, strict=True)
    ]


def _shown(option: Option) -> str:
    if option.kind is Kind.FLAG:
        return f"--{option.name}"
    if option.kind is Kind.WORDS:
        return f"[--{option.name}] <string>"
    if option.required:
        return f"[--{option.name}] <{option.kind.value}>"
    return f"--{option.name} <{option.kind.value}>"

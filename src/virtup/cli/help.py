"""Help texts, in virsh's form."""

from __future__ import annotations

from virtup.cli.globals import EXTRA_HELP
from virtup.cli.grammar import Kind, Option
from virtup.cli.verb import FAMILIES, Verb, load


def of_verb(verb: Verb) -> str:
    """The help of one verb."""
    parts = [f"  NAME\n    {verb.name} - {verb.summary}", f"  SYNOPSIS\n    {_synopsis(verb)}"]
    if verb.description:
        lines = "\n".join(f"    {line}" for line in verb.description.splitlines())
        parts.append(f"  DESCRIPTION\n{lines}")
    if verb.options:
        parts.append("  OPTIONS\n" + "\n".join(_option(option) for option in verb.options))
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
        lines.append(f"    {name:<30} {verb.summary}")
    return "\n".join(lines) + "\n"


def _synopsis(verb: Verb) -> str:
    return " ".join([verb.name, *(_usage(option) for option in verb.options)])


def _usage(option: Option) -> str:
    if option.kind is Kind.FLAG:
        return f"[--{option.name}]"
    if option.kind is Kind.WORDS:
        return f"{{[--{option.name}] <string>}}..."
    if option.required:
        return f"<{option.name}>"
    return f"[--{option.name} <{option.kind.value}>]"


def _option(option: Option) -> str:
    if option.kind is Kind.FLAG:
        shown = f"--{option.name}"
    elif option.kind is Kind.WORDS:
        shown = f"[--{option.name}] <string>"
    elif option.required:
        shown = f"[--{option.name}] <{option.kind.value}>"
    else:
        shown = f"--{option.name} <{option.kind.value}>"
    return f"    {shown:<15}  {option.help}"

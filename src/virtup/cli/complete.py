"""Completion of a verb's words: option names, guests and pools of the running daemon, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from virtup.cli.grammar import Kind, Option
from virtup.cli.verb import Verb
from virtup.errors import VirtError

if TYPE_CHECKING:
    from virtup.client.connection import Connection


def words(verb: Verb, ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """What *incomplete* can become, behind the words in ``ctx.args``."""
    given = [word for word in ctx.args if word != "="]
    waiting = _waiting(verb.options, given)
    if waiting is not None:
        yield from _values(waiting, ctx, incomplete)
        return
    if incomplete.startswith("-"):
        yield from _names(verb.options, given, incomplete)
        return
    option = _positional(verb.options, given)
    if option is not None:
        yield from _values(option, ctx, incomplete)


def _waiting(options: Sequence[Option], given: Sequence[str]) -> Option | None:
    """The option whose value the next word is."""
    if not given or not given[-1].startswith("--"):
        return None
    return next(
        (o for o in options if f"--{o.name}" == given[-1] and o.kind is not Kind.FLAG), None
    )


def _names(
    options: Sequence[Option], given: Sequence[str], incomplete: str
) -> Iterator[CompletionItem]:
    for option in options:
        word = f"--{option.name}"
        if word.startswith(incomplete) and word not in given:
            yield CompletionItem(word, help=option.help)


def _positional(options: Sequence[Option], given: Sequence[str]) -> Option | None:
    """The option that the next bare word is for."""
    taken: set[str] = set()
    rest = iter(given)
    for word in rest:
        named = next((o for o in options if f"--{o.name}" == word.partition("=")[0]), None)
        if named is None:
            option = _free(options, taken)
            taken |= {option.name} if option else set()
            continue
        taken.add(named.name)
        if named.kind is not Kind.FLAG and "=" not in word:
            next(rest, None)
    return _free(options, taken)


def _free(options: Sequence[Option], taken: set[str]) -> Option | None:
    return next((o for o in options if o.positional and o.name not in taken), None)


def _values(option: Option, ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    if option.completes == "file":
        yield CompletionItem(incomplete, type="file")
        return
    known = option.completes
    if isinstance(known, str):
        sources = {
            "guest": lambda: _of_the_daemon(ctx, _guests),
            "pool": lambda: _of_the_daemon(ctx, _pools),
            "cause": _causes,
        }
        known = sources.get(known, tuple)()
    yield from (CompletionItem(name) for name in known if name.startswith(incomplete))


def _of_the_daemon(ctx: click.Context, names: Callable[[Connection], list[str]]) -> tuple[str, ...]:
    """What *names* has of the daemon; nothing when none runs: completion starts nothing."""
    from virtup.client.connection import connect

    before = ctx.parent.params if ctx.parent else {}
    try:
        with connect(before.get("uri"), readonly=True, autostart=False) as conn:
            return tuple(sorted(names(conn)))
    except VirtError:
        return ()


def _guests(conn: Connection) -> list[str]:
    from virtup.client.guests import list_all

    return [handle["name"] for handle in list_all(conn)]


def _pools(conn: Connection) -> list[str]:
    from virtup.client.pools import list_pools

    return [pool["name"] for pool in list_pools(conn)]


def _causes() -> tuple[str, ...]:
    """The codes and the names of all causes."""
    from virtup.causes.catalogue import causes

    known = causes()
    return tuple(one.code for one in known) + tuple(one.slug for one in known)

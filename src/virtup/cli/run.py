"""One run of one verb: the connection it uses, the forms in which it prints, how it fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from virtup.cli.grammar import Failure
from virtup.errors import VirtError

if TYPE_CHECKING:
    from virtup.client.connection import Connection
    from virtup.client.guests import Handle


WIDTH, LABEL = 80, 10
"""The columns of a terminal, and of what stands before the words of a labelled line."""


class Settings:
    """What the options before the verb say."""

    def __init__(self) -> None:
        self.uri: str | None = None
        self.readonly = False
        self.quiet = False
        self.json = False
        self.timing = False
        self.escape = "^]"


class Run:
    """What a verb works with; it connects when the connection is first used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.json = settings.json
        self._conn: Connection | None = None

    @property
    def conn(self) -> Connection:
        """The connection; raises Failure when there is no daemon to be had."""
        if self._conn is None:
            from virtup.client.connection import connect

            with self.trying("failed to connect to the hypervisor"):
                self._conn = connect(self.settings.uri, readonly=self.settings.readonly)
        return self._conn

    def close(self) -> None:
        """Close the connection, if one was opened."""
        if self._conn is not None:
            self._conn.close()

    @contextmanager
    def trying(self, text: str | None, *, document: str = "") -> Iterator[None]:
        """Tell *text* in front of the error with which the block fails.

        The daemon sees a document without its name: where it gives a place in it, the name of
        the file *document* is put in.
        """
        try:
            yield
        except VirtError as exc:
            if document:
                _name_document(exc, document)
            raise Failure(text, exc) from exc

    def guest(self, text: str, by: Collection[str] | None = None) -> Handle:
        """The guest that *text* names; raises Failure when there is none."""
        from virtup.client.guests import ANY, lookup

        complaint = f"failed to get domain '{text}'"
        with self.trying(complaint):
            handle = lookup(self.conn, text, ANY if by is None else by)
        if handle is None:
            raise Failure(complaint)
        return handle

    def out(self, text: str) -> None:
        """Print *text* as it is."""
        click.echo(text, nl=False)

    def line(self, text: str) -> None:
        """Print a result."""
        self.out(f"{text}\n")

    def labelled(self, label: str, words: str) -> None:
        """Print *words* behind a label, in lines of 80 columns that begin one below the other."""
        from textwrap import wrap

        clean = " ".join(words.split())
        lines = wrap(clean, WIDTH - LABEL, break_long_words=False, break_on_hyphens=False)
        for at, line in enumerate(lines or [""]):
            self.line(f"{f'{label}:' if not at else '':<{LABEL}}{line}")

    def say(self, text: str, **facts: Any) -> None:
        """Print what was done; ``--quiet`` drops it, ``--json`` prints the *facts* with it."""
        if self.json:
            self.document({**facts, "message": text})
        elif not self.settings.quiet:
            self.line(text)

    def value(self, name: str, text: str, value: Any = None) -> None:
        """Print one result; in JSON it is *value*, or the text, by *name*."""
        if self.json:
            self.document({name: text if value is None else value})
        else:
            self.line(text)

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], items: Sequence[Any]
    ) -> None:
        """Print a table, or in JSON the list of *items*; ``--quiet`` drops the header."""
        if self.json:
            self.document(list(items))
            return
        from virtup.cli.table import table

        self.out(table(header, rows, bare=self.settings.quiet))

    def document(self, value: Any, *, compact: bool = False) -> None:
        """Print *value* as JSON; *compact* on one line."""
        import json

        self.line(json.dumps(value, indent=None if compact else 2, ensure_ascii=False))

    def end(self, took_s: float) -> None:
        """Print the empty line that ends virsh's output, and the time where it is asked for."""
        if self.settings.timing and not self.json:
            self.line(f"\n(Time: {took_s * 1000:.3f} ms)\n")
        elif not (self.settings.quiet or self.json):
            self.line("")


def _name_document(exc: VirtError, document: str) -> None:
    """Put the name of a file where a place in it is told; what grows too long is wrapped anew."""
    from textwrap import TextWrapper

    def named(text: str) -> str:
        return text.replace("(<xml>, ", f"({document}, ")

    folding = TextWrapper(WIDTH, subsequent_indent=" " * LABEL, break_long_words=False)
    folding.break_on_hyphens = False
    first, *rest = exc.message.split("\n")
    folded = [folding.fill(named(line)) if "(<xml>, " in line else line for line in rest]
    exc.message = "\n".join([named(first), *folded])
    exc.findings = tuple(
        {**one, "evidence": [named(piece) for piece in one["evidence"]]} for one in exc.findings
    )

"""How errors reach a person, or with ``--json`` a program: always on stderr."""

from __future__ import annotations

from typing import Any

import click

from virtup.cli.grammar import Failure
from virtup.errors import VirtError


def failed(failure: Failure, *, as_json: bool) -> None:
    """Print what *failure* says: the act that failed, then why."""
    if as_json:
        _document(failure.text, failure.cause)
        return
    if failure.text is not None:
        complain(failure.text)
    if failure.cause is not None:
        complain(failure.cause.message)


def misused(text: str, *, as_json: bool) -> None:
    """Print that the words of the command do not fit."""
    if as_json:
        _document(text, None)
    else:
        complain(text)


def complain(text: str) -> None:
    """Print one error, as virsh does."""
    click.echo(f"error: {text}", err=True)


def warn(text: str) -> None:
    """Print on stderr what a person has to know although all went well."""
    click.echo(f"warning: {text}", err=True)


def _document(text: str | None, cause: VirtError | None) -> None:
    import json

    error: dict[str, Any] = {"message": text if text is not None else ""}
    if cause is not None:
        reason = {
            "message": cause.message,
            "code": int(cause.code),
            "code_name": cause.code.name,
            "domain": int(cause.origin),
            "findings": list(cause.findings),
        }
        error = {**error, "cause": reason} if text is not None else reason
    click.echo(json.dumps({"error": error}, indent=2, ensure_ascii=False), err=True)

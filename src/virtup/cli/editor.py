"""Editing a document in the person's own editor, until it is taken or given up."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
import termios
import tty
from collections.abc import Callable

from virtup.cli.grammar import Failure
from virtup.cli.report import failed
from virtup.cli.run import Run
from virtup.cli.verbs.documents import read
from virtup.errors import InternalError, VirtError

DEFAULT_EDITOR = "sensible-editor"
_FALLBACK = "vi"

CHANGED_MEANWHILE = "The XML configuration was changed by another user."
FAILED = "Failed."

_HELP = (
    "",
    "y - yes, start editor again",
    "n - no, throw away my changes",
    "f - force, try to redefine again",
    "? - print this help",
)


def edit(run: Run, fetch: Callable[[], str], define: Callable[[str], object]) -> bool:
    """Have a person edit what *fetch* gives and pass it to *define*; False if nothing changed.

    A document that *define* refuses is offered again on a terminal; otherwise, and when the
    person gives up, Failure is raised. What somebody else changed meanwhile is not overwritten
    without a question.
    """
    before = fetch()
    path = _temporary(before)
    try:
        _start(path)
        while (edited := read(path)) != before:
            problem, cause = FAILED, None
            now = fetch()
            if now == before:
                try:
                    define(edited)
                except VirtError as exc:
                    cause = exc
                else:
                    return True
            else:
                problem, before = CHANGED_MEANWHILE, now
            if _ask_again(run, problem, cause):
                _start(path)
        return False
    finally:
        os.unlink(path)


def editor() -> str:
    """The command of the person's editor: $VISUAL, $EDITOR, the system's."""
    from shutil import which

    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    return chosen or (DEFAULT_EDITOR if which(DEFAULT_EDITOR) else _FALLBACK)


def _temporary(text: str) -> str:
    fd, path = tempfile.mkstemp(prefix="virtup", suffix=".xml")
    with os.fdopen(fd, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    return path


def _start(path: str) -> None:
    """Run the editor on *path* and wait; raises Failure when it does not end well."""
    command = editor()
    # the command may hold options, and whatever else a shell knows
    words = ["sh", "-c", f"{command} {shlex.quote(path)}"]
    keys = (signal.SIGINT, signal.SIGQUIT)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in keys}
    try:
        pid = os.posix_spawnp(words[0], words, os.environ, setsigdef=keys)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if status:
        how = f"exit status {status}" if status > 0 else f"fatal signal {-status}"
        raise Failure(None, InternalError(f"Child process ({command} {path}) unexpected {how}"))


def _ask_again(run: Run, problem: str, cause: VirtError | None) -> bool:
    """Tell why the document was not taken; whether to edit it again, or to try it as it is.

    Raises Failure for a person who gives up, and where there is nobody to ask.
    """
    told = Failure(problem if cause is None else None, cause)
    if run.json or sys.stdin is None or not sys.stdin.isatty():
        raise told
    failed(told, as_json=False)
    key = ""
    while key not in ("y", "f"):
        run.out(f"\r{problem} Try again? [y,n,f,?]: ")
        key = _key(sys.stdin.fileno())
        if key == "?":
            run.out("".join(f"{line}\n" for line in _HELP))
        elif key in ("n", ""):
            run.line("")
            raise Failure
    run.line("")
    return key == "y"


def _key(terminal: int) -> str:
    """One key, in lower case; "" at the end of the input."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        return os.read(terminal, 1).decode("latin-1").lower()
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)

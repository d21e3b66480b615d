"""What a QEMU binary can do, asked of the binary itself; and why it could not be asked.

One QEMU without a machine is started as QEMU's user, with one end of a socket pair as its
monitor: there is no path to wait for, and a QEMU that dies is seen at once. All questions go in
one write. It is killed when the last answer is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Sequence
from typing import Any

from virtup.errors import Code, Fault, Origin, VirtError
from virtup.host import emulators, process
from virtup.host.accounts import Account
from virtup.qemu import probes
from virtup.qemu.capabilities import Capabilities, from_answers, with_cpus
from virtup.qemu.probes import Question

TIMEOUT_S = 10.0
"""How long a QEMU may take from its start to its last answer (it takes 0.1 s when well)."""

MESSAGE_MAX = 16 * 1024 * 1024
"""The longest message in bytes that is read; QEMU 10's longest is 0.25 MB."""

WORDS_MAX = 64 * 1024
_WORDS_SHOWN = 1024
_EXIT_GRACE_S = 2.0
_LIBRARY_WORDS = ("error while loading shared libraries", "Error loading shared library")

Answers = dict[Question, dict[str, Any]]


class ProbeFailed(VirtError):
    """A QEMU binary could not be asked what it can do.

    *path* is the binary. *errno* is the kernel's, when it would not run it; *status* and *signal*
    are those of its exit; *words* is what it wrote to stderr (else to stdout); *doing* is what a
    QEMU that hung was at. What does not apply is None or "".
    """

    code, origin, fault = Code.INTERNAL_ERROR, Origin.QEMU, Fault.HOST

    def __init__(
        self,
        message: str,
        *,
        path: str,
        errno: int | None = None,
        status: int | None = None,
        signal: int | None = None,
        words: str = "",
        doing: str = "",
    ) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno
        self.status = status
        self.signal = signal
        self.words = words
        self.doing = doing


class EmulatorMissing(ProbeFailed):
    """There is no such file."""

    code = Code.SYSTEM_ERROR


class EmulatorNotExecutable(ProbeFailed):
    """QEMU's user may not execute it: its mode, a directory above it, or its mount forbids it."""

    code = Code.SYSTEM_ERROR


class EmulatorForeign(ProbeFailed):
    """The kernel does not know how to run it: it is made for another machine, or no program."""

    code = Code.SYSTEM_ERROR


class EmulatorIncomplete(ProbeFailed):
    """Its loader, its interpreter or a shared library that it needs is missing."""


class EmulatorExited(ProbeFailed):
    """It ran and ended, by itself or by a signal, before it answered."""


class EmulatorHung(ProbeFailed):
    """It runs and did not answer in time; it was killed."""


class EmulatorNotQemu(ProbeFailed):
    """It runs and does not speak as a QEMU does."""


async def probe(
    emulator: str, account: Account | None, *, timeout_s: float = TIMEOUT_S
) -> Capabilities:
    """Ask *emulator* all that virtup needs to know, with KVM if it has KVM, else without.

    One QEMU is started, as *account* (None: as the daemon's user). Raises ProbeFailed, and
    UnusableQemu for a QEMU that answers what virtup cannot use.
    """
    return from_answers(await ask(emulator, probes.PROBE, account=account, timeout_s=timeout_s))


async def probe_without_kvm(
    emulator: str, account: Account | None, caps: Capabilities, *, timeout_s: float = TIMEOUT_S
) -> Capabilities:
    """Add to *caps* which CPU models *emulator* can run without KVM. Raises as `probe` does."""
    answers = await ask(
        emulator, probes.PROBE_CPUS, account=account, accelerators="tcg", timeout_s=timeout_s
    )
    return with_cpus(caps, "tcg", answers)


async def ask(
    emulator: str,
    questions: Sequence[Question],
    *,
    account: Account | None,
    accelerators: str = "kvm:tcg",
    timeout_s: float = TIMEOUT_S,
) -> Answers:
    """Put *questions* to a new QEMU and return its messages. Raises ProbeFailed."""
    ours, theirs = socket.socketpair()
    tasks: list[asyncio.Task[Any]] = []
    try:
        running = asyncio.create_task(
            process.run(
                _argv(emulator, accelerators, theirs.fileno()),
                timeout_s=timeout_s,
                account=account,
                pass_fds=(theirs.fileno(),),
                limit_bytes=WORDS_MAX,
            )
        )
        tasks.append(running)
        await asyncio.sleep(0)  # its first step starts the program, or fails
        theirs.close()
        talking = asyncio.create_task(_converse(ours, questions))
        tasks.append(talking)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if talking.done() and talking.exception() is None:
            return talking.result()
        if talking.done() and isinstance(talking.exception(), EOFError):
            # a QEMU that goes closes its socket a moment before it is gone
            await asyncio.wait({running}, timeout=_EXIT_GRACE_S)
        raise await _failure(emulator, running, talking)
    finally:
        theirs.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ours.close()


def _argv(emulator: str, accelerators: str, fd: int) -> list[str]:
    return [
        emulator,
        "-S",
        "-no-user-config",
        "-nodefaults",
        "-display",
        "none",
        "-machine",
        f"none,accel={accelerators}",
        "-chardev",
        f"socket,id=probe,fd={fd}",
        "-mon",
        "chardev=probe,mode=control",
    ]


class _NotQmp(ValueError):
    """Something else than QMP came; its text quotes what."""


async def _converse(ours: socket.socket, questions: Sequence[Question]) -> Answers:
    """Return the messages to all questions. Raises EOFError when closed, _NotQmp for garbage."""
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MESSAGE_MAX)
    try:
        if "QMP" not in await _message(reader):
            raise _NotQmp("its first message is no QMP greeting")
        commands = [{"execute": "qmp_capabilities", "id": -1}]
        commands += [question.command(number) for number, question in enumerate(questions)]
        writer.write(b"".join(json.dumps(command).encode() + b"\n" for command in commands))
        answers: Answers = {}
        while len(answers) < len(questions):
            message = await _message(reader)
            number = message.get("id")
            if isinstance(number, int) and 0 <= number < len(questions):
                answers[questions[number]] = message
            elif "event" not in message and number != -1:
                raise _NotQmp(f"it answered what was not asked: {str(message)[:200]}")
        return answers
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _message(reader: asyncio.StreamReader) -> dict[str, Any]:
    try:
        line = await reader.readline()
    except ConnectionResetError as exc:
        raise EOFError from exc
    except ValueError as exc:  # asyncio's word for a line beyond the limit
        raise _NotQmp(f"it sent more than {MESSAGE_MAX} bytes in one message") from exc
    if not line.endswith(b"\n"):
        if line:
            raise _NotQmp(f"it sent {line[:200]!r} and closed its monitor")
        raise EOFError
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise _NotQmp(f"it sent {line[:200]!r}") from exc
    if not isinstance(message, dict):
        raise _NotQmp(f"it sent {line[:200]!r}")
    return message


async def _failure(
    emulator: str, running: asyncio.Task[process.Ran], talking: asyncio.Task[Answers]
) -> VirtError:
    """Return what went wrong, told apart by what is known now."""
    said = talking.exception() if talking.done() else None
    if not running.done():
        what = "it closed its monitor and runs on" if isinstance(said, EOFError) else str(said)
        return EmulatorNotQemu(_failed(emulator, what), path=emulator)
    error = running.exception()
    if isinstance(error, process.SpawnError):
        return not_run(emulator, error)
    if isinstance(error, process.RunTimeout):
        return _hung(emulator, error)
    if error is not None:
        raise error
    ran = running.result()
    if said is not None and not isinstance(said, EOFError):
        words = _words(ran)
        return EmulatorNotQemu(_failed(emulator, str(said)), path=emulator, words=words)
    return _exited(emulator, ran)


def not_run(emulator: str, error: OSError) -> ProbeFailed:
    """Return what it means that the kernel refused to run *emulator* with *error*."""
    number, text = error.errno, error.strerror
    kind: type[ProbeFailed] = ProbeFailed
    message = f"Cannot run QEMU binary '{emulator}': {text}"
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        if _is_there(emulator):
            kind = EmulatorIncomplete
            message = (
                f"Cannot run QEMU binary '{emulator}': the file exists, "
                "and the loader or interpreter that it names does not"
            )
        else:
            kind = EmulatorMissing
            message = f"Cannot check QEMU binary '{emulator}': {text}"
    elif number in (errno.EACCES, errno.EISDIR, errno.ETXTBSY):
        kind = EmulatorNotExecutable
    elif number == errno.ENOEXEC:
        kind = EmulatorForeign
        message = (
            f"Cannot run QEMU binary '{emulator}': {text}: "
            "it is made for another machine, or it is no program"
        )
    elif number == errno.ELIBBAD:
        kind = EmulatorIncomplete
    return kind(message, path=emulator, errno=number)


def _is_there(path: str) -> bool:
    try:
        emulators.identify(path)
    except OSError:
        return False
    return True


def _exited(emulator: str, ran: process.Ran) -> ProbeFailed:
    words = _words(ran)
    kind: type[ProbeFailed] = EmulatorExited
    if ran.exit.status == 127 and any(known in words for known in _LIBRARY_WORDS):
        kind = EmulatorIncomplete
    elif ran.exit.status == 0:
        kind = EmulatorNotQemu
    shown = words[-_WORDS_SHOWN:] or "it said nothing"
    return kind(
        _failed(emulator, f"{ran.exit}: {shown}"),
        path=emulator,
        status=ran.exit.status,
        signal=ran.exit.signal,
        words=words,
    )


def _hung(emulator: str, error: process.RunTimeout) -> EmulatorHung:
    words = error.stderr.decode(errors="replace").strip()
    said = f"; it said: {words[-_WORDS_SHOWN:]}" if words else ""
    return EmulatorHung(
        _failed(emulator, f"it did not answer in time and was {error.doing}{said}"),
        path=emulator,
        words=words,
        doing=error.doing,
    )


def _failed(emulator: str, what: str) -> str:
    return f"internal error: Failed to start QEMU binary '{emulator}' for probing: {what}"


def _words(ran: process.Ran) -> str:
    return (ran.stderr.strip() or ran.stdout.strip()).decode(errors="replace")

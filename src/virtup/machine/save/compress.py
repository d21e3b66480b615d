"""Programs between QEMU and the file: what compresses a saved guest, and what gives it back.

They run as libvirt runs them (``PROGRAM -c``, ``PROGRAM -dc``), so that images pass between both.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from virtup.errors import ConfigUnsupported, OperationFailed
from virtup.host import pipes
from virtup.host.process import Process, SpawnError, spawn
from virtup.machine.save.stream import StreamFailed
from virtup.model.save_format import Format

SIGPIPE = 13

PROGRAMS = {
    Format.GZIP: "gzip",
    Format.BZIP2: "bzip2",
    Format.XZ: "xz",
    Format.LZOP: "lzop",
    Format.ZSTD: "zstd",
}

_EXTRA = {
    (Format.XZ, "-c"): ("-3",),
    (Format.LZOP, "-dc"): ("--ignore-warn",),
    (Format.ZSTD, "-c"): ("-T0", "-q"),
    (Format.ZSTD, "-dc"): ("-q",),
}

NAMES = {format.name.lower(): format for format in Format}
"""What the setting ``save_image_format`` may be."""


def format_of(name: str) -> Format:
    """Return the format of a setting's word; raises ConfigUnsupported naming the accepted ones."""
    try:
        return NAMES[name]
    except KeyError:
        known = ", ".join(NAMES)
        raise ConfigUnsupported(
            f"save_image_format '{name}' is not known; accepted are {known}"
        ) from None


@dataclass
class Filter:
    """A running program: ``end`` is the end of a pipe that is QEMU's; ``words`` of its own.

    ``feeding`` gives it its part of a file.
    """

    program: str
    process: Process
    end: int
    words: int
    feeding: asyncio.Task[None] | None = None

    def close_end(self) -> None:
        """Close our copy of the pipe's end, after QEMU has its own; twice is harmless."""
        end, self.end = self.end, -1
        pipes.close(end)

    async def finish(self) -> None:
        """Close our end and wait for the program's; StreamFailed, in its words, if it failed.

        One that failed because QEMU went first says nothing of its own.
        """
        self.close_end()
        ended = await self.process.wait()
        said = self._last_words()
        await self._fed()
        if ended.signal == SIGPIPE or "Broken pipe" in said:
            return
        if ended.status != 0:
            raise StreamFailed(f"'{self.program}' failed: {said or ended}")

    async def kill(self) -> None:
        """End it now."""
        self.close_end()
        self.process.kill(9)
        await self.process.wait()
        self._last_words()
        await self._fed()

    async def _fed(self) -> None:
        try:
            if self.feeding is not None:
                await self.feeding
        except OSError as error:
            raise StreamFailed(f"the image cannot be read: {error.strerror}") from error

    def _last_words(self) -> str:
        words, self.words = self.words, -1
        said = pipes.drain(words)
        pipes.close(words)
        return " ".join(said.decode(errors="replace").split())


def compressor(format: Format, file: int) -> Filter:
    """Start the program that compresses what is written to its ``end`` into *file*."""
    read_end, write_end = pipes.make()
    return _start(format, "-c", stdin=read_end, stdout=file, ours=write_end, theirs=read_end)


def decompressor(format: Format, file: int, length: int) -> Filter:
    """Start the program that gives *length* bytes of *file* decompressed at its ``end``.

    They begin at the file's offset. What is behind them is none of the program's business.
    """
    read_end, write_end = pipes.make()
    fed, feed = pipes.make()
    try:
        made = _start(format, "-dc", stdin=fed, stdout=write_end, ours=read_end, theirs=write_end)
    except OperationFailed:
        pipes.close(feed)
        raise
    finally:
        pipes.close(fed)
    made.feeding = asyncio.ensure_future(asyncio.to_thread(pipes.pour, file, length, feed))
    return made


def _start(format: Format, mode: str, *, stdin: int, stdout: int, ours: int, theirs: int) -> Filter:
    program = PROGRAMS[format]
    words, said = pipes.make()
    try:
        process = spawn(
            [program, mode, *_EXTRA.get((format, mode), ())],
            {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
            stdin=stdin,
            stdout=stdout,
            stderr=said,
        )
    except SpawnError as error:
        pipes.close(ours)
        pipes.close(words)
        raise OperationFailed(
            f"'{program}', which {format.name.lower()} images need, cannot be run: {error.strerror}"
        ) from error
    finally:
        pipes.close(theirs)
        pipes.close(said)
    return Filter(program, process, ours, words)

"""domjobabort, domjobinfo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.cli.grammar import flag, guest
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.wire.typed import from_params

COMPLETED, KEEP_COMPLETED = 1, 2
"""``virDomainGetJobStatsFlags``."""
POSTCOPY = 1
"""``virDomainAbortJobFlagsValues``."""

NONE, BOUNDED, UNBOUNDED, DONE = 0, 1, 2, 3
TYPES = ("None", "Bounded", "Unbounded", "Completed", "Failed", "Cancelled")
"""The words for ``virDomainJobType``."""
OPERATIONS = (
    "Unknown",
    "Start",
    "Save",
    "Restore",
    "Incoming migration",
    "Outgoing migration",
    "Snapshot",
    "Snapshot revert",
    "Dump",
    "Backup",
    "Snapshot delete",
)
"""The words for ``virDomainJobOperation``."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SIZES = (("Data", "data"), ("Memory", "memory"), ("File", "disk"))
_PLAIN = (
    ("Dirty rate:", "memory_dirty_rate", "{:<12} pages/s"),
    ("Page size:", "memory_page_size", "{:<12} bytes"),
    ("Iteration:", "memory_iteration", "{:<12}"),
    ("Postcopy requests:", "memory_postcopy_requests", "{:<12}"),
)
_PAGES = (
    ("Constant pages:", "memory_constant", "{:<12}"),
    ("Normal pages:", "memory_normal", "{:<12}"),
    ("Normal data:", "memory_normal_bytes", ""),
)
_REST = (
    ("Downtime w/o network:", "downtime_net", "{:<12} ms"),
    ("Setup time:", "setup_time", "{:<12} ms"),
    ("Compression cache:", "compression_cache", ""),
    ("Compressed data:", "compression_bytes", ""),
    ("Compressed pages:", "compression_pages", "{:<13}"),
    ("Compression cache misses:", "compression_cache_misses", "{:<13}"),
    ("Compression overflows:", "compression_overflow", "{:<13}"),
    ("Auto converge throttle:", "auto_converge_throttle", "{:<13}"),
    ("Temporary disk space use:", "disk_temp_used", ""),
    ("Temporary disk space total:", "disk_temp_total", ""),
    ("Error message:", "errmsg", "{}"),
)
"""Labels, parameters and the forms of their values; no form is a size in bytes."""


@verb(
    "domjobinfo",
    "tell how far the job of a domain is",
    guest(),
    flag("completed", "of the job that ended last, once"),
    flag("keep-completed", "let the next one ask for it, too"),
    flag("anystats", "also of a job that failed"),
    flag("rawstats", "all that is known, as it comes"),
)
def domjobinfo(
    run: Run, *, domain: str, completed: bool, keep_completed: bool, anystats: bool, rawstats: bool
) -> None:
    """Print the statistics of a guest's job."""
    handle = run.guest(domain)
    flags = (COMPLETED if completed else 0) | (KEEP_COMPLETED if keep_completed else 0)
    reply = run.conn.call("DOMAIN_GET_JOB_STATS", dom=handle, flags=flags)
    kind, params = reply["type"], from_params(reply["params"])
    if run.json:
        run.document({"type": _word(TYPES, kind), **params})
    elif rawstats:
        run.line(f"Job type: {kind}\n")
        run.out("".join(f"{name}: {_raw(value)}\n" for name, value in params.items()))
    else:
        run.out("".join(_lines(kind, params, failed_too=anystats)))


@verb(
    "domjobabort",
    "abort the job of a domain",
    guest(),
    flag("postcopy", "interrupt a post-copy migration"),
    description="A save that is aborted leaves the domain running and nothing behind.",
)
def domjobabort(run: Run, *, domain: str, postcopy: bool) -> None:
    """Abort what a guest is doing."""
    handle = run.guest(domain)
    if postcopy:
        run.conn.call("DOMAIN_ABORT_JOB_FLAGS", dom=handle, flags=POSTCOPY)
    else:
        run.conn.call("DOMAIN_ABORT_JOB", dom=handle)


def _lines(kind: int, params: dict[str, Any], *, failed_too: bool) -> Iterator[str]:
    """The lines of ``domjobinfo``; of a job that ended badly only the first, unless asked for."""
    yield _line("Job type:", f"{_word(TYPES, kind):<12}")
    if kind == NONE or (kind not in (BOUNDED, UNBOUNDED, DONE) and not failed_too):
        return
    yield _line("Operation:", f"{_word(OPERATIONS, params.get('operation', 0)):<12}")
    yield _line("Time elapsed:", f"{params.get('time_elapsed', 0):<12} ms")
    yield from _known(params, ("Time elapsed w/o network:", "time_elapsed_net", "{:<12} ms"))
    if kind == BOUNDED:
        yield _line("Time remaining:", f"{params.get('time_remaining', 0):<12} ms")
    for label, name in _SIZES:
        yield from _amounts(params, label, name)
        if name == "memory":
            yield from _known(params, *_PLAIN)
    downtime = "Total downtime:" if kind == DONE else "Expected downtime:"
    yield from _known(params, *_PAGES, (downtime, "downtime", "{:<12} ms"), *_REST)


def _amounts(params: dict[str, Any], label: str, name: str) -> Iterator[str]:
    """How much was done, is left and is there at all, where there is anything."""
    parts = [
        (part, params.get(f"{name}_{part}", 0)) for part in ("processed", "remaining", "total")
    ]
    if not any(value for _, value in parts):
        return
    for part, value in parts:
        yield _line(f"{label} {part}:", _size(value))
    speed = params.get(f"{name}_bps")
    if speed is not None:
        yield _line(f"{label} bandwidth:", f"{_size(speed)}/s")


def _known(params: dict[str, Any], *rows: tuple[str, str, str]) -> Iterator[str]:
    for label, name, form in rows:
        value = params.get(name)
        if value is not None:
            yield _line(label, form.format(value) if form else _size(value))


def _line(label: str, value: str) -> str:
    return f"{label:<17} {value}\n"


def _size(value: float) -> str:
    """A number of bytes with three decimals and its unit, as virsh has it."""
    power = 0
    while value >= 1024 and power < len(_UNITS) - 1:
        value, power = value / 1024, power + 1
    return f"{value:.3f} {_UNITS[power]}"


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if 0 <= number < len(words) else "unknown"


def _raw(value: Any) -> str:
    return str(int(value) if isinstance(value, bool) else value)

"""Messages that many causes share and none is told by: what they mean, and where the cause stands.

Whoever finds one of them on an old page or in a log is told what happened, what to read next, and
what it mostly comes from. A message that names its cause is a string of that cause's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from virtup.causes.finding import Fix

QEMU_LOG = "/var/log/libvirt/qemu/NAME.log"


@dataclass(frozen=True, slots=True)
class Symptom:
    """A message without its cause: the words it goes by, what they mean, what to look at.

    ``usual`` are slugs of causes that bring it, the most frequent first.
    """

    messages: tuple[str, ...]
    words: re.Pattern[str]
    meaning: str
    look: Fix
    usual: tuple[str, ...] = ()


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


SYMPTOMS = (
    Symptom(
        (
            "monitor socket did not show up",
            "process exited while connecting to monitor",
            "early end of file from monitor, possible problem",
            "qemu unexpectedly closed the monitor",
            "Unable to read from monitor: Connection reset by peer",
            "internal error: child process quit during startup handshake",
        ),
        _words(
            r"monitor socket did not show up|exited while (?:connecting to|reading console)"
            r"|early end of file from monitor|closed the monitor|quit during \w*\s?handshake"
            r"|(?:unable to|cannot) (?:read from|write to|connect to) monitor"
        ),
        "QEMU ended before it could be managed; the message does not say why.",
        Fix("read QEMU's own words", (f"virtup diagnose --log {QEMU_LOG}",)),
        (
            "disk-dac-parent-dir",
            "disk-dac-file-mode",
            "disk-apparmor-denied",
            "disk-write-lock",
            "kernel-file-unreadable",
            "kvm-device-permission",
            "machine-type-unsupported",
            "qemu-device-not-built",
            "mem-hugepages-short",
            "gfx-port-in-use",
            "vfio-group-not-viable",
            "qemu-hangs",
            "qemu-crashed",
        ),
    ),
    Symptom(
        (
            "End of file while reading data: Input/output error",
            "Cannot recv data: Connection reset by peer",
            "Cannot write data: Broken pipe",
        ),
        _words(
            r"end of file while reading data|(?:cannot|unable to) (?:recv|write|read) data"
            r"|client socket is closed|connection (?:was )?closed by (?:the )?(?:peer|client)"
        ),
        "A connection between a client and the daemon ended; it is noise unless the daemon died.",
        Fix("see whether the daemon ended then", ("journalctl -b -u libvirtd -u virtqemud",)),
        ("daemon-not-running",),
    ),
    Symptom(
        ("Failed to start domain", "Error starting domain", "Unable to complete install"),
        _words(
            r"(?:failed to start|error starting|failed to create) domain|unable to complete install"
            r"|starten der domain|start failed"
        ),
        "A start failed, and the message does not say why.",
        Fix("diagnose all that was said", (f"virtup diagnose --error FILE --log {QEMU_LOG}",)),
    ),
    Symptom(
        ("load of migration failed: Input/output error", "Error -22 while loading VM state"),
        _words(r"load of migration failed|error -\d+ while loading vm state"),
        "QEMU could not load the saved state; the lines before this one say what of it.",
        Fix("read the lines before it", (f"virtup diagnose --log {QEMU_LOG}",)),
        (
            "restore-device-state-mismatch",
            "restore-device-set-changed",
            "restore-machine-type-mismatch",
            "restore-image-cut",
        ),
    ),
    Symptom(
        ("shutting down, reason=failed", "terminating on signal 15 from pid"),
        _words(r"shutting down, reason=(?:failed|crashed)|terminating on signal \d+"),
        "The manager ended QEMU, or saw it end; the log does not say why.",
        Fix("read what the manager said", ("journalctl -b -u libvirtd -u virtqemud",)),
    ),
)


def symptoms(lines: Sequence[str]) -> Iterator[Symptom]:
    """Yield the symptoms that *lines* show, in their order."""
    for symptom in SYMPTOMS:
        if any(symptom.words.search(line) for line in lines):
            yield symptom


def is_symptom(line: str) -> bool:
    """Does *line* say no more than that something failed?"""
    return any(symptom.words.search(line) for symptom in SYMPTOMS)

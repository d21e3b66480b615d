"""What security modules logged and how files are labelled."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

from virtup.host.evidence import hostfs, kernel
from virtup.model.probe_system import (
    Denials,
    DenialsFact,
    KernelSays,
    KernelSaysFact,
    Label,
    LabelFact,
)

AUDIT_LOG = "/var/log/audit/audit.log"
AUDIT_BYTES = 1 << 20
LINES_MAX = 4
_REFUSAL = re.compile(r'apparmor="DENIED"|avc:\s+denied|type=(?:AVC|SECCOMP)\b|type=1326\b')
_AUDIT_TIME = re.compile(r"\baudit\((\d+)\.\d+:\d+\)")
_REMEMBERED = ("dac", "selinux")
_REFERENCES = "trusted.libvirt.security.ref_{}"


def denials(probe: Denials) -> DenialsFact:
    """Return the refusals that name one of the words, from the kernel's log and the audit log."""
    since = time.time() - probe.within_s
    readable, found = False, []
    for lines in (kernel.records(), _audit()):
        if lines is None:
            continue
        readable = True
        for when, line in lines:
            if _REFUSAL.search(line) and _names(line, probe.words) and (not when or when >= since):
                found.append(line)
    return DenialsFact(readable, tuple(dict.fromkeys(found))[-LINES_MAX:])


def kernel_says(probe: KernelSays) -> KernelSaysFact:
    """Return the lines of the kernel's log that hold one of the words."""
    lines = kernel.records()
    if lines is None:
        return KernelSaysFact()
    words = [word.lower() for word in probe.words]
    found = [line for _, line in lines if any(word in line.lower() for word in words)]
    return KernelSaysFact(True, tuple(found[-LINES_MAX:]))


def label(probe: Label) -> LabelFact:
    """Return the file's label and what libvirt remembers with it."""
    path = hostfs.at(probe.path)
    if not os.path.exists(path):
        return LabelFact()
    info = os.stat(path)
    remembered = []
    for model in _REMEMBERED:
        count = _attribute(path, _REFERENCES.format(model))
        if count.isdigit() and int(count):
            remembered.append((model, int(count)))
    owner = f"{info.st_uid}:{info.st_gid}"
    return LabelFact(True, _attribute(path, "security.selinux"), owner, tuple(remembered))


def _names(line: str, words: tuple[str, ...]) -> bool:
    """Does the line hold one of the words whole?  Paths in it may be in hex (auditd's own way)."""
    return any(
        re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", line)
        or word.encode().hex().upper() in line
        for word in words
        if word
    )


def _audit() -> list[tuple[float, str]] | None:
    path = hostfs.at(AUDIT_LOG)
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - AUDIT_BYTES))
            text = file.read(AUDIT_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    return list(_timed(text.splitlines()))


def _timed(lines: list[str]) -> Iterator[tuple[float, str]]:
    for line in lines:
        stamp = _AUDIT_TIME.search(line)
        yield float(stamp[1]) if stamp else 0.0, line


def _attribute(path: str, name: str) -> str:
    try:
        return os.getxattr(path, name).rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return ""

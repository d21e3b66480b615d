"""The files below an image, by the images' own headers.

QEMU opens what an image's header names, so QEMU's user must be able to read it. Headers of qcow2,
qcow and QED are read, a few tens of microseconds each; a chain of another format is spelled out
in the definition. A raw image has nothing below it, whatever it contains: a guest can write into
it what it likes.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass

from virtup.host.evidence import images

log = logging.getLogger(__name__)

CHAIN_MAX = 64
FORMATS = ("qcow2", "qcow", "qed")
"""The formats whose headers are followed."""


@dataclass(frozen=True, slots=True)
class Below:
    """One file that an image's header names; ``data`` when it holds the image's own data."""

    path: str
    data: bool = False


def below(path: str, format: str) -> tuple[Below, ...]:
    """Return the files that the image at *path* stands on, the nearest first.

    Ends where a header cannot be read, names what is no file of this host, or names an image
    without its format that has none of its own: such a file is taken for raw, and it could be any
    file of the host, so it is not for a header alone to ask for it.
    """
    found: list[Below] = []
    seen = {os.path.realpath(path)}
    while format in FORMATS and len(found) < CHAIN_MAX:
        try:
            header = images.read_header(path)
        except (OSError, ValueError) as error:
            log.info("the header of '%s' is not read: %s", path, error)
            break
        if header.format != format:
            break
        folder = os.path.dirname(path)
        if header.data_file:
            found.append(Below(os.path.join(folder, header.data_file), data=True))
        name, format = _named(header.backing, header.backing_format)
        path = os.path.join(folder, name)
        real = os.path.realpath(path)
        if not name or real in seen:
            break
        seen.add(real)
        if not format:
            format = _format(path)
            if format == "raw":
                log.warning("'%s' is not handed over: the image above tells no format of it", path)
                break
        found.append(Below(path))
    return tuple(found)


def _named(name: str, format: str) -> tuple[str, str]:
    """Return path and format of what a header calls *name*; no path for what is no local file."""
    if name.startswith("json:"):
        return _from_json(name.removeprefix("json:"), format)
    if name.startswith("file:"):
        return name.removeprefix("file:"), format
    return ("", format) if ":" in name.split("/", 1)[0] else (name, format)


def _from_json(text: str, format: str) -> tuple[str, str]:
    try:
        node = json.loads(text)
    except ValueError:
        return "", format
    if not isinstance(node, dict):
        return "", format
    driver = node.get("driver", format)
    inner = node.get("file")
    named = inner.get("filename") if isinstance(inner, dict) else node.get("file.filename")
    if driver in ("file", "host_device"):
        named, driver = node.get("filename"), format or "raw"
    protocol = inner.get("driver", "file") if isinstance(inner, dict) else "file"
    if not isinstance(named, str) or not isinstance(driver, str):
        return "", format
    return (named if protocol in ("file", "host_device") else "", driver)


def _format(path: str) -> str:
    try:
        return images.read_header(path).format
    except (OSError, ValueError):
        return "raw"

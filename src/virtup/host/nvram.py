"""The file in which a guest's firmware keeps its variables: made from a template, and removed."""

from __future__ import annotations

import contextlib
import os
import shutil

from virtup.host.evidence import content
from virtup.model.probe_files import Firmware


def template_of(loader: str) -> str:
    """Return the template that an installed firmware descriptor names for *loader*, or ""."""
    for one in content.firmware(Firmware()).descriptors:
        if one.executable == loader and one.template:
            return one.template
    return ""


def make(path: str, template: str) -> None:
    """Copy *template* to *path*, durably and whole or not at all; mode 0600, the caller's.

    Raises OSError, whose ``filename`` is what could not be used.
    """
    part = f"{path}.virtup-part"
    with open(template, "rb") as source:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(part, flags, 0o600), "wb") as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
            os.rename(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(part)
            raise OSError(error.errno, error.strerror, path) from error


def is_there(path: str) -> bool:
    """Whether there is something at *path*, be it a link to nothing."""
    return os.path.lexists(path)


def remove(path: str) -> None:
    """Remove the file at *path*; one that is gone is no error."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)

"""How a repair may come out other than done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from virtup.errors import Code, Fault, VirtError

State = dict[str, Any]
"""What was seen of the host, as JSON-ready data: what is needed to bring it back."""


class CannotRepair(VirtError):
    """The repair cannot be done, or not taken back, on this host; nothing was changed."""

    code, fault = Code.OPERATION_FAILED, Fault.HOST


class NotNeeded(CannotRepair):
    """What the repair is to bring about is so already."""


class ChangedSince(CannotRepair):
    """Somebody else changed what a repair had made: it is left as they made it."""


@contextmanager
def refused_as_one_sentence(what: str) -> Iterator[None]:
    """Turn what the kernel refuses in the block into CannotRepair: *what*, then its reason."""
    try:
        yield
    except OSError as error:
        raise CannotRepair(f"cannot {what}: {error.strerror or error}") from error

"""What handlers and events put on the wire alike."""

from __future__ import annotations

from typing import Any

from virtup.machine.events import DomainRef


def domain_body(ref: DomainRef) -> dict[str, Any]:
    """A guest's handle, ``remote_nonnull_domain``."""
    return {"name": ref.name, "uuid": ref.uuid, "id": ref.id}

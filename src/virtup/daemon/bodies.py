"""What handlers and events put on the wire alike."""

from __future__ import annotations

from typing import Any

from virtup.machine.events import DomainRef, PoolRef


def domain_body(ref: DomainRef) -> dict[str, Any]:
    """A guest's handle, ``remote_nonnull_domain``."""
    return {"name": ref.name, "uuid": ref.uuid, "id": ref.id}


def pool_body(ref: PoolRef) -> dict[str, Any]:
    """A storage pool's handle, ``remote_nonnull_storage_pool``."""
    return {"name": ref.name, "uuid": ref.uuid}

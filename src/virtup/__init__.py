"""virtup starts QEMU guests from libvirt domain XML, and says why one does not start.

    import virtup

    with virtup.connect() as conn:
        try:
            conn.call("DOMAIN_CREATE_XML", xml_desc=text, flags=0)
        except virtup.VirtError as error:
            print(error.findings[0]["sentence"])

``virtup.client.aio.connect`` is the same for asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtup.client.connection import Connection, connect
    from virtup.errors import VirtError

__version__ = "0.1.0"
__all__ = ["Connection", "VirtError", "__version__", "connect"]

_FROM = {
    "Connection": "virtup.client.connection",
    "connect": "virtup.client.connection",
    "VirtError": "virtup.errors",
}


def __getattr__(name: str) -> object:
    """Import what stands elsewhere when it is asked for: the daemon needs none of it."""
    import importlib

    if name not in _FROM:
        raise AttributeError(f"module 'virtup' has no attribute '{name}'")
    return getattr(importlib.import_module(_FROM[name]), name)

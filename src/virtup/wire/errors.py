"""Errors as libvirt's error body, and back."""

from __future__ import annotations

from typing import Any

from virtup.errors import Code, Origin, VirtError

LEVEL_ERROR = 2
"""libvirt's level of an error, as against a warning (1)."""

_MESSAGE_BYTES_MAX = 65536


def error_body(error: VirtError) -> dict[str, Any]:
    """The body (``virNetMessageError``) that tells a client of *error*.

    The message is cut to 64 KiB; the whole of it is in the daemon's log. Bytes that are no text
    are escaped.
    """
    raw = error.message.replace("\0", "\\0").encode("utf-8", "backslashreplace")
    text = raw[:_MESSAGE_BYTES_MAX].decode("utf-8", "ignore")
    return {
        "code": int(error.code),
        "domain": int(error.origin),
        "message": text,
        "level": LEVEL_ERROR,
        "dom": None,
        "str1": text,
        "str2": None,
        "str3": None,
        "int1": -1,
        "int2": -1,
        "net": None,
    }


def error_from_body(body: dict[str, Any]) -> VirtError:
    """The error that a ``virNetMessageError`` body tells of, with its code and origin."""
    code = Code(body["code"])
    return VirtError(
        body["message"] or f"error {int(code)} without a message",
        code=code,
        origin=Origin(body["domain"]),
    )

"""Errors as libvirt's error body, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from virtup.errors import Code, Origin, VirtError

LEVEL_ERROR = 2
"""libvirt's level of an error, as against a warning (1)."""

_MESSAGE_BYTES_MAX = 65536


def error_body(error: VirtError) -> dict[str, Any]:
    """The body (``virNetMessageError``) that tells a client of *error*.

    The message is cut to 64 KiB; the whole of it is in the daemon's log. Bytes that are no text
    are escaped. The findings travel as JSON in ``str3``, which stock clients do not show: as
    many of them, best first, as 64 KiB hold.
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
        "str3": _findings(error.findings),
        "int1": -1,
        "int2": -1,
        "net": None,
    }


def _findings(findings: Sequence[dict[str, Any]]) -> str | None:
    import json

    for count in range(len(findings), 0, -1):
        text = json.dumps({"findings": findings[:count]})
        if len(text) <= _MESSAGE_BYTES_MAX:
            return text
    return None


def _findings_in(text: str | None) -> tuple[dict[str, Any], ...]:
    """Return the findings in ``str3``; none when another daemon put something else there."""
    if not text or not text.startswith('{"findings": ['):
        return ()
    import json

    try:
        told = json.loads(text)["findings"]
    except (ValueError, RecursionError):
        return ()
    return tuple(one for one in told if isinstance(one, dict))


def error_from_body(body: dict[str, Any]) -> VirtError:
    """The error that a ``virNetMessageError`` body tells of: code, origin, and virtup's findings."""
    code = Code(body["code"])
    return VirtError(
        body["message"] or f"error {int(code)} without a message",
        code=code,
        origin=Origin(body["domain"]),
        findings=_findings_in(body["str3"]),
    )

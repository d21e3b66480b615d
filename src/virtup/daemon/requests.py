"""Requests and replies of virtup's own program: JSON texts, checked before anything is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from virtup.daemon.registry import Args, Reply
from virtup.errors import InvalidArgument


def request(args: Args) -> dict[str, Any]:
    """Return what a client asks. Raises InvalidArgument for what is not a JSON object."""
    try:
        found = json.loads(args["request"] or "{}")
    except (ValueError, RecursionError) as exc:
        raise InvalidArgument(f"the request is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise InvalidArgument("the request is not a JSON object")
    return found


def domain(asked: Mapping[str, Any]) -> str:
    """Return the name or UUID of the guest that a request is about; raises InvalidArgument."""
    name = asked.get("domain")
    if not isinstance(name, str) or not name:
        raise InvalidArgument("the request has no 'domain', a guest's name or UUID")
    return name


def reply(value: Any) -> Reply:
    """Return *value* as the reply."""
    return {"reply": json.dumps(value)}

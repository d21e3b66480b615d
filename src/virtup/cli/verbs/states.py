"""The words for states and their reasons, as virsh prints them."""

from __future__ import annotations

RUNNING, PAUSED, SHUT_OFF = 1, 3, 5
"""States (``virDomainState``) that verbs ask about."""

STATES = (
    "no state",
    "running",
    "idle",
    "paused",
    "in shutdown",
    "shut off",
    "crashed",
    "pmsuspended",
)

REASONS = (
    ("unknown",),
    (
        "unknown",
        "booted",
        "migrated",
        "restored",
        "from snapshot",
        "unpaused",
        "migration canceled",
        "save canceled",
        "event wakeup",
        "crashed",
        "post-copy",
        "post-copy failed",
    ),
    ("unknown",),
    (
        "unknown",
        "user",
        "migrating",
        "saving",
        "dumping",
        "I/O error",
        "watchdog",
        "from snapshot",
        "shutting down",
        "creating snapshot",
        "crashed",
        "starting up",
        "post-copy",
        "post-copy failed",
        "api error",
    ),
    ("unknown", "user"),
    (
        "unknown",
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from snapshot",
        "daemon",
    ),
    ("unknown", "panicked"),
    ("unknown",),
)
"""By state, the words for its reasons."""


def state_word(state: int) -> str:
    """The word for a state; "no state" for one that is not known."""
    return STATES[state] if 0 <= state < len(STATES) else "no state"


def reason_word(state: int, reason: int) -> str:
    """The words for the reason of a state; "unknown" for one that is not known."""
    known = REASONS[state] if 0 <= state < len(REASONS) else ()
    return known[reason] if 0 <= reason < len(known) else "unknown"

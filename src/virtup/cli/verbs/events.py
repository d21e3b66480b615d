"""The kinds of events and the words in which virsh tells of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

EVENTS = (
    "lifecycle",
    "reboot",
    "rtc-change",
    "watchdog",
    "io-error",
    "graphics",
    "io-error-reason",
    "control-error",
    "block-job",
    "disk-change",
    "tray-change",
    "pm-wakeup",
    "pm-suspend",
    "balloon-change",
    "pm-suspend-disk",
    "device-removed",
    "block-job-2",
    "tunable",
    "agent-lifecycle",
    "device-added",
    "migration-iteration",
    "job-completed",
    "device-removal-failed",
    "metadata-change",
    "block-threshold",
    "memory-failure",
    "memory-device-size-change",
)
"""The kinds by their number (``virDomainEventID``)."""

_PREFIXES = ("DOMAIN_EVENT_CALLBACK_", "DOMAIN_EVENT_")
_RENAMED = {"pmwakeup": "pm-wakeup", "pmsuspend": "pm-suspend", "pmsuspend-disk": "pm-suspend-disk"}

_LIFECYCLE = (
    ("Defined", ("Added", "Updated", "Renamed", "Snapshot")),
    ("Undefined", ("Removed", "Renamed")),
    ("Started", ("Booted", "Migrated", "Restored", "Snapshot", "Event wakeup")),
    (
        "Suspended",
        (
            "Paused",
            "Migrated",
            "I/O Error",
            "Watchdog",
            "Restored",
            "Snapshot",
            "API error",
            "Post-copy",
            "Post-copy Error",
        ),
    ),
    ("Resumed", ("Unpaused", "Migrated", "Snapshot", "Post-copy")),
    (
        "Stopped",
        ("Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"),
    ),
    (
        "Shutdown",
        ("Finished", "Finished after guest request", "Finished after host request"),
    ),
    ("PMSuspended", ("Memory", "Disk")),
    ("Crashed", ("Panicked", "Crashloaded")),
)
_WATCHDOG = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi")
_IO_ERROR = ("none", "pause", "report")
_PHASE = ("connect", "initialize", "disconnect")
_FAMILY = ("IPv4", "IPv6", "unix")
_JOB = ("Unknown job", "Block Pull", "Block Copy", "Block Commit", "Active Block Commit", "Backup")
_JOB_STATUS = ("completed", "failed", "canceled", "ready")
_DISK_REASON = ("changed", "dropped")
_TRAY = ("opened", "closed")
_AGENT_STATE = ("unknown", "connected", "disconnected")
_AGENT_REASON = ("unknown", "domain started", "channel event")
_METADATA = ("description", "title", "element")
_RECIPIENT = ("hypervisor", "guest")
_MEMORY_ACTION = ("ignore", "inject", "fatal", "reset")


def event_name(procedure: str) -> str:
    """The kind of the event that the message *procedure* tells of."""
    for prefix in _PREFIXES:
        if procedure.startswith(prefix):
            name = procedure.removeprefix(prefix).lower().replace("_", "-")
            return _RENAMED.get(name, name)
    return procedure.lower().replace("_", "-")


def subject(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The guest that an event's body is about, and the rest of what it says."""
    inner = body.get("msg", body)
    facts = {k: v for k, v in inner.items() if k not in ("dom", "callbackID")}
    return inner["dom"], facts


def told(name: str, body: Mapping[str, Any]) -> str:
    """The lines in which virsh tells of an event of kind *name*."""
    dom, facts = subject(body)
    tell = _TELLERS.get(name)
    rest = tell(facts) if tell is not None else ""
    return f"event '{name}' for domain '{dom['name']}'{rest}\n"


def _word(words: Sequence[str], number: int) -> str:
    return words[number] if 0 <= number < len(words) else "unknown"


def _lifecycle(facts: Mapping[str, Any]) -> str:
    number = facts["event"]
    if not 0 <= number < len(_LIFECYCLE):
        return ": unknown unknown"
    word, details = _LIFECYCLE[number]
    return f": {word} {_word(details, facts['detail'])}"


def _io_error(facts: Mapping[str, Any]) -> str:
    return f": {facts['srcPath']} ({facts['devAlias']}) {_word(_IO_ERROR, facts['action'])}"


def _graphics(facts: Mapping[str, Any]) -> str:
    ends = " ".join(f"{side}[{_address(facts[side])}]" for side in ("local", "remote"))
    lines = [f": {_word(_PHASE, facts['phase'])} {ends} {facts['authScheme']}"]
    lines += [f"\t{who['type']}={who['name']}" for who in facts["subject"]]
    return "\n".join(lines)


def _address(end: Mapping[str, Any]) -> str:
    return f"{_word(_FAMILY, end['family'])} {end['node']} {end['service']}"


def _job(facts: Mapping[str, Any]) -> str:
    path = facts["path"] if "path" in facts else facts["dst"]
    kind, status = _word(_JOB, facts["type"]), _word(_JOB_STATUS, facts["status"])
    return f": {kind} for {path} {status}"


def _disk_change(facts: Mapping[str, Any]) -> str:
    old, new = facts["oldSrcPath"] or "<null>", facts["newSrcPath"] or "<null>"
    return f" disk {facts['devAlias']}: {old} -> {new}: {_word(_DISK_REASON, facts['reason'])}"


def _agent(facts: Mapping[str, Any]) -> str:
    state, reason = _word(_AGENT_STATE, facts["state"]), _word(_AGENT_REASON, facts["reason"])
    return f": state: '{state}' reason: '{reason}'"


def _threshold(facts: Mapping[str, Any]) -> str:
    where = f"{facts['dev']}({facts['path'] or '<null>'})"
    return f": dev: {where} {facts['threshold']} {facts['excess']}"


def _params(facts: Mapping[str, Any]) -> str:
    lines = [f"\t{param['field']}: {param['value']['value']}" for param in facts["params"]]
    return "\n".join([":", *lines])


def _memory_failure(facts: Mapping[str, Any]) -> str:
    flags = facts["flags"]
    return (
        f":\nrecipient: {_word(_RECIPIENT, facts['recipient'])}\n"
        f"action: {_word(_MEMORY_ACTION, facts['action'])}\n"
        f"flags:\n\taction required: {flags & 1}\n\trecursive: {flags >> 1 & 1}"
    )


def _device(facts: Mapping[str, Any]) -> str:
    return f": {facts['devAlias']}"


_TELLERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "lifecycle": _lifecycle,
    "rtc-change": lambda facts: f": {facts['offset']}",
    "watchdog": lambda facts: f": {_word(_WATCHDOG, facts['action'])}",
    "io-error": _io_error,
    "io-error-reason": lambda facts: f"{_io_error(facts)} due to {facts['reason']}",
    "graphics": _graphics,
    "block-job": _job,
    "block-job-2": _job,
    "disk-change": _disk_change,
    "tray-change": lambda f: f" disk {f['devAlias']}: {_word(_TRAY, f['reason'])}",
    "balloon-change": lambda facts: f": {facts['actual']}KiB",
    "device-removed": _device,
    "device-added": _device,
    "device-removal-failed": _device,
    "tunable": _params,
    "job-completed": _params,
    "agent-lifecycle": _agent,
    "migration-iteration": lambda facts: f": iteration: '{facts['iteration']}'",
    "metadata-change": lambda f: (
        f": type {_word(_METADATA, f['type'])}, uri {f['nsuri'] or '<null>'}"
    ),
    "block-threshold": _threshold,
    "memory-failure": _memory_failure,
    "memory-device-size-change": lambda f: f":\nalias: {f['alias']}\nsize: {f['size']}",
}
"""By kind, what follows the name of the guest; a kind that is not here says no more."""

"""dominfo, domstate."""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import flag, guest
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.states import reason_word, state_word
from virtup.client.exchange import ConnectionLost
from virtup.client.guests import Handle, format_uuid
from virtup.errors import VirtError


@verb(
    "domstate",
    "tell the state of a domain",
    guest(),
    flag("reason", "also tell how it came to that state"),
)
def domstate(run: Run, *, domain: str, reason: bool) -> None:
    """Print the state of a guest."""
    reply = run.conn.call("DOMAIN_GET_STATE", dom=run.guest(domain), flags=0)
    state = state_word(reply["state"])
    why = reason_word(reply["state"], reply["reason"])
    if run.json:
        run.document({"state": state, "reason": why})
    else:
        run.line(f"{state} ({why})" if reason else state)


@verb("dominfo", "tell what a domain is and how it does", guest())
def dominfo(run: Run, *, domain: str) -> None:
    """Print the basic facts of a guest."""
    facts = _facts(run, run.guest(domain))
    if run.json:
        run.document(facts)
    else:
        run.out("".join(_lines(facts)))


def _facts(run: Run, handle: Handle) -> dict[str, Any]:
    dom = {"dom": handle}
    info, os_type, persistent, autostart, saved = run.conn.gather(
        (
            ("DOMAIN_GET_INFO", dom),
            ("DOMAIN_GET_OS_TYPE", dom),
            ("DOMAIN_IS_PERSISTENT", dom),
            ("DOMAIN_GET_AUTOSTART", dom),
            ("DOMAIN_HAS_MANAGED_SAVE_IMAGE", {"dom": handle, "flags": 0}),
        )
    )
    if isinstance(info, VirtError):
        raise info
    facts: dict[str, Any] = {
        "id": handle["id"] if handle["id"] >= 0 else None,
        "name": handle["name"],
        "uuid": format_uuid(handle["uuid"]),
        "os_type": _field(os_type, "type"),
        "state": state_word(info["state"]),
        "cpus": info["nrVirtCpu"],
        "cpu_time_ns": info["cpuTime"],
        "max_memory_kib": info["maxMem"],
        "used_memory_kib": info["memory"],
        "persistent": _truth(persistent, "persistent"),
        "autostart": _truth(autostart, "autostart"),
        "managed_save": _truth(saved, "result"),
    }
    return {**facts, **_security(run, handle), "messages": _messages(run, handle)}


def _security(run: Run, handle: Handle) -> dict[str, Any]:
    """The security model and, of a running guest, its label; nothing where there is no model."""
    try:
        model = run.conn.call("NODE_GET_SECURITY_MODEL")
    except ConnectionLost:
        raise
    except VirtError:
        return {}
    if not model["model"]:
        return {}
    facts = {"security_model": model["model"], "security_doi": model["doi"]}
    if handle["id"] >= 0:
        label = run.conn.call("DOMAIN_GET_SECURITY_LABEL", dom=handle)
        if label["label"]:
            facts["security_label"] = label["label"]
            facts["security_enforcing"] = bool(label["enforcing"])
    return facts


def _messages(run: Run, handle: Handle) -> list[str]:
    """What the daemon has to say of the guest; nothing where it does not know such a call."""
    try:
        messages: list[str] = run.conn.call("DOMAIN_GET_MESSAGES", dom=handle, flags=0)["msgs"]
    except ConnectionLost:
        raise
    except VirtError:
        return []
    return messages


def _field(answer: dict[str, Any] | VirtError, name: str) -> Any:
    return None if isinstance(answer, VirtError) else answer[name]


def _truth(answer: dict[str, Any] | VirtError, name: str) -> bool | None:
    value = _field(answer, name)
    return None if value is None else bool(value)


def _lines(facts: dict[str, Any]) -> list[str]:
    rows = [
        ("Id", "-" if facts["id"] is None else facts["id"]),
        ("Name", facts["name"]),
        ("UUID", facts["uuid"]),
    ]
    if facts["os_type"] is not None:
        rows.append(("OS Type", facts["os_type"]))
    rows += [("State", facts["state"]), ("CPU(s)", facts["cpus"])]
    if facts["cpu_time_ns"]:
        rows.append(("CPU time", f"{facts['cpu_time_ns'] / 1e9:.1f}s"))
    rows += [
        ("Max memory", f"{facts['max_memory_kib']} KiB"),
        ("Used memory", f"{facts['used_memory_kib']} KiB"),
        ("Persistent", _word(facts["persistent"], "yes", "no")),
    ]
    if facts["autostart"] is not None:
        rows.append(("Autostart", _word(facts["autostart"], "enable", "disable")))
    rows.append(("Managed save", _word(facts["managed_save"], "yes", "no")))
    if "security_model" in facts:
        rows += [
            ("Security model", facts["security_model"]),
            ("Security DOI", facts["security_doi"]),
        ]
    if "security_label" in facts:
        force = "enforcing" if facts["security_enforcing"] else "permissive"
        rows.append(("Security label", f"{facts['security_label']} ({force})"))
    lines = [f"{label + ':':<15} {value}\n" for label, value in rows]
    for number, message in enumerate(facts["messages"]):
        lines.append(f"{'' if number else 'Messages:':<15} {message}\n")
    return lines


def _word(truth: bool | None, yes: str, no: str) -> str:
    return "unknown" if truth is None else yes if truth else no

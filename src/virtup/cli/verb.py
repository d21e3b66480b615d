"""Verbs: what a family's module declares, and how one is found and loaded."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from virtup.cli.grammar import Option

Action = Callable[..., int | None]
"""What a verb does: takes the Run and its options by name; returns the exit status, None is 0."""

FAMILIES = {
    "domain": (
        "Domain Management",
        {
            "autostart": "state",
            "console": "console",
            "create": "start",
            "define": "define",
            "destroy": "stop",
            "domid": "identity",
            "domjobabort": "jobs",
            "domjobinfo": "jobs",
            "domname": "identity",
            "domuuid": "identity",
            "domxml-to-native": "native",
            "dumpxml": "dumpxml",
            "edit": "define",
            "managedsave": "save",
            "managedsave-define": "images",
            "managedsave-dumpxml": "images",
            "managedsave-edit": "images",
            "managedsave-remove": "save",
            "qemu-agent-command": "monitor",
            "qemu-monitor-command": "monitor",
            "reboot": "stop",
            "reset": "stop",
            "restore": "save",
            "resume": "state",
            "save": "save",
            "save-image-define": "images",
            "save-image-dumpxml": "images",
            "save-image-edit": "images",
            "shutdown": "stop",
            "start": "start",
            "suspend": "state",
            "ttyconsole": "devices",
            "undefine": "undefine",
            "vncdisplay": "devices",
        },
    ),
    "monitor": (
        "Domain Monitoring",
        {
            "domblklist": "devices",
            "domiflist": "devices",
            "dominfo": "info",
            "domstate": "info",
            "list": "listing",
        },
    ),
    "events": ("Domain Events", {"event": "event"}),
    "reasons": (
        "Why a domain did not start",
        {
            "attempts": "history",
            "check": "check",
            "diagnose": "diagnose",
            "diff": "history",
            "explain": "reasons",
            "fix": "fix",
            "why": "reasons",
        },
    ),
    "saves": ("Saved domains", {"save-verify": "verify"}),
    "pool": (
        "Storage Pool",
        {
            "pool-autostart": "pool_acts",
            "pool-build": "pool_acts",
            "pool-define": "pool_acts",
            "pool-define-as": "pool_acts",
            "pool-destroy": "pool_acts",
            "pool-dumpxml": "pool_facts",
            "pool-info": "pool_facts",
            "pool-list": "pool_facts",
            "pool-refresh": "pool_acts",
            "pool-start": "pool_acts",
            "pool-undefine": "pool_acts",
        },
    ),
    "volume": (
        "Storage Volume",
        {
            "vol-create-as": "volumes",
            "vol-delete": "volumes",
            "vol-dumpxml": "volumes",
            "vol-info": "volumes",
            "vol-list": "volumes",
            "vol-path": "volumes",
        },
    ),
    "host": (
        "Host and Hypervisor",
        {
            "capabilities": "node",
            "domcapabilities": "node",
            "hostname": "node",
            "nodeinfo": "node",
            "uri": "node",
            "version": "node",
        },
    ),
    "virtup": ("Virtup itself", {"completion": "completion", "help": "about"}),
}
"""Keyword of ``help``, its title, and its verbs with the module that has them."""

MODULES = {name: module for _, verbs in FAMILIES.values() for name, module in verbs.items()}


class Verb(NamedTuple):
    """A verb: its words for ``help``, its options, and what it does."""

    name: str
    summary: str
    options: tuple[Option, ...]
    action: Action
    description: str
    connects: bool


_LOADED: dict[str, Verb] = {}


def verb(
    name: str, summary: str, *options: Option, description: str = "", connects: bool = True
) -> Callable[[Action], Action]:
    """Declare the decorated function as verb *name*; *connects* False if it needs no daemon."""

    def declare(action: Action) -> Action:
        _LOADED[name] = Verb(name, summary, options, action, description, connects)
        return action

    return declare


def load(name: str) -> Verb | None:
    """The verb with that name, its module imported; None when there is none."""
    module = MODULES.get(name)
    if module is None:
        return None
    if name not in _LOADED:
        import_module(f"virtup.cli.verbs.{module}")
    return _LOADED[name]

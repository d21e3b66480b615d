"""A small QEMU's answers to every question of the probe, for tests that need no real one."""

from __future__ import annotations

from typing import Any

from virtup.qemu import probes
from virtup.qemu.probes import Question

SCHEMA: list[dict[str, Any]] = [
    {"name": "blockdev-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
    {"name": "0", "meta-type": "object", "members": []},
    {
        "name": "1",
        "meta-type": "object",
        "tag": "driver",
        "members": [
            {"name": "driver", "type": "2"},
            {"name": "read-only", "type": "bool", "default": None},
            {"name": "node-name", "type": "str", "features": ["unstable"]},
        ],
        "variants": [{"case": "file", "type": "3"}, {"case": "raw", "type": "5"}],
    },
    {"name": "2", "meta-type": "enum", "values": ["file", "raw"]},
    {
        "name": "3",
        "meta-type": "object",
        "features": ["dynamic-auto-read-only"],
        "members": [{"name": "aio", "type": "4", "default": None}],
    },
    {
        "name": "4",
        "meta-type": "enum",
        "members": [{"name": "threads"}, {"name": "io_uring", "features": ["deprecated"]}],
    },
    {"name": "5", "meta-type": "object", "members": [{"name": "file", "type": "6"}]},
    {"name": "6", "meta-type": "alternate", "members": [{"type": "1"}, {"type": "str"}]},
    {"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
    {"name": "str", "meta-type": "builtin", "json-type": "string"},
    {
        "name": "query-block",
        "meta-type": "command",
        "arg-type": "0",
        "ret-type": "[7]",
        "features": ["json"],
    },
    {"name": "[7]", "meta-type": "array", "element-type": "7"},
    {"name": "7", "meta-type": "object", "members": [{"name": "locked", "type": "bool"}]},
    {"name": "RESUME", "meta-type": "event", "arg-type": "0"},
]

_SAID: dict[Question, Any] = {
    probes.VERSION: {"qemu": {"major": 8, "minor": 1, "micro": 5}, "package": "test"},
    probes.TARGET: {"arch": "x86_64"},
    probes.KVM: {"present": True, "enabled": True},
    probes.SCHEMA: SCHEMA,
    probes.TYPES: [
        {"name": "virtio-blk-pci", "parent": "x"},
        {"name": "ide-hd", "parent": "x"},
        {"name": "tcg-accel", "parent": "accel"},
        {"name": "dotted.type", "parent": "x"},
        {"name": "never-asked", "parent": "x"},
    ],
    probes.MACHINES: [
        {"name": "pc-q35-8.1", "alias": "q35", "cpu-max": 288, "hotpluggable-cpus": True},
        {
            "name": "pc-i440fx-8.1",
            "alias": "pc",
            "cpu-max": 255,
            "is-default": True,
            "default-cpu-type": "qemu64-x86_64-cpu",
            "default-ram-id": "pc.ram",
            "deprecated": False,
        },
        {"name": "none", "cpu-max": 1},
    ],
    probes.CPUS: [
        {"name": "EPYC", "unavailable-features": [], "alias-of": "EPYC-v1"},
        {"name": "Denverton", "unavailable-features": ["mpx", "mpx"], "deprecated": True},
        {"name": "max"},
    ],
    probes.OPTIONS: [{"option": "sandbox", "parameters": [{"name": "spawn"}]}],
    probes.MIGRATION: [{"state": False, "capability": "events"}],
    probes.TPM_MODELS: ["tpm-tis"],
    probes.TPM_TYPES: ["emulator"],
    Question.of("device-list-properties", {"typename": "virtio-blk-pci"}): [
        {"name": "queue-size", "type": "uint16", "default-value": 256},
        {"name": "serial", "type": "str"},
    ],
    Question.of("qom-list-properties", {"typename": "dotted.type"}): [
        {"name": "a.b", "type": "bool"}
    ],
}


def answers(**changed: Any) -> dict[Question, dict[str, Any]]:
    """Return the answers; *changed* gives other values by the command's name, _ for -."""
    said: dict[Question, Any] = dict(_SAID)
    for name, value in changed.items():
        said[Question(name.replace("_", "-"))] = value
    return {question: {"return": value} for question, value in said.items()}

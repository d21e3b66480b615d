"""What a QEMU is asked before virtup builds a command line for it.

All questions are read-only, are answered by a QEMU that has no machine, and are sent in one
write: their order is free and none depends on the answer to another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """A QMP command; *arguments* is its arguments as canonical JSON text, "" for none."""

    execute: str
    arguments: str = ""

    @classmethod
    def of(cls, execute: str, arguments: Mapping[str, Any] | None = None) -> Question:
        """The question that a QMP command with these arguments is."""
        if not arguments:
            return cls(execute)
        return cls(execute, json.dumps(arguments, sort_keys=True, separators=(",", ":")))

    def command(self, number: int) -> dict[str, Any]:
        """The QMP message that asks it, under the id *number*."""
        message: dict[str, Any] = {"execute": self.execute, "id": number}
        if self.arguments:
            message["arguments"] = json.loads(self.arguments)
        return message


DEVICES = (
    "ICH9-LPC",
    "PIIX4_PM",
    "VGA",
    "ide-hd",
    "intel-iommu",
    "kvm-pit",
    "mch",
    "nvdimm",
    "pcie-root-port",
    "qxl",
    "scsi-hd",
    "usb-host",
    "usb-redir",
    "usb-storage",
    "vfio-pci",
    "vhost-user-fs-device",
    "virtio-balloon-pci",
    "virtio-blk-pci",
    "virtio-gpu-pci",
    "virtio-iommu-pci",
    "virtio-mem-pci",
    "virtio-net-pci",
    "virtio-scsi-pci",
    "vmware-svga",
)
"""Device types whose properties are asked for (``device.TYPE.PROPERTY`` needs its row here)."""

OBJECTS = (
    "generic-pc-machine",
    "max-x86_64-cpu",
    "memory-backend-file",
    "memory-backend-memfd",
    "none-machine",
)
"""Other types whose properties are asked for (``object.TYPE.PROPERTY``)."""

VERSION = Question("query-version")
TARGET = Question("query-target")
KVM = Question("query-kvm")
SCHEMA = Question("query-qmp-schema")
TYPES = Question("qom-list-types")
MACHINES = Question("query-machines")
CPUS = Question("query-cpu-definitions")
OPTIONS = Question("query-command-line-options")
MIGRATION = Question("query-migrate-capabilities")
TPM_MODELS = Question("query-tpm-models")
TPM_TYPES = Question("query-tpm-types")

PROBE: tuple[Question, ...] = (
    VERSION,
    TARGET,
    KVM,
    SCHEMA,
    TYPES,
    MACHINES,
    CPUS,
    OPTIONS,
    MIGRATION,
    TPM_MODELS,
    TPM_TYPES,
    *(Question.of("device-list-properties", {"typename": name}) for name in DEVICES),
    *(Question.of("qom-list-properties", {"typename": name}) for name in OBJECTS),
)
"""All that is asked of a QEMU that virtup meets for the first time."""

PROBE_CPUS: tuple[Question, ...] = (CPUS,)
"""What is asked a second time under the other accelerator: which CPU models run depends on it."""

REQUIRED = frozenset({VERSION, TARGET, KVM, SCHEMA, TYPES, MACHINES, CPUS, OPTIONS})
"""Questions that every QEMU virtup can use answers; the others may be answered by an error."""

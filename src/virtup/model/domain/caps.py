"""What the model asks of a QEMU: `virtup.qemu.capabilities` answers it."""

from __future__ import annotations

from typing import Protocol


class MachineType(Protocol):
    """One machine type of a QEMU."""

    @property
    def name(self) -> str:
        """Its canonical name."""

    @property
    def cpu_max(self) -> int:
        """The most virtual CPUs that it takes."""

    @property
    def default_cpu(self) -> str | None:
        """The CPU model that a guest has without one of its own."""

    @property
    def numa(self) -> bool:
        """Whether a node of the guest's takes an amount of memory, without an object for it."""

    @property
    def default_ram_id(self) -> str | None:
        """The id of the memory object that it takes as its RAM."""


class Caps(Protocol):
    """What a QEMU has. `has` takes the names of `virtup.qemu.capabilities.Capabilities.has`."""

    def has(self, name: str) -> bool:
        """Whether this QEMU has *name*."""

    def machine(self, name: str) -> MachineType | None:
        """The machine type *name* (or alias); None where there is none."""

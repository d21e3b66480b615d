"""A QEMU that has everything, for tests of the model and of command lines."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AnyMachine:
    """A machine type; the aliases are those of QEMU 7.2."""

    name: str
    cpu_max: int = 255
    default_cpu: str | None = "qemu64"
    default_ram_id: str | None = "pc.ram"
    numa: bool = False


@dataclass(frozen=True)
class AnyQemu:
    """Has every feature but *lacks*, and the machine types of a PC."""

    lacks: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(
        default_factory=lambda: {"pc": "pc-i440fx-7.2", "q35": "pc-q35-7.2"}
    )

    def has(self, name: str) -> bool:
        return name not in self.lacks

    def machine(self, name: str) -> AnyMachine | None:
        if not name.startswith(("pc", "q35", "isapc")):
            return None
        return AnyMachine(self.aliases.get(name, name))

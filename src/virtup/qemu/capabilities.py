"""What one QEMU binary can do: its machines, CPU models, devices, properties and schema.

Made from QEMU's own answers, either live ones (`from_answers`) or a recording
(`parse_replies`), and kept as text between runs (`dump` and `load`).

    caps = parse_replies(recorded_text)
    caps.has("device.virtio-blk-pci.queue-size")
    caps.machine("pc").name            # "pc-i440fx-7.2"
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from virtup.errors import Code, Fault, InvalidArgument, Origin, VirtError
from virtup.qemu import probes
from virtup.qemu.probes import Question
from virtup.qemu.schema import Schema

FORMAT = 1
"""Number of the form that `dump` writes; `load` takes no other."""


class UnusableQemu(VirtError):
    """QEMU answered, and the answers are not those of a QEMU that virtup can drive."""

    code, origin, fault = Code.INTERNAL_ERROR, Origin.QEMU, Fault.HOST


class CacheInvalid(ValueError):
    """A kept text that `load` cannot use: torn, of another form, or not ours."""


class NotProbed(LookupError):
    """A property was asked for whose type has no row in `virtup.qemu.probes`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine type: *name* is canonical, *default_cpu* the model a guest has by default."""

    name: str
    alias: str | None = None
    cpu_max: int = 1
    hotpluggable_cpus: bool = False
    deprecated: bool = False
    is_default: bool = False
    numa: bool = False
    acpi: bool | None = None
    default_cpu: str | None = None
    default_ram_id: str | None = None


@dataclass(frozen=True, slots=True)
class CpuModel:
    """One CPU model; *blockers* are the features it has and this accelerator lacks.

    *usable* is None where QEMU was not asked under that accelerator.
    """

    name: str
    usable: bool | None = None
    blockers: tuple[str, ...] = ()
    deprecated: bool = False
    alias_of: str | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a QEMU type, with its default where QEMU tells it (else None)."""

    name: str
    type: str
    default: Any = None


@dataclass(frozen=True)
class Capabilities:
    """All that virtup knows of one QEMU binary.

    *kvm_present*: built with KVM; *kvm_enabled*: and KVM worked when it was asked.
    *cpus* holds the CPU models by accelerator ("kvm", "tcg"), only those that were asked.
    """

    version: tuple[int, int, int]
    package: str
    arch: str
    kvm_present: bool
    kvm_enabled: bool
    machines: tuple[Machine, ...]
    cpus: Mapping[str, tuple[CpuModel, ...]]
    types: frozenset[str]
    properties: Mapping[str, Mapping[str, tuple[str, Any]]] = field(repr=False)
    options: Mapping[str, frozenset[str]] = field(repr=False)
    migration: frozenset[str]
    tpm_models: tuple[str, ...]
    tpm_types: tuple[str, ...]
    schema: Schema = field(repr=False)

    def has(self, name: str) -> bool:
        """Whether this QEMU has *name*, which is one of

        - ``kvm`` (works here) or ``tcg`` (built in);
        - ``device.TYPE``, ``object.TYPE``, and ``.PROPERTY`` behind either;
        - ``option.NAME`` or ``option.NAME.PARAMETER`` of the command line;
        - ``machine.TYPE``: a machine type or its alias;
        - ``migration.CAPABILITY``, ``tpm.type.NAME``, ``tpm.model.NAME``;
        - a path into the schema, as in `virtup.qemu.schema`.

        Raises NotProbed for a property of a type that QEMU has and was not asked about.
        """
        kind, _, rest = name.partition(".")
        if "/" in name or not rest:
            if name == "kvm":
                return self.kvm_enabled
            if name == "tcg":
                return "tcg-accel" in self.types
            return self.schema.has(name)
        match kind:
            case "device" | "object":
                return self._has_type(rest)
            case "option":
                option, _, parameter = rest.partition(".")
                known = self.options.get(option)
                return known is not None and (not parameter or parameter in known)
            case "machine":
                return self.machine(rest) is not None
            case "migration":
                return rest in self.migration
            case "tpm":
                what, _, value = rest.partition(".")
                return value in (self.tpm_types if what == "type" else self.tpm_models)
            case _:
                return self.schema.has(name)

    def property_of(self, type: str, name: str) -> Property | None:
        """The property *name* of the QEMU type *type*; None where either is missing.

        Raises NotProbed if QEMU has the type and was not asked about its properties.
        """
        if type not in self.types and type not in self.properties:
            return None
        known = self.properties.get(type)
        if known is None:
            raise NotProbed(
                f"the properties of {type!r} were not asked: add it to virtup.qemu.probes"
            )
        found = known.get(name)
        return None if found is None else Property(name, *found)

    def machine(self, name: str) -> Machine | None:
        """The machine type of that name or alias."""
        return self._machines.get(name)

    @property
    def default_machine(self) -> Machine | None:
        """The machine that this QEMU takes when none is named."""
        return next((m for m in self.machines if m.is_default), None)

    def cpu_models(self, virt_type: str) -> tuple[CpuModel, ...]:
        """The CPU models for a guest of type "kvm" or "qemu"; empty for "kvm" without KVM.

        For "qemu" where only KVM was asked, the names are right and *usable* is None.
        """
        if virt_type == "kvm":
            return self.cpus.get("kvm", ())
        if "tcg" in self.cpus:
            return self.cpus["tcg"]
        return tuple(replace(m, usable=None, blockers=()) for m in self.cpus.get("kvm", ()))

    def cpu_model(self, name: str, virt_type: str = "kvm") -> CpuModel | None:
        """The CPU model *name*; looked up under the other accelerator if KVM was not asked."""
        models = self.cpu_models(virt_type) or self.cpu_models("qemu")
        return next((m for m in models if m.name == name), None)

    @cached_property
    def digest(self) -> str:
        """A short fingerprint of all of this, the same for the same answers."""
        return hashlib.sha256(dump(self).encode()).hexdigest()[:32]

    @cached_property
    def _machines(self) -> dict[str, Machine]:
        aliases = {m.alias: m for m in self.machines if m.alias}
        return aliases | {m.name: m for m in self.machines}

    def _has_type(self, rest: str) -> bool:
        if rest in self.types:
            return True
        type, dot, prop = rest.partition(".")
        while dot:
            if type in self.types or type in self.properties:
                return self.property_of(type, prop) is not None
            more, dot, prop = prop.partition(".")
            type = f"{type}.{more}"
        return False


# -- from answers -------------------------------------------------------------------------------

Answers = Mapping[Question, Mapping[str, Any]]
"""What QEMU said to each question: its message, with ``return`` or ``error`` in it."""


def from_answers(answers: Answers, tcg: Answers | None = None) -> Capabilities:
    """The capabilities that *answers* tell; *tcg*, if given, was asked without KVM.

    Raises UnusableQemu when a question that every QEMU answers has no answer.
    """
    for question in sorted(probes.REQUIRED):
        if "return" not in answers.get(question, {}):
            said = answers.get(question, {}).get("error", {}).get("desc", "nothing")
            raise UnusableQemu(f"QEMU's answer to {question.execute!r} is no use to virtup: {said}")
    try:
        return _read(answers, tcg or {})
    except (KeyError, TypeError, AttributeError) as exc:
        raise UnusableQemu(
            f"QEMU's answers have not the form that QEMU documents: {exc!r}"
        ) from exc


def _read(answers: Answers, tcg: Answers) -> Capabilities:
    said = {
        question: message["return"] for question, message in answers.items() if "return" in message
    }
    version = said[probes.VERSION]["qemu"]
    arch = str(said[probes.TARGET]["arch"])
    kvm = said[probes.KVM]
    cpus = {"kvm" if kvm["enabled"] else "tcg": _cpu_models(said[probes.CPUS])}
    if probes.CPUS in tcg and "return" in tcg[probes.CPUS]:
        cpus["tcg"] = _cpu_models(tcg[probes.CPUS]["return"])
    return Capabilities(
        version=(version["major"], version["minor"], version["micro"]),
        package=said[probes.VERSION].get("package", ""),
        arch=arch,
        kvm_present=kvm["present"],
        kvm_enabled=kvm["enabled"],
        machines=tuple(_machine(entry, arch) for entry in said[probes.MACHINES]),
        cpus=cpus,
        types=frozenset(entry["name"] for entry in said[probes.TYPES]),
        properties=dict(_properties(said)),
        options={
            entry["option"]: frozenset(p["name"] for p in entry["parameters"])
            for entry in said[probes.OPTIONS]
        },
        migration=frozenset(entry["capability"] for entry in said.get(probes.MIGRATION, ())),
        tpm_models=tuple(said.get(probes.TPM_MODELS, ())),
        tpm_types=tuple(said.get(probes.TPM_TYPES, ())),
        schema=Schema.of(said[probes.SCHEMA]),
    )


def _properties(
    said: Mapping[Question, Any],
) -> Iterator[tuple[str, dict[str, tuple[str, Any]]]]:
    for question, answer in said.items():
        if question.execute in ("device-list-properties", "qom-list-properties"):
            known = {p["name"]: (p["type"], p.get("default-value")) for p in answer}
            yield json.loads(question.arguments)["typename"], known


def _machine(entry: Mapping[str, Any], arch: str) -> Machine:
    cpu = entry.get("default-cpu-type")
    return Machine(
        name=entry["name"],
        alias=entry.get("alias"),
        cpu_max=entry["cpu-max"],
        hotpluggable_cpus=entry.get("hotpluggable-cpus", False),
        deprecated=entry.get("deprecated", False),
        is_default=entry.get("is-default", False),
        numa=entry.get("numa-mem-supported", False),
        acpi=entry.get("acpi"),
        default_cpu=None if cpu is None else cpu.removesuffix(f"-{arch}-cpu"),
        default_ram_id=entry.get("default-ram-id"),
    )


def _cpu_models(answer: list[Any]) -> tuple[CpuModel, ...]:
    models = []
    for entry in answer:
        blockers = entry.get("unavailable-features")
        models.append(
            CpuModel(
                name=entry["name"],
                usable=None if blockers is None else not blockers,
                blockers=tuple(blockers or ()),
                deprecated=entry.get("deprecated", False),
                alias_of=entry.get("alias-of"),
            )
        )
    return tuple(models)


def with_cpus(caps: Capabilities, accelerator: str, answers: Answers) -> Capabilities:
    """*caps* with the CPU models that QEMU told under *accelerator* ("kvm" or "tcg").

    Raises UnusableQemu if it told none.
    """
    message = answers.get(probes.CPUS, {})
    if "return" not in message:
        raise UnusableQemu(f"QEMU's answer to {probes.CPUS.execute!r} is no use to virtup")
    return replace(caps, cpus={**caps.cpus, accelerator: _cpu_models(message["return"])})


# -- from a recording ---------------------------------------------------------------------------


def parse_replies(text: str, *, source: str = "<replies>") -> Capabilities:
    """The capabilities that a recorded conversation tells.

    The recording is a row of JSON objects, each command followed by QEMU's message; it starts
    with ``qmp_capabilities``, and a second ``qmp_capabilities`` starts what was asked without
    KVM. Raises InvalidArgument with *source* and line for anything else.
    """
    parts: list[dict[Question, Mapping[str, Any]]] = []
    for line, command, reply in _pairs(text, source):
        if command["execute"] == "qmp_capabilities":
            parts.append({})
        elif not parts:
            raise _bad_recording(source, line, "the first command must be 'qmp_capabilities'")
        parts[-1][Question.of(command["execute"], command.get("arguments"))] = reply
    if not parts:
        raise _bad_recording(source, 1, "it is empty")
    try:
        return from_answers(parts[0], parts[1] if len(parts) > 1 else None)
    except UnusableQemu as exc:
        raise InvalidArgument(f"{source}: {exc.message}") from exc


def _pairs(text: str, source: str) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    command: dict[str, Any] | None = None
    line = 1
    for line, value in _objects(text, source):
        if command is None:
            if not isinstance(value.get("execute"), str):
                raise _bad_recording(
                    source, line, "a command (an object with 'execute') must stand here"
                )
            if not isinstance(value.get("arguments", {}), dict):
                raise _bad_recording(source, line, "'arguments' must be an object")
            command = value
        else:
            if "return" not in value and "error" not in value:
                raise _bad_recording(
                    source, line, "QEMU's reply ('return' or 'error') must stand here"
                )
            yield line, command, value
            command = None
    if command is not None:
        raise _bad_recording(source, line, f"the reply to {command['execute']!r} is missing")


def _objects(text: str, source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    decoder = json.JSONDecoder()
    at, line = 0, 1
    while True:
        rest = _skip_blank(text, at)
        line += text.count("\n", at, rest)
        at = rest
        if at >= len(text):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as exc:
            where = exc.lineno if isinstance(exc, json.JSONDecodeError) else line
            what = exc.msg if isinstance(exc, json.JSONDecodeError) else "nested too deeply"
            raise _bad_recording(source, where, f"not JSON: {what}") from exc
        if not isinstance(value, dict):
            raise _bad_recording(source, line, "a JSON object must stand here")
        yield line, value
        line += text.count("\n", at, end)
        at = end


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _bad_recording(source: str, line: int, what: str) -> InvalidArgument:
    return InvalidArgument(
        f"{source}, line {line}: {what}; "
        "a recording of QMP commands, each followed by QEMU's reply, is expected"
    )


# -- kept text ----------------------------------------------------------------------------------


def dump(caps: Capabilities) -> str:
    """The capabilities as text: a line with form and digest, one of facts, one of the schema."""
    facts = {
        "version": caps.version,
        "package": caps.package,
        "arch": caps.arch,
        "kvm_present": caps.kvm_present,
        "kvm_enabled": caps.kvm_enabled,
        "machines": [_row(m) for m in caps.machines],
        "cpus": {accel: [_row(m) for m in models] for accel, models in caps.cpus.items()},
        "types": sorted(caps.types),
        "properties": caps.properties,
        "options": {name: sorted(known) for name, known in caps.options.items()},
        "migration": sorted(caps.migration),
        "tpm_models": caps.tpm_models,
        "tpm_types": caps.tpm_types,
    }
    body = json.dumps(facts, sort_keys=True, separators=(",", ":")) + "\n" + caps.schema.text + "\n"
    head = {"virtup-capabilities": FORMAT, "digest": hashlib.sha256(body.encode()).hexdigest()}
    return json.dumps(head) + "\n" + body


def load(text: str) -> Capabilities:
    """What `dump` was given. Raises CacheInvalid for a text that it did not write."""
    head, _, body = text.partition("\n")
    facts, _, schema = body.partition("\n")
    try:
        told = json.loads(head)
        if told["virtup-capabilities"] != FORMAT:
            raise CacheInvalid("written by another version of virtup")
        if told["digest"] != hashlib.sha256(body.encode()).hexdigest():
            raise CacheInvalid("its digest does not fit")
        return _facts(json.loads(facts), schema.removesuffix("\n"))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        if isinstance(exc, CacheInvalid):
            raise
        raise CacheInvalid(f"not a text of ours: {exc!r}") from exc


def _facts(kept: dict[str, Any], schema: str) -> Capabilities:
    major, minor, micro = kept["version"]
    return Capabilities(
        version=(major, minor, micro),
        package=kept["package"],
        arch=kept["arch"],
        kvm_present=kept["kvm_present"],
        kvm_enabled=kept["kvm_enabled"],
        machines=tuple(Machine(*row) for row in kept["machines"]),
        cpus={
            accel: tuple(CpuModel(n, u, tuple(b), d, a) for n, u, b, d, a in rows)
            for accel, rows in kept["cpus"].items()
        },
        types=frozenset(kept["types"]),
        properties={
            type: {name: (kind, default) for name, (kind, default) in known.items()}
            for type, known in kept["properties"].items()
        },
        options={name: frozenset(known) for name, known in kept["options"].items()},
        migration=frozenset(kept["migration"]),
        tpm_models=tuple(kept["tpm_models"]),
        tpm_types=tuple(kept["tpm_types"]),
        schema=Schema(schema),
    )


def _row(record: Machine | CpuModel) -> list[Any]:
    return [getattr(record, name) for name in record.__slots__]

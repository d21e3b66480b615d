"""Sound cards and where their sound goes: `<sound> <audio>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, ADDRESS, Device
from virtup.model.domain.devices.input import VirtioDriver
from virtup.model.field import Element, at

Sample = Literal["s8", "u8", "s16", "u16", "s32", "u32", "f32"]
NAME = scalar.pattern(r"[^\x00-\x1f]{1,256}", "a name without control characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Element):
    """What hangs on an HDA controller."""

    type: Literal["duplex", "micro", "output"] = at("@type", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound(Device):
    """One sound card."""

    model: Literal["ac97", "es1370", "ich6", "ich9", "usb", "virtio"] = at("@model", required=True)
    multichannel: bool | None = at("@multichannel")
    streams: int | None = at("@streams", scalar.number(1, 64))
    codec: tuple[Codec, ...] = at("codec")
    audio_id: int | None = at("audio/@id", scalar.POSITIVE)
    driver: VirtioDriver | None = at("driver", last=ADDRESS + 1)
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)

    def problems(self) -> Iterator[str]:
        """Settings of another model."""
        if self.codec and self.model not in ("ich6", "ich9"):
            yield f"<codec> belongs to the models 'ich6' and 'ich9', not to '{self.model}'"
        if (self.streams or self.driver) and self.model != "virtio":
            yield f"'streams' and <driver> belong to the model 'virtio', not to '{self.model}'"
        if self.multichannel is not None and self.model != "usb":
            yield f"'multichannel' belongs to the model 'usb', not to '{self.model}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Element):
    """The form of samples."""

    frequency: int | None = at("@frequency", scalar.POSITIVE)
    channels: int | None = at("@channels", scalar.POSITIVE)
    format: Sample | None = at("@format")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Element):
    """Input or output of a backend. Which of its settings a backend has, QEMU knows."""

    mixing_engine: bool | None = at("@mixingEngine")
    fixed_settings: bool | None = at("@fixedSettings")
    voices: int | None = at("@voices", scalar.POSITIVE)
    buffer_length_us: int | None = at("@bufferLength", scalar.POSITIVE)
    dev: str | None = at("@dev", NAME)
    buffer_count: int | None = at("@bufferCount", scalar.POSITIVE)
    try_poll: bool | None = at("@tryPoll")
    name: str | None = at("@name", NAME)
    stream_name: str | None = at("@streamName", NAME)
    latency_us: int | None = at("@latency", scalar.POSITIVE)
    server_name: str | None = at("@serverName", NAME)
    client_name: str | None = at("@clientName", NAME)
    connect_ports: str | None = at("@connectPorts", NAME)
    exact_name: bool | None = at("@exactName")
    settings: Settings | None = at("settings")

    def problems(self) -> Iterator[str]:
        """Fixed settings that are not given, or the other way round."""
        if self.fixed_settings is False and self.settings is not None:
            yield "<settings> needs 'fixedSettings' to be 'yes'"


COMMON = frozenset({"mixing_engine", "fixed_settings", "voices", "buffer_length_us", "settings"})
OWN = {
    "alsa": {"dev", "try_poll"},
    "coreaudio": {"buffer_count"},
    "dbus": set(),
    "file": set(),
    "jack": {"server_name", "client_name", "connect_ports", "exact_name"},
    "none": set(),
    "oss": {"dev", "buffer_count", "try_poll"},
    "pipewire": {"name", "stream_name", "latency_us"},
    "pulseaudio": {"name", "stream_name", "latency_us"},
    "sdl": {"buffer_count"},
}
"""The settings that each backend's streams have beside the common ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio(Element):
    """Where the guest's sound goes."""

    OWNERS: ClassVar[dict[str, str]] = {
        "path": "file",
        "driver": "sdl",
        "server_name": "pulseaudio",
        "runtime_dir": "pipewire",
        "try_mmap": "oss",
        "exclusive": "oss",
        "dsp_policy": "oss",
    }
    id: int = at("@id", scalar.POSITIVE, required=True)
    type: Literal[
        "alsa", "dbus", "file", "jack", "none", "oss", "pipewire", "pulseaudio", "sdl"
    ] = at("@type", required=True)
    timer_period_us: int | None = at("@timerPeriod", scalar.POSITIVE)
    server_name: str | None = at("@serverName", NAME)
    runtime_dir: str | None = at("@runtimeDir")
    path: str | None = at("@path")
    driver: Literal["esd", "alsa", "arts", "pulseaudio"] | None = at("@driver")
    try_mmap: bool | None = at("@tryMMap")
    exclusive: bool | None = at("@exclusive")
    dsp_policy: int | None = at("@dspPolicy", scalar.number(-1, 10))
    input: Stream | None = at("input")
    output: Stream | None = at("output")

    def problems(self) -> Iterator[str]:
        """Settings of another backend."""
        for name, owner in self.OWNERS.items():
            if getattr(self, name) is not None and self.type != owner:
                yield f"<audio> of type '{self.type}' cannot have what belongs to type '{owner}'"
        for stream in (self.input, self.output):
            for name in Stream.__dataclass_fields__:
                if name in ("line", *COMMON, *OWN[self.type]):
                    continue
                if stream is not None and getattr(stream, name) is not None:
                    yield f"<audio> of type '{self.type}' has no stream setting '{name}'"

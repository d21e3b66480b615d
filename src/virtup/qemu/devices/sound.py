"""Options of sound cards and audio backends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.devices.sound import Audio, Sound, Stream
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place, virtio
from virtup.qemu.option import Option, as_json, device

BACKENDS = {"pulseaudio": "pa", "file": "wav"}
CARDS = {
    "ac97": "AC97",
    "es1370": "ES1370",
    "ich6": "intel-hda",
    "ich9": "ich9-intel-hda",
    "usb": "usb-audio",
    "virtio": "virtio-sound-pci",
}
CODECS = {"duplex": "hda-duplex", "micro": "hda-micro", "output": "hda-output"}


def audio(dom: Domain) -> Iterator[Option]:
    """Audio backends."""
    for one in dom.devices.audio:
        content: dict[str, Any] = {
            "id": f"audio{one.id}",
            "driver": BACKENDS.get(one.type, one.type),
            "timer-period": one.timer_period_us,
            "server": one.server_name,
            "try-mmap": one.try_mmap,
            "exclusive": one.exclusive,
            "dsp-policy": one.dsp_policy,
            "path": one.path,
            "in": _stream(one.input),
            "out": _stream(one.output),
        }
        yield as_json("-audiodev", content)


def environment(one: Audio, user_runtime_dir: str | None) -> Iterator[tuple[str, str]]:
    """What a backend takes from QEMU's environment."""
    if one.driver is not None:
        yield "SDL_AUDIODRIVER", one.driver
    if one.type == "pipewire" and (one.runtime_dir or user_runtime_dir):
        yield "PIPEWIRE_RUNTIME_DIR", one.runtime_dir or str(user_runtime_dir)


def _stream(one: Stream | None) -> dict[str, Any] | None:
    if one is None:
        return None
    settings = one.settings
    content = {
        "mixing-engine": one.mixing_engine,
        "fixed-settings": one.fixed_settings,
        "voices": one.voices,
        "buffer-length": one.buffer_length_us,
        "frequency": settings.frequency if settings else None,
        "channels": settings.channels if settings else None,
        "format": settings.format if settings else None,
        "dev": one.dev,
        "buffer-count": one.buffer_count,
        "try-poll": one.try_poll,
        "name": one.name,
        "stream-name": one.stream_name,
        "latency": one.latency_us,
        "server-name": one.server_name,
        "client-name": one.client_name,
        "connect-ports": one.connect_ports,
        "exact-name": one.exact_name,
    }
    return {key: value for key, value in content.items() if value is not None}


def options(dom: Domain) -> Iterator[Option]:
    """Every sound card, with its codecs."""
    for one in dom.devices.sound:
        backend = f"audio{one.audio_id or dom.devices.audio[0].id}"
        content: dict[str, Any] = virtio(one.driver) | {"id": one.alias}
        if one.model not in ("ich6", "ich9"):
            content |= {"audiodev": backend, "multi": one.multichannel, "streams": one.streams}
        at = place(dom, one.address) | {"acpi-index": one.acpi_index}
        yield device(CARDS[one.model], content | at)
        if one.model in ("ich6", "ich9"):
            yield from _codecs(one, backend)


def _codecs(one: Sound, backend: str) -> Iterator[Option]:
    kinds = [codec.type for codec in one.codec] or ["duplex"]
    for number, kind in enumerate(kinds):
        content = {
            "id": f"{one.alias}-codec{number}",
            "bus": f"{one.alias}.0",
            "cad": number,
            "audiodev": backend,
        }
        yield device(CODECS[kind], content)

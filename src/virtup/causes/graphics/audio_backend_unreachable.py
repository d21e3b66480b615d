"""The audio server of the backend cannot be reached from the QEMU process.

## What it means
PulseAudio and PipeWire serve the desktop's user; a QEMU that the system daemon runs under its
own account is refused, or does not find the server at all.

## How to confirm
`grep -e '^user' /etc/libvirt/qemu.conf`; `ls /run/user/*/pulse/native`.

## What to do
`<audio type='none'/>` or spice's sound; or run the guest in `qemu:///session`.

## Strings it goes by
- `pulseaudio: pa_context_connect() failed`
- `Could not init `pa' audio driver`
"""

from __future__ import annotations

from virtup.causes import known, programs
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU296"
SLUG = "audio-backend-unreachable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU cannot reach the host's audio server ({subject}).",
    subject="audio",
    phrases=(
        r"(?:pulseaudio|pipewire|jack|alsa)\S*: (?:pa_context_\w+\(\) failed|reason: (?:connection refused|access denied|timeout)|(?:failed to (?:connect|initialize|open)|could not initialize)[^\n]*)(?![\s\S]*\n(?![^\n]*(?:audio|pulse|pipewire|\bpa\b|alsa|jack))[^\n]*\S)",
        r"could not init [`'](?P<subject>\w+)' audio driver(?![\s\S]*\n(?![^\n]*(?:audio|pulse|pipewire|\bpa\b|alsa|jack))[^\n]*\S)",
    ),
    doubtful=(
        r"failed to initialize P[AW] context",
        r"unknown audio driver [`'](?P<subject>\w+)'",
        r"(?:alsa|audio): (?:could not initialize|failed to (?:open|create voice))[^\n]*",
        r"pa_context_connect\(\) failed",
        r"failed to (?:connect to|initialize) (?:pipewire|pulseaudio)[^\n]*",
        r"could not init [`'](?P<subject>\w+)' audio driver",
    ),
    fixes=(edit("use <audio type='none'/>, or run the guest in qemu:///session"),),
    proof=either(known.AUDIO_MISSING, programs.NO_AUDIO_SERVER),
)
POSITIVE = (
    Evidence(
        stderr="pulseaudio: pa_context_connect() failed\npulseaudio: Reason: Connection refused\naudio: Could not init `pa' audio driver\n"
    ),
    Evidence(stderr="qemu-system-x86_64: Failed to initialize PW context\n"),
)
NEGATIVE = (
    Evidence(
        stderr="audio: Device hda: audiodev default parameter is deprecated, please specify audiodev=a\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

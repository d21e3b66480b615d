"""systemd-machined does not answer, and libvirt registers every guest with it.

## What it means
libvirt asks systemd-machined over D-Bus to make the guest's scope. The service is masked,
fails, or D-Bus was restarted or updated under it, so that no answer comes.

## How to confirm
`systemctl status systemd-machined dbus`; `machinectl list` hangs or fails as well.

## What to do
`systemctl restart systemd-machined`, then the daemon of libvirt. When D-Bus itself was
restarted, only a boot puts everything right.

## Strings it goes by
- `error from service: CreateMachine: Activation of org.freedesktop.machine1 timed out`
- `Failed to activate service 'org.freedesktop.machine1': timed out (service_start_timeout=25000ms)`
- `The name org.freedesktop.machine1 was not provided by any .service files`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU476"
SLUG = "machined-unreachable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="systemd-machined does not answer, so that libvirt cannot register the guest.",
    subject="systemd-machined",
    phrases=(
        r"activation of org\.freedesktop\.machine1 timed out",
        r"failed to activate service 'org\.freedesktop\.machine1'",
        r"org\.freedesktop\.machine1 was not provided by any",
        r"createmachine: (?:did not receive a reply|connection timed out|[^\n]*timed? ?out)[^\n]*",
    ),
    fixes=(Fix("start it anew", ("systemctl restart systemd-machined",), Safety.CONFIRM),),
)
POSITIVE = (
    Evidence(
        error="error: error from service: CreateMachine: Activation of org.freedesktop.machine1 timed out"
    ),
    Evidence(
        error="error: Failed to activate service 'org.freedesktop.machine1': timed out (service_start_timeout=25000ms)"
    ),
)
NEGATIVE = (
    Evidence(error="error from service: CreateMachine: Machine 'qemu-1-vm1' already exists"),
)

probes = _TOLD.probes
find = _TOLD.find

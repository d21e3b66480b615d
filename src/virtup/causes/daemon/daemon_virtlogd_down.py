"""virtlogd is not running or cannot be reached.

## What it means
libvirtd hands the output of each guest's QEMU to virtlogd, and cannot start a guest without it.

## How to confirm
`systemctl status virtlogd.socket virtlogd.service`.

## What to do
`systemctl enable --now virtlogd.socket`; in a container, start `virtlogd -d` before libvirtd. Or
`stdio_handler = "file"` in `/etc/libvirt/qemu.conf`.

## Strings it goes by
- `Failed to connect socket to '/var/run/libvirt/virtlogd-sock': No such file or directory`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU211"
SLUG = "daemon-virtlogd-down"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="virtlogd is not running, and libvirt starts no guest without it.",
    subject="virtlogd",
    phrases=(
        r"(?:failed to|unable to|cannot) connect(?: socket)? to '(?P<subject>[^'\n]*virtlogd-sock)'(?!: permission denied)",
        r"(?:cannot|unable to|failed to|can't) (?:connect|talk) to (?:the )?virtlogd",
        r"virtlogd(?:\.socket|\.service)?[^\n]{0,40}(?:is not running|inactive|failed)",
    ),
    unless=r"log file:? '?/[^\n]*permission denied",
    fixes=(Fix("start it", ("systemctl enable --now virtlogd.socket",), Safety.CONFIRM),),
    proof=hosts.nobody_listens("/run/libvirt/virtlogd-sock"),
)
POSITIVE = (
    Evidence(
        error="error: Failed to connect socket to '/var/run/libvirt/virtlogd-sock': No such file or directory"
    ),
)
NEGATIVE = (
    Evidence(
        error="Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

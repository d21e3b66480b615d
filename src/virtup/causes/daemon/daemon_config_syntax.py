"""A configuration file of the libvirt daemon has an error.

## What it means
The daemon reads `/etc/libvirt/*.conf` when it begins; with an error in one of them the driver, or the
daemon, does not start, and no guest can be managed.

## How to confirm
The message names file and line; `journalctl -u libvirtd -b` has it.

## What to do
Correct the line (values stand in double quotes, lists in brackets), then `systemctl restart libvirtd`.

## Strings it goes by
- `configuration file syntax error: /etc/libvirt/qemu.conf:753: expecting a value`
- `Initialization of QEMU state driver failed: configuration file syntax error`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU403"
SLUG = "daemon-config-syntax"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The configuration of the libvirt daemon has an error: {subject}.",
    otherwise="The configuration of the libvirt daemon has an error.",
    subject="the daemon's configuration",
    phrases=(
        r"configuration file syntax error: (?P<subject>/[^\s:]+(?::\d+)?[^\n]*)",
        r"configuration file syntax error[^\n]*",
        r"(?P<subject>/etc/libvirt/\S+\.conf: \d+): [^\n]*(?:expecting|invalid|expected)[^\n]*",
    ),
    fixes=(
        Fix(
            "correct the line, then restart the daemon",
            ("systemctl restart libvirtd",),
            Safety.CONFIRM,
        ),
    ),
)
POSITIVE = (
    Evidence(
        error="Initialization of QEMU state driver failed: configuration file syntax error: "
        "/etc/libvirt/qemu.conf:753: expecting a value"
    ),
)
NEGATIVE = (
    Evidence(error="Failed to connect socket to '/run/libvirt/libvirt-sock': Connection refused"),
)

probes = _TOLD.probes
find = _TOLD.find

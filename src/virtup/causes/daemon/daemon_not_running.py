"""The libvirt daemon is not running, or listens elsewhere.

## What it means
The client's socket is not there or nobody listens on it: libvirtd is stopped, or the host runs
the modular daemons (virtqemud, virtnetworkd, ...), of which one is not enabled.

## How to confirm
`systemctl list-units --all 'virt*' 'libvirt*'`; `ls /run/libvirt`.

## What to do
`systemctl enable --now libvirtd.socket`, or `virtqemud.socket virtnetworkd.socket
virtstoraged.socket` on a host with modular daemons. Not both.

## Strings it goes by
- `Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory`
- `Failed to connect socket to '/var/run/libvirt/virtqemud-sock': Connection refused`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU213"
SLUG = "daemon-not-running"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="No libvirt daemon listens on '{subject}'.",
    subject="libvirtd",
    phrases=(
        r"(?:failed to|unable to|cannot|could not) connect(?: socket)?[^\n]{0,20}?'?(?P<subject>/[^'\n]*(?:libvirt|virtqemud|virtnetworkd|virtstoraged|virtproxyd|virtnodedevd|virtsecretd|virtinterfaced|virtlockd|virtnwfilterd|virtxend)(?:-admin)?-sock(?:-ro)?)'?[^\n]*(?:no such file|connection refused)",
        r"dial unix (?P<subject>/\S*(?:libvirt|virtqemud|virtnetworkd|virtstoraged|virtproxyd|virtnodedevd|virtsecretd|virtinterfaced|virtxend)(?:-admin)?-sock(?:-ro)?): [^\n]*(?:no such file|connection refused)",
        r"'(?P<subject>/[^'\n]*(?:libvirt|virt(?!log)\w+d)(?:-admin)?-sock(?:-ro)?)': (?:no such file|connection refused)",
        r"libvirtd may need to be started: (?:no such|connection refused)",
    ),
    doubtful=(r"cannot use direct socket mode if no URI is set",),
    fixes=(Fix("start it", ("systemctl enable --now libvirtd.socket",), Safety.CONFIRM),),
    proof=hosts.nobody_listens(),
)
POSITIVE = (
    Evidence(
        error="error: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory"
    ),
    Evidence(
        error="impossibile connettersi a '/app/run/libvirt/libvirt-sock-ro': No such file or directory"
    ),
)
NEGATIVE = (
    Evidence(
        error="Failed to connect socket to '/var/run/libvirt/virtlogd-sock': No such file or directory"
    ),
    Evidence(
        error="Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

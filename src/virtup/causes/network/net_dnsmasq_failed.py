"""The dnsmasq of a libvirt network does not start.

## What it means
A libvirt network runs a dnsmasq for DHCP and DNS on its bridge. It cannot bind its address when
another name server listens on all addresses, or it is not installed.

## How to confirm
`ss -lupn 'sport = :53'`; `virsh net-start NAME` gives dnsmasq's own words.

## What to do
Let the other server listen on its own addresses only (`bind-interfaces` in dnsmasq, `listen-on`
in named), or install dnsmasq.

## Strings it goes by
- `dnsmasq: failed to create listening socket for 192.168.122.1: Address already in use`
- `Cannot check dnsmasq binary /usr/sbin/dnsmasq: No such file or directory`
"""

from __future__ import annotations

from virtup.causes import nets, programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU206"
SLUG = "net-dnsmasq-failed"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The network's dnsmasq does not start ({subject}).",
    otherwise="The network's dnsmasq is not installed.",
    subject="dnsmasq",
    phrases=(
        r"dnsmasq: failed to create listening socket for (?P<subject>[\w.:]+)",
        r"cannot (?:check|find) dnsmasq binary '?(?P<subject>/[^'\s:]+)",
        r"dnsmasq[^\n]*(?P<subject>unknown user or group[^\n]*|cannot open or create lease file[^\n]*)",
        r"(?:unable to|cannot|could not) find 'dnsmasq'",
        r"dnsmasq: (?:failed to (?:bind|create|set)|bad (?:option|command line)|unknown interface)[^\n]*",
        r"child process \([^)\n]*dnsmasq[^)\n]*\) unexpected[^\n]*",
    ),
    fixes=(Fix("let the other name server leave the bridge's address alone, or install dnsmasq"),),
    proof=either(
        nets.NAME_SERVER_TAKEN,
        programs.program_missing("dnsmasq", package="dnsmasq", refutes=False),
    ),
)
POSITIVE = (
    Evidence(
        error="internal error: Child process (/usr/sbin/dnsmasq --conf-file=x) unexpected exit status 2: dnsmasq: failed to create listening socket for 192.168.122.1: Address already in use"
    ),
)
NEGATIVE = (Evidence(error="Failed to find an available port: Address already in use"),)

probes = _TOLD.probes
find = _TOLD.find

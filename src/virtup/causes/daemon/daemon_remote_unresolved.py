"""The name of another host cannot be resolved.

## What it means
A connection or a migration names a host that this host's name service does not know. At a migration
the source also has to know the name that the destination calls itself by (`hostname -f` there).

## How to confirm
`getent hosts NAME` on this host.

## What to do
Enter the name into DNS or `/etc/hosts` on both hosts, or use the address; for a migration name it:
`virsh migrate GUEST qemu+ssh://HOST/system tcp://ADDRESS`.

## Strings it goes by
- `unable to resolve address 'host' service '49155': Name or service not known`
- `Cannot resolve address host port '49155': Name or service not known`
- `unable to connect to server at 'host:16514': Name or service not known`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU406"
SLUG = "daemon-remote-unresolved"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host name '{subject}' cannot be resolved.",
    otherwise="A host name cannot be resolved.",
    subject="the host name",
    phrases=(
        r"(?:unable to|cannot) resolve address '?(?P<subject>[\w.-]+)'? (?:service|port)[^\n]*",
        r"(?:end of file while reading data|cannot recv data): ssh: could not resolve hostname (?P<subject>[\w.-]+)",
        r"unable to connect to (?:libvirt )?(?:server )?at '(?P<subject>[^'\n]+):\d+': (?:name or service not known|temporary failure in name resolution|no address associated)",
    ),
    doubtful=(r"\bssh: could not resolve hostname (?P<subject>[\w.-]+)",),
    fixes=(Fix("see what the name service says", ("getent hosts {subject}",)),),
)
POSITIVE = (
    Evidence(error="unable to resolve address 'host1' service '49155': Name or service not known"),
    Evidence(error="unable to connect to server at 'hostx:16514': Name or service not known"),
    Evidence(
        error="End of file while reading data: ssh: Could not resolve hostname kvm7: Name or service not known"
    ),
)
NEGATIVE = (
    Evidence(error="curl: (6) Could not resolve host: example.org"),
    Evidence(error="error: unable to connect to server at 'host:16509': Connection refused"),
)

probes = _TOLD.probes
find = _TOLD.find

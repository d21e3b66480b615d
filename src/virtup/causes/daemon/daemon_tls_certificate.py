"""A certificate for the connection to a libvirt daemon is missing or refused.

## What it means
`qemu://HOST/system` and `qemu+tls://` speak TLS. Client and server each need their certificate and key, and
the certificate of the authority that signed the other's.

## How to confirm
`virt-pki-validate`; the message names the file.

## What to do
Put the file where the message says. Without a need for TLS: `qemu+ssh://HOST/system`, and on the host itself
`qemu:///system` (three slashes).

## Strings it goes by
- `Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory`
- `Unable to initialize network sockets. Check /var/log/messages or run without --daemon for more info.`
- `authentication failed: Failed to verify peer's certificate`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU404"
SLUG = "daemon-tls-certificate"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The certificate '{subject}' cannot be read.",
    otherwise="A certificate is missing or refused.",
    subject="the certificate",
    phrases=(
        r"cannot read (?:CA |client |server )?(?:certificate|key) '(?P<subject>/[^'\n]+)'[^\n]*",
        r"failed to verify (?:peer|server|client)'?s? ?(?:'s )?certificate[^\n]*",
        r"(?:unable to|cannot) (?:set|import|load) (?:x509 )?(?:CA|client|server) (?:certificate|key)[^\n]*?(?P<subject>/[^\s':]+)?",
    ),
    doubtful=(r"unable to initialize network sockets",),
    unless=r"libvirt-(?:vnc|spice)|tls-creds-x509|(?:qemu|kvm)[\w.-]*: [^\n]*certificate",
    fixes=(
        Fix("see which files are in order", ("virt-pki-validate",)),
        Fix("or connect by qemu+ssh://HOST/system, and to this host by qemu:///system"),
    ),
)
POSITIVE = (
    Evidence(
        error="error: Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory"
    ),
    Evidence(error="authentication failed: Failed to verify peer's certificate"),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-kvm: -object tls-creds-x509,id=vnc-tls-creds0,dir=/etc/pki/libvirt-vnc: The "
        "certificate /etc/pki/libvirt-vnc/server-cert.pem has expired"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -vnc :0,tls-creds=t: Cannot load CA certificate '/etc/pki/qemu/ca-cert.pem': Error while reading file.\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

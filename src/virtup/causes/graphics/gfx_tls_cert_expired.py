"""The TLS certificate of the display server has expired.

## What it means
QEMU checks the server's own certificate when it starts a display (or a migration) with TLS, and
refuses one that is out of its time.

## How to confirm
`openssl x509 -noout -dates -in /etc/pki/libvirt-vnc/server-cert.pem` (or the directory that the
message names).

## What to do
Renew the certificate; check the host's clock.

## Strings it goes by
- `The server certificate /etc/pki/qemu/server-cert.pem has expired`
"""

from __future__ import annotations

from virtup.causes import contents
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU294"
SLUG = "gfx-tls-cert-expired"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The TLS certificate {subject} is out of its time.",
    subject="the certificate",
    phrases=(
        r"certificate (?P<subject>(?!/etc/pki/libvirt/)/\S+) (?:has expired|is expired|is not yet (?:active|valid))[^\n]*",
        r"(?:qemu|spice|reds|vnc|tls-creds)[^\n]{0,120}certificate[^\n]{0,80}(?:has expired|expired|not yet active)[^\n]*",
    ),
    doubtful=(
        r"(?:ca|server|client) certificate (?!/)[^\n]{0,80}(?:has expired|expired|not yet active)[^\n]*",
    ),
    fixes=(Fix("renew the certificate"),),
    proof=contents.OUT_OF_TIME,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: The server certificate /etc/pki/qemu/server-cert.pem has expired\n"
    ),
)
NEGATIVE = (
    Evidence(error="SSL certificate problem: certificate has expired"),
    Evidence(error="The server certificate /etc/pki/libvirt/servercert.pem has expired"),
    Evidence(stderr="reds_init_ssl: Could not use private key file\n"),
)

probes = _TOLD.probes
find = _TOLD.find

"""The TLS key of the display server is unreadable for QEMU.

## What it means
VNC and SPICE with TLS read `server-key.pem` as QEMU's account, and the key belongs to root with
mode 0600.

## How to confirm
`ls -l /etc/pki/libvirt-spice /etc/pki/libvirt-vnc /etc/pki/qemu`.

## What to do
`chgrp QEMU_GROUP server-key.pem; chmod 0640 server-key.pem` (group qemu, libvirt-qemu or kvm).

## Strings it goes by
- `reds_init_ssl: Could not use private key file`
- `Cannot load certificate '/etc/pki/qemu/server-cert.pem' & key '/etc/pki/qemu/server-key.pem': Error while reading file.`
"""

from __future__ import annotations

from virtup.causes import contents, programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU295"
SLUG = "gfx-tls-key-unreadable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU's user cannot use the TLS key {subject} of the display.",
    subject="server-key.pem",
    phrases=(
        r"(?:reds|spice|vnc|qemu)[^\n]*could not (?:use|load|open|read) (?:the )?private key(?: file)?[^\n]*",
        r"cannot load certificate '[^'\n]*' & key '(?P<subject>[^'\n]+)'[^\n]*",
        r"(?:unable to|cannot|could not) (?:access|read|open|load)[^\n]*?'?(?P<subject>/\S*(?:server-key|\.key|key\.pem)[^\s':]*)'?[^\n]*(?:denied|error while reading|unreadable)[^\n]*",
        r"(?:unable to access credentials|could not load certificates from) (?P<subject>/[^\s:]+)[^\n]*",
        r"(?:qemu|kvm)[\w.-]*: [^\n]*(?:unable to import|cannot load) (?:CA |server |client )?certificate (?:list )?'?(?P<subject>/[^\s':]+)[^\n]*",
    ),
    doubtful=(
        r"could not (?:use|load|open|read) (?:the )?private key(?: file)?[^\n]*",
        r"failed to find x509 certificates/keys in (?P<subject>/\S+)",
    ),
    fixes=(Fix("give the key to QEMU's group, with mode 0640"),),
    proof=programs.readable(contents.key_paths),
)
POSITIVE = (
    Evidence(
        stderr="(process:1): Spice-WARNING **: reds.c:2872:reds_init_ssl: Could not use private key file\nqemu-kvm: failed to initialize spice server\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -object tls-creds-x509,id=t,dir=/etc/pki/qemu: Cannot load CA certificate '/etc/pki/qemu/ca-cert.pem': Error while reading file.\n"
    ),
)
NEGATIVE = (Evidence(stderr="The server certificate /etc/pki/qemu/server-cert.pem has expired\n"),)

probes = _TOLD.probes
find = _TOLD.find

"""What the command does without a daemon: a command line for a QEMU that is not here."""

from __future__ import annotations

import uuid

from virtup.host.logfile import command_text
from virtup.model.domain import parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.qemu.argv import build
from virtup.qemu.capabilities import parse_replies
from virtup.qemu.runtime import Runtime


def command_line(xml: str, xml_source: str, replies: str, replies_source: str) -> str:
    """The command line for the definition *xml* on the QEMU whose recorded *replies* are given.

    The sources are the names that errors give the two. Raises VirtError for a definition that is
    refused and a recording that cannot be read.
    """
    caps = parse_replies(replies, source=replies_source)
    domain = complete(
        parse_domain(xml, source=xml_source),
        caps,
        uuid=str(uuid.uuid4()),
        mac=_mac,
        emulator=f"/usr/bin/qemu-system-{caps.arch}",
    )
    domain = with_aliases(domain)
    line = build(domain, caps, Runtime.example(domain))
    return command_text(line.env, line.argv, between=" ")


def _mac() -> str:
    """A MAC address of QEMU's own range, for a definition that names none."""
    raw = uuid.uuid4().bytes[:3]
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in raw)

"""Options of smart cards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.devices.character import Character
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.character import Chardevs
from virtup.qemu.devices.place import place
from virtup.qemu.option import Option, device

DATABASE = "/etc/pki/nssdb"


def options(dom: Domain, ends: Chardevs) -> Iterator[Option]:
    """Every card."""
    for one in dom.devices.smartcard:
        content: dict[str, Any] = {"backend": "nss-emulated"}
        name = "ccid-card-emulated"
        if one.mode == "host-certificates":
            certificates = {f"cert{n}": text for n, text in enumerate(one.certificate, start=1)}
            content = {"backend": "certificates"} | certificates
            content["db"] = one.database or DATABASE
        elif one.type is not None:
            end = Character(
                type=one.type,
                source=one.source,
                protocol=one.protocol,
                alias=one.alias,
                line=one.line,
            )
            yield from ends.options(end)
            name, content = "ccid-card-passthru", {"chardev": f"char{one.alias}"}
        yield device(name, content | {"id": one.alias} | place(dom, one.address))

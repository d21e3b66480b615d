"""Ports and targets of character devices, and the console that is a serial port's other name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtup.model.domain.devices.character import Console, Serial
from virtup.model.domain.draft import Draft


def default_characters(draft: Draft) -> None:
    """Ports and targets of serial ports, and the console that is another name of the first."""
    for kind in ("serial", "parallel", "console", "channel", "smartcard"):
        draft.edit(kind, _plain_protocol)
    _number(draft.lists["serial"])
    draft.edit("serial", _serial_target)
    draft.edit("console", lambda one: replace(one, target_type=one.target_type or "serial"))
    _add_console(draft)
    _number(draft.lists["parallel"])
    consoles = draft.lists["console"]
    for position, one in enumerate(consoles):
        consoles[position] = replace(one, port=position if one.port is None else one.port)
    mirror_console(draft)


def _plain_protocol(one: Any) -> Any:
    """Only TCP has protocols to choose from; the plain one is all that others have."""
    return one if one.type == "tcp" or one.protocol is None else replace(one, protocol=None)


def mirror_console(draft: Draft) -> None:
    """Make the first console, where it is a serial port's other name, say the same as that."""
    serials, consoles = draft.lists["serial"], draft.lists["console"]
    if serials and consoles and consoles[0].target_type == "serial":
        consoles[0] = _console_of(serials[0])


def _add_console(draft: Draft) -> None:
    serials, consoles = draft.lists["serial"], draft.lists["console"]
    is_port = bool(serials) and serials[0].target_type != "isa-debug"
    if is_port and (not consoles or consoles[0].target_type != "serial"):
        consoles[:] = [replace(one, port=None) for one in consoles]
        consoles.insert(0, Console(type=serials[0].type, target_type="serial"))
    elif consoles and not serials and consoles[0].target_type == "serial":
        first = consoles[0]
        serials.append(
            Serial(
                type=first.type,
                source=first.source,
                protocol=first.protocol,
                log=first.log,
                port=first.port or 0,
                target_type="isa-serial",
                model="isa-serial",
                line=first.line,
            )
        )


def _console_of(serial: Serial) -> Console:
    return Console(
        type=serial.type,
        source=serial.source,
        protocol=serial.protocol,
        log=serial.log,
        target_type="serial",
        port=serial.port,
        address=serial.address,
        alias=serial.alias,
        line=serial.line,
    )


def _number(characters: list[Any]) -> None:
    for position, one in enumerate(characters):
        if one.port is None:
            top = max((other.port for other in characters if other.port is not None), default=-1)
            characters[position] = replace(one, port=top + 1)


def _serial_target(one: Serial) -> Serial:
    by_address = {"usb": "usb-serial", "pci": "pci-serial"}
    target: Any = one.target_type
    if target is None:
        kind = one.address.KIND[1] if one.address is not None and one.address.KIND else ""
        target = by_address.get(kind, "isa-serial")
    model: Any = one.model or ("isa-debugcon" if target == "isa-debug" else target)
    return replace(one, target_type=target, model=model)

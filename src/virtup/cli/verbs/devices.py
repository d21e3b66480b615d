"""domblklist, domiflist, ttyconsole, vncdisplay: what a guest's definition says of devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtup.cli.grammar import Failure, flag, guest
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.client.guests import Handle

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

INACTIVE = 2
"""The flag for the definition that the next start will use (``VIR_DOMAIN_XML_INACTIVE``)."""
_VNC_PORT_FIRST = 5900
_INACTIVE_FLAG = flag("inactive", "from the kept definition, not the running guest's")


@verb(
    "domblklist",
    "list the disks of a domain",
    guest(),
    _INACTIVE_FLAG,
    flag("details", "print type and device, too"),
)
def domblklist(run: Run, *, domain: str, inactive: bool, details: bool) -> None:
    """Print the disks of a guest and their sources."""
    items = [_disk(disk) for disk in _devices(run, domain, "disk", inactive=inactive)]
    columns = ["Target", "Source"]
    if details:
        columns = ["Type", "Device", *columns]
    rows = [[item[column.lower()] or "-" for column in columns] for item in items]
    run.table(columns, rows, items)


@verb("domiflist", "list the network interfaces of a domain", guest(), _INACTIVE_FLAG)
def domiflist(run: Run, *, domain: str, inactive: bool) -> None:
    """Print the network interfaces of a guest."""
    items = [_interface(nic) for nic in _devices(run, domain, "interface", inactive=inactive)]
    columns = ["Interface", "Type", "Source", "Model", "MAC"]
    rows = [[item[column.lower()] or "-" for column in columns] for item in items]
    run.table(columns, rows, items)


@verb("ttyconsole", "tell the terminal of a domain's console", guest())
def ttyconsole(run: Run, *, domain: str) -> int:
    """Print the host's terminal device behind the console; status 1 when there is none."""
    root = definition(run, run.guest(domain))
    tty = next((c.get("tty") for c in root.iterfind("devices/console") if c.get("tty")), None)
    if tty is None:
        if run.json:
            run.document({"tty": None})
        return 1
    run.value("tty", tty)
    return 0


@verb("vncdisplay", "tell where the VNC display of a domain is", guest())
def vncdisplay(run: Run, *, domain: str) -> None:
    """Print the address and number of the VNC display."""
    handle = run.guest(domain)
    if not run.conn.call("DOMAIN_IS_ACTIVE", dom=handle)["active"]:
        raise Failure("Domain is not running")
    graphics = definition(run, handle).find("devices/graphics[@type='vnc']")
    port = "" if graphics is None else graphics.get("port", "")
    if graphics is None or not port.lstrip("-").isdigit():
        raise Failure("Failed to get VNC port. Is this domain using VNC?")
    address = graphics.get("listen") or _listen(graphics)
    shown = "" if address in (None, "0.0.0.0") else address  # noqa: S104
    run.value("display", f"{shown}:{int(port) - _VNC_PORT_FIRST}")


def definition(run: Run, handle: Handle, flags: int = 0) -> Element:
    """The definition of a guest, parsed."""
    from xml.etree.ElementTree import fromstring

    xml: str = run.conn.call("DOMAIN_GET_XML_DESC", dom=handle, flags=flags)["xml"]
    return fromstring(xml)  # noqa: S314 - the daemon wrote it


def _devices(run: Run, domain: str, tag: str, *, inactive: bool) -> list[Element]:
    root = definition(run, run.guest(domain), INACTIVE if inactive else 0)
    return root.findall(f"devices/{tag}")


def _disk(disk: Element) -> dict[str, str | None]:
    target = disk.find("target")
    source = disk.find("source")
    names = ("file", "dev", "dir", "name", "volume", "path")
    return {
        "type": disk.get("type"),
        "device": disk.get("device", "disk"),
        "target": None if target is None else target.get("dev"),
        "source": _first(source, names),
    }


def _interface(nic: Element) -> dict[str, str | None]:
    target, model, mac = nic.find("target"), nic.find("model"), nic.find("mac")
    names = ("bridge", "dev", "network", "name", "path")
    return {
        "interface": None if target is None else target.get("dev"),
        "type": nic.get("type"),
        "source": _first(nic.find("source"), names),
        "model": None if model is None else model.get("type"),
        "mac": None if mac is None else mac.get("address"),
    }


def _first(element: Element | None, names: tuple[str, ...]) -> str | None:
    """The first attribute of *element*, as it is written, that is one of *names*."""
    if element is None:
        return None
    return next((value for name, value in element.attrib.items() if name in names and value), None)


def _listen(graphics: Element) -> str | None:
    listen = graphics.find("listen")
    return None if listen is None else listen.get("address")

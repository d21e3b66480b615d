"""Ports that QEMU could not listen on: which, for what, and who has them."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from virtup.causes.finding import NOWHERE, Certainty
from virtup.causes.usage import PortUse, ports
from virtup.causes.words import Seen, errno_of, said
from virtup.model.evidence import Evidence
from virtup.model.probe import PortFact, PortHolder

_BIND = re.compile(
    r"failed to (?:find an available port|bind socket(?: to [^\n:]+)?|listen on socket)(?P<a>[^\n]*)"
    r"|could not set up host forwarding rule '(?P<rule>[^'\n]+)'(?P<b>[^\n]*)"
    r"|(?:reds_init_socket: )?binding socket to (?P<spice>\S+:\d+) failed"
    r"|inet_listen_opts: bind\((?P<family>ipv[46]),(?P<host>[^,\n]*),(?P<bound>\d+)\):?(?P<d>[^\n]*)"
    r"|failed to bind (?:any port|port (?P<passt>\d+) \((?P<e>[^)\n]+)\)) for (?:option )?'-(?P<kind>[tu]) (?P<spec>[^'\n]+)'"
    r"|failed to start vnc server on [`'](?P<old>[^'\n]+)'(?P<c>[^\n]*)",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?:^|\s)(?P<name>-(?:vnc|spice|chardev|serial|monitor|qmp|gdb|incoming|netdev|nic)) "
    r"(?P<value>[^\n]*)$"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A port that was refused, or would be; ``use`` says what for, ``errno`` why if that is known."""

    use: PortUse
    errno: int | None
    seen: Seen | None
    fact: PortFact | None
    certainty: Certainty = Certainty.PROVEN
    """How sure it is, once a process was seen to listen there."""

    @property
    def at(self) -> int:
        """Where the words tell it."""
        return self.seen.at if self.seen else NOWHERE

    @property
    def quotes(self) -> tuple[str, ...]:
        """The line that tells it, if one does."""
        return (self.seen.quote,) if self.seen else ()


def probes(ev: Evidence) -> Iterator[PortHolder]:
    """Ask who has the ports that were refused; before a start, all that it would listen on."""
    if ev.ahead:
        yield from (PortHolder(use.port, use.protocol) for use in ports(ev.argv))
    elif ev.uid is not None:
        yield from (PortHolder(one.use.port, one.use.protocol) for one in taken(ev))


def taken(ev: Evidence) -> list[Taken]:
    """Return the ports that were refused, in the order of the words, or would be."""
    if ev.ahead:
        return list(_foreseen(ev))
    found: list[Taken] = []
    for seen in said(ev).find_all(_BIND):
        for use in _uses(seen):
            fact = ev.fact(PortHolder(use.port, use.protocol)) if ev.uid is not None else None
            number = errno_of(seen["a"] or seen["b"] or seen["c"] or seen["d"] or seen["e"]) or (
                errno.EADDRINUSE if seen["spice"] else None
            )
            known = next((at for at, one in enumerate(found) if one.use.port == use.port), None)
            if known is None:
                found.append(Taken(use, number, seen, fact))
            elif seen["old"] and found[known].seen is not None:  # what the line before was about
                found[known] = replace(found[known], use=use)
    return found


_ANY = {"0.0.0.0", "::", ""}  # noqa: S104


def _foreseen(ev: Evidence) -> Iterator[Taken]:
    """Yield the ports on which another process listens where QEMU would.

    A listener on all addresses of the other family is in the way unless it wants that family
    alone, which the kernel does not show.
    """
    for use in ports(ev.argv):
        fact = ev.fact(PortHolder(use.port, use.protocol))
        if fact is None or use.last > use.port:
            continue
        ours = {"localhost": "127.0.0.1"}.get(use.address, use.address)
        for bound in fact.addresses:
            if ours != bound and not {ours, bound} & _ANY:
                continue
            sure = ours in {bound, ""} or (":" in ours) == (":" in bound)
            certainty = Certainty.PROVEN if sure else Certainty.LIKELY
            yield Taken(use, errno.EADDRINUSE, None, fact, certainty)
            break


def _uses(seen: Seen) -> list[PortUse]:
    if seen["rule"]:
        protocol, address, rest = [*seen["rule"].split(":", 2), "", ""][:3]
        port = rest.partition("-")[0]
        return (
            [PortUse(int(port), "port forward", address, protocol or "tcp")]
            if port.isdigit()
            else []
        )
    if seen["spec"]:
        first = re.search(r"(?:^|[/\s])(\d+)", seen["passt"] or seen["spec"])
        protocol = "udp" if seen["kind"] == "u" else "tcp"
        return [PortUse(int(first[1]), "port forward", "", protocol)] if first else []
    if seen["spice"]:
        address, _, port = seen["spice"].rpartition(":")
        return [PortUse(int(port), "SPICE", address)]
    if seen["bound"]:
        what = "VNC" if "display" in seen.before else "TCP character device"
        return [PortUse(int(seen["bound"]), what, seen["host"])]
    if seen["old"]:
        return list(ports(("qemu", "-vnc", seen["old"])))
    option = _OPTION.search(
        re.sub(r":? *(?:failed to start vnc server:?)? *$", "", seen.before, flags=re.IGNORECASE)
    )
    if option is None:
        return []
    name, value = option["name"], option["value"]
    named = list(ports(("qemu", name, value)))
    listens = re.search(r"(?:tcp:)?([\w.\[\]-]*):(\d+)", value) if not named else None
    if listens and name in {"-serial", "-monitor", "-qmp", "-gdb", "-incoming"}:
        named = [PortUse(int(listens[2]), f"option {name}", listens[1])]
    return named

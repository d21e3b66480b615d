"""What libvirt keeps beside the XML of a saved guest: the CPU exactly as it was."""

from __future__ import annotations

from dataclasses import replace

from virtup.model.document import load
from virtup.model.domain.guest import Domain
from virtup.model.domain.machine import Cpu
from virtup.model.field import Reader, parse_element


def with_cookie(dom: Domain, cookie: str, source: str) -> Domain:
    """Return *dom* with the CPU that *cookie* names; an empty one changes nothing.

    ``<cookie>`` holds the live ``<cpu>`` and a note about libvirt's slirp helper, which is for
    libvirt alone (``qemuDomainSaveCookieFormat``). Raises as `parse_domain` does.
    """
    if not cookie:
        return dom
    element = load(cookie, f"cookie of {source}").find("cpu")
    if element is None:
        return dom
    cpu = parse_element(Cpu, element, Reader(f"cookie of {source}", cookie))
    return replace(dom, cpu=cpu)

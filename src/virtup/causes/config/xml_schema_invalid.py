"""The definition is well-formed XML, and does not follow libvirt's schema.

## What it means
The definition was checked against the schema (`virsh define --validate`, virsh edit, many tools),
and it has an element, an attribute or a value there that libvirt does not know, or in a wrong
place. Without the check libvirt ignores most of them.

## How to confirm
`virt-xml-validate FILE domain` names the element.

## What to do
Correct or remove the element that the lines below the message name.

## Strings it goes by
- `XML document failed to validate against schema: Unable to validate doc against /usr/share/libvirt/schemas/domain.rng`
- `Extra element devices in interleave`
- `Element domain failed to validate content`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU380"
SLUG = "xml-schema-invalid"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The definition does not follow libvirt's schema, at the element '{subject}'.",
    otherwise="The definition does not follow libvirt's schema.",
    subject="the definition",
    phrases=(
        r"failed to validate against schema[^\n]*(?:\n[^\n]*?element (?P<subject>[\w:-]+)[^\n]*)?",
        r"^(?:extra|invalid) element (?P<subject>[\w:-]+) in interleave",
        r"^(?:element|invalid attribute) (?P<subject>[\w:-]+) failed to validate (?:content|attributes)",
    ),
    fixes=(Fix("see which element it is", ("virt-xml-validate FILE domain",)),),
)
POSITIVE = (
    Evidence(
        error="error: XML document failed to validate against schema: Unable to validate doc against "
        "/usr/share/libvirt/schemas/domain.rng\nExtra element devices in interleave\n"
    ),
    Evidence(error="Element domain failed to validate content"),
)
NEGATIVE = (
    Evidence(error="error: (domain_definition):12: Opening and ending tag mismatch: devices"),
)

probes = _TOLD.probes
find = _TOLD.find

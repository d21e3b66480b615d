"""The network filter that an interface names is not defined.

## What it means
libvirt keeps `<filterref filter=...>` as a name, and looks the filter up when the interface is
plugged. The filters that come with libvirt are in a package of their own, and one filter may
refer to others.

## How to confirm
`virsh nwfilter-list` lists what there is.

## What to do
Install `libvirt-daemon-config-nwfilter` (Debian: part of `libvirt-daemon-system`), define the
filter, or remove `<filterref>`.

## Strings it goes by
- `Network filter not found: no nwfilter with matching name 'clean-traffic'`
- `internal error: referenced filter 'no-ip-spoofing' is missing`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU472"
SLUG = "net-filter-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The network filter '{subject}' is not defined.",
    phrases=(
        r"no nwfilter with matching (?:name|uuid) '(?P<subject>[^'\n]+)'",
        r"referenced filter '(?P<subject>[^'\n]+)' is missing",
        r"could not find filter '(?P<subject>[^'\n]+)'",
    ),
    fixes=(
        Fix("see which filters there are, and define it", ("virsh nwfilter-list",)),
        edit("or remove <filterref filter='{subject}'>"),
    ),
    proof=programs.path_exists("/etc/libvirt/nwfilter/{subject}.xml", wanted=False),
)
POSITIVE = (
    Evidence(
        error="error: Network filter not found: no nwfilter with matching name 'clean-traffic'"
    ),
)
NEGATIVE = (
    Evidence(error="error: Network not found: no network with matching name 'clean-traffic'"),
)

probes = _TOLD.probes
find = _TOLD.find

"""Open vSwitch does not run, or does not have the bridge.

## What it means
libvirt adds the port of a guest with `<virtualport type='openvswitch'>` by `ovs-vsctl`, which
talks to the database server of Open vSwitch. It is not running, or knows no bridge of that
name.

## How to confirm
`ovs-vsctl show`; `systemctl status openvswitch-switch` (Debian) or `openvswitch` (Fedora).

## What to do
Start Open vSwitch, then make the bridge if it is not there: `ovs-vsctl add-br NAME`.

## Strings it goes by
- `Unable to add port vnet0 to OVS bridge br-int`
- `ovs-vsctl: unix:/var/run/openvswitch/db.sock: database connection failed (No such file or directory)`
- `ovs-vsctl: no bridge named br-int`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU473"
SLUG = "net-ovs-unreachable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Open vSwitch does not answer, or has no bridge '{subject}'.",
    otherwise="Open vSwitch does not answer.",
    subject="Open vSwitch",
    phrases=(
        r"ovs-vsctl: no bridge named (?P<subject>\S+)",
        r"unable to add port \S+ to OVS bridge (?P<subject>\S+)",
        r"ovs-vsctl: [^\n]*database connection failed[^\n]*",
    ),
    fixes=(Fix("see whether it runs, and start it", ("ovs-vsctl show",)),),
    proof=hosts.nobody_listens("/run/openvswitch/db.sock"),
)
POSITIVE = (
    Evidence(error="error: internal error: Unable to add port vnet0 to OVS bridge br-int"),
    Evidence(
        error="ovs-vsctl: unix:/var/run/openvswitch/db.sock: database connection failed (No such file or directory)"
    ),
)
NEGATIVE = (
    Evidence(error="error: Unable to add bridge br-int port vnet0: Operation not supported"),
)

probes = _TOLD.probes
find = _TOLD.find

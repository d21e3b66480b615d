"""The tap was made in another way than it is to be opened: as a TUN, or for several queues.

## What it means
`ip tuntap add` made an interface of that name that carries IP packets (`mode tun`), while a guest
needs one that carries frames (`mode tap`). Or it was made with `multi_queue`, and whoever opens it
for one queue alone is refused; virtup's taps have one. The kernel says "Invalid argument" for both.

## How to confirm
`ip -d tuntap show dev NAME` prints `tun` or `tap`, and `multi_queue`.

## What to do
Make it anew: `ip tuntap del NAME mode tap`, then `ip tuntap add NAME mode tap user QEMU_USER`; or
let virtup make one, without `managed='no'`.

## Strings it goes by
- `cannot make the tap 'tap7': Invalid argument`
- `could not configure /dev/net/tun (tap7): Invalid argument`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import interfaces
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.who import account_name
from virtup.causes.words import errno_of
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, LinkFact

CODE = "VU531"
SLUG = "net-tap-mismatch"

_SAID = "cannot make the tap 'tap7': Invalid argument"
POSITIVE = (
    Evidence(
        phase="prepare",
        error=_SAID,
        uid=991,
        host={Link("tap7"): LinkFact(exists=True, kind="tun", queues=True)},
    ),
    Evidence(
        phase="prepare",
        error=_SAID,
        uid=991,
        host={Link("tap7"): LinkFact(exists=True, kind="tun", packets=True)},
    ),
)
NEGATIVE = (
    Evidence(
        phase="prepare",
        error=_SAID,
        uid=991,
        host={Link("tap7"): LinkFact(exists=True, kind="tun")},
    ),
    Evidence(phase="prepare", error=_SAID),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the tap."""
    return interfaces.tap_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each tap that does not open as it is to be opened."""
    for named in interfaces.taps_told(ev):
        fact, name = named.fact, named.name
        refused = ev.ahead or errno.EINVAL in {errno_of(named.words), ev.errno}
        if fact is None or not refused or not (fact.packets or fact.queues):
            continue
        what = "a TUN (IP packets, no frames), no tap" if fact.packets else "made with multi_queue"
        mode = "tun" if fact.packets else "tap"
        several = "" if fact.packets else " multi_queue"
        yield _found(
            f"The interface '{name}' is {what}, and the guest's tap with one queue cannot be that.",
            name,
            Certainty.PROVEN,
            (*named.quotes, f"this host: '{name}' is {what} (ip -d tuntap show dev {name})"),
            (
                Fix(
                    "make it anew as a tap with one queue",
                    (
                        f"ip tuntap del {name} mode {mode}{several}",
                        f"ip tuntap add {name} mode tap user {account_name(ev)}",
                    ),
                    Safety.CONFIRM,
                ),
            ),
            named.at,
        )

"""libvirt cannot program the firewall, so the network does not start.

## What it means
A network with NAT or routing needs rules in the host's firewall. libvirt calls iptables,
ip6tables, ebtables or nft (`firewall_backend` in `/etc/libvirt/network.conf`), or firewalld; the
program is missing, the kernel lacks its tables, or firewalld lost its zone 'libvirt'.

## How to confirm
`virsh net-start NAME` gives the message; `iptables -w -t nat -L`, `nft list ruleset` and
`firewall-cmd --state` show which part fails.

## What to do
Install the missing program, load the kernel's modules (after an update of the kernel: boot it),
restart firewalld, or set `firewall_backend`.

## Strings it goes by
- `internal error: Failed to apply firewall rules /usr/sbin/iptables -w --table nat`
- `The name org.fedoraproject.FirewallD1 was not provided by any .service files`
- `firewalld can't find the 'libvirt' zone that should have been installed with libvirt`
- `Failed to initialize a valid firewall backend`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU205"
SLUG = "net-firewall-backend"
ALSO = ("net-network-inactive",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt cannot program the host's firewall ({subject}), which its network needs.",
    otherwise="libvirt may be unable to program the host's firewall, so that its network does not start.",
    subject="the firewall",
    phrases=(
        r"failed to (?:apply|run|execute) firewall (?:rules?|command)[^\n]*?(?P<subject>\b(?:iptables|ip6tables|ebtables|nft)\b)",
        r"failed to (?:apply|run|execute) firewall (?:rules?|command)",
        r"(?:firewalld can't find the|invalid_zone:) '?libvirt",
        r"org\.fedoraproject\.FirewallD1 was not provided",
        r"failed to initiali[sz]e (?:a valid )?firewall backend",
        r"(?:cannot|unable to|failed to) find (?:path for )?'?(?P<subject>iptables|ip6tables|ebtables|nft|firewall-cmd)'?(?: binary)?(?: in (?:\$?PATH))?",
        r"can't initiali[sz]e (?P<subject>ip6?tables) table",
        r"(?P<subject>ip6?tables|ebtables)(?:-\w+)? v?[\d.]+[^\n]*(?:chain_add failed|rule_\w+ failed|incompatible|table does not exist|unable to initialize)",
        r"unable to (?:add|insert|create) (?P<subject>ip6?tables|nftables|ebtables) (?:rule|chain)[^\n]*",
        r"firewall_?backend[^\n]{0,60}(?:not (?:available|supported|found)|unavailable)",
        r"firewalld[^\n]*required firewalld 'libvirt' zone is missing",
        r"INVALID_IPV: [^\n]*is not a valid backend[^\n]*",
        r"COMMAND_FAILED:[^\n]*(?P<subject>ip6?tables|ebtables|nft)",
    ),
    doubtful=(r"network '?[\w.-]+'? is not active",),
    fixes=(Fix("start the network alone: it says what fails", ("virsh net-start NETWORK",)),),
    proof=programs.NO_FIREWALL_TOOL,
    proven="libvirt cannot program the host's firewall, so that its network does not start.",
)
POSITIVE = (
    Evidence(
        error="error: Failed to start network default\nerror: internal error: Failed to apply firewall rules /usr/sbin/iptables -w --table nat --list-rules: iptables v1.8.7 (nf_tables): table `nat' is incompatible, use 'nft' tool."
    ),
    Evidence(
        error="error: The name org.fedoraproject.FirewallD1 was not provided by any .service files"
    ),
)
NEGATIVE = (
    Evidence(error="network is unreachable"),
    Evidence(error="Unable to find 'swtpm_setup' binary in $PATH"),
)

probes = _TOLD.probes
find = _TOLD.find

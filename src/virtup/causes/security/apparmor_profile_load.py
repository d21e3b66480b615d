"""The per-domain AppArmor profile cannot be generated or loaded.

## What it means
libvirt has virt-aa-helper write a profile for each guest and apparmor_parser load it: the helper
rejects a path, an include is missing or broken, or AppArmor is not available (in a container).

## How to confirm
`journalctl -k --grep apparmor`; `apparmor_parser -r /etc/apparmor.d/libvirt/libvirt-UUID` gives
the parser's words.

## What to do
Mend what the parser names (`/etc/apparmor.d/local/`, after an update of the package), or
`security_driver = "none"` only where AppArmor cannot work.

## Strings it goes by
- `cannot load AppArmor profile 'libvirt-0a0b'`
- `error calling aa_change_profile()`
- `virt-aa-helper: error: invalid VM definition`
"""

from __future__ import annotations

from virtup.causes import denied, programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU319"
SLUG = "apparmor-profile-load"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's AppArmor profile ({subject}) cannot be made or loaded.",
    subject="the profile",
    phrases=(
        r"(?:cannot|unable to|failed to|could not) (?:load|update|generate|create|replace|set|parse) (?:the )?AppArmor profile '?(?P<subject>libvirt-[\da-f-]+)?[^\n]*",
        r"AppArmor\b(?!=)[^\n]*['\x22«„](?P<subject>libvirt-[\da-f]{8}-[\da-f-]{27})(?=['\x22»“])",
        r"error calling aa_change_profile[^\n]*",
        r"virt-aa-helper: (?:error|warning)?[^\n]*",
        r"apparmor_parser[^\n]*(?:fail|error|exit)[^\n]*",
        r"AppArmor parser error[^\n]*",
    ),
    fixes=(Fix("hear the parser", ("apparmor_parser -r /etc/apparmor.d/libvirt/libvirt-*",)),),
    proof=either(
        programs.program_missing("apparmor_parser", package="apparmor_parser", refutes=False),
        denied.by("apparmor", "virt-aa-helper"),
    ),
)
POSITIVE = (Evidence(error="internal error: cannot load AppArmor profile 'libvirt-0a0b'"),)
NEGATIVE = (Evidence(error='apparmor="DENIED" operation="open" profile="libvirt-1" name="/img/a"'),)

probes = _TOLD.probes
find = _TOLD.find

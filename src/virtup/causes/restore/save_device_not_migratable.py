"""A device of the guest cannot be saved, so the guest can be neither saved nor migrated.

## What it means
A save is a migration into a file. Host devices (VFIO), shared directories (virtiofs, 9p) and a CPU with
features that cannot be kept (`invtsc`) forbid it.

## How to confirm
The message names the device.

## What to do
Detach the device before the save and attach it after the restore; or shut the guest down in place of saving it
(`ON_SHUTDOWN=shutdown` for libvirt-guests).

## Strings it goes by
- `State blocked by non-migratable device '0000:00:07.0/vhost-user-fs'`
- `domain has assigned non-USB host devices`
- `Migration is disabled when VirtFS export path '/srv' is mounted in the guest`
- `domain has 'invtsc' CPU flag`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU413"
SLUG = "save-device-not-migratable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest cannot be saved or migrated because of '{subject}'.",
    otherwise="The guest has a device that cannot be saved or migrated.",
    subject="a device",
    phrases=(
        r"state blocked by non-migratable device '(?P<subject>[^'\n]+)'",
        r"(?:domain has|cannot migrate (?:a )?domain with) (?P<subject>(?:assigned )?(?:non-USB )?host ?devices?|'?invtsc'? CPU flag)[^\n]*",
        r"migration is disabled when VirtFS export path '(?P<subject>[^'\n]+)'[^\n]*",
        r"(?:\w+: )?(?P<subject>VFIO|vhost-user\S*|virtio-9p)[^\n]{0,20} (?:device )?(?:doesn't|does not) support migration[^\n]*",
    ),
    fixes=(
        Fix("detach it before the save, or shut the guest down instead", ("virsh shutdown NAME",)),
    ),
    proof=contradictions.NOT_MIGRATABLE,
)
POSITIVE = (
    Evidence(
        error="unable to execute QEMU command 'migrate': State blocked by non-migratable device "
        "'0000:00:07.0/vhost-user-fs'"
    ),
    Evidence(error="Requested operation is not valid: domain has assigned non-USB host devices"),
)
NEGATIVE = (Evidence(stderr="qemu-system-x86_64: load of migration failed: Invalid argument"),)

probes = _TOLD.probes
find = _TOLD.find

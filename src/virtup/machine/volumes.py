"""Disks of type ``volume``: the files that their storage pools have for them, found at a start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from virtup.errors import VirtError
from virtup.machine import files
from virtup.model.domain import Domain
from virtup.model.domain.devices.disk import Disk, DiskDriver


class Volumes(Protocol):
    """Who knows the storage pools."""

    async def path_of(self, pool: str, volume: str) -> str:
        """Return the file of a volume; raises VirtError when there is none to be had."""


async def located(domain: Domain, volumes: Volumes, *, cold: bool) -> Domain:
    """Return *domain* with the file of each volume; its XML is the same.

    One that is not to be had and that a start may go on without (``startupPolicy``) stays without
    a file. Raises VirtError for any other.
    """
    found: dict[str, str] = {}
    for disk in of(domain):
        assert disk.source is not None
        try:
            path = await volumes.path_of(str(disk.source.pool), str(disk.source.volume))
        except VirtError:
            if not files.may_miss(disk, cold=cold):
                raise
        else:
            found[disk.target.dev] = path
    return with_files(domain, found)


def of(domain: Domain) -> Iterator[Disk]:
    """Yield the disks that are volumes of pools, those without a medium left out."""
    for disk in domain.devices.disk:
        if disk.type == "volume" and disk.source is not None and disk.source.volume:
            yield disk


def paths(domain: Domain) -> dict[str, str]:
    """Return the files of the volumes, as far as they are known, by the targets of the disks."""
    return {
        disk.target.dev: disk.source.found
        for disk in of(domain)
        if disk.source is not None and disk.source.found
    }


def with_files(domain: Domain, found: Mapping[str, str]) -> Domain:
    """Return *domain* with the files of volumes, by the targets of their disks."""
    if not found:
        return domain
    disks = tuple(
        _located(disk, found[disk.target.dev]) if disk.target.dev in found else disk
        for disk in domain.devices.disk
    )
    return replace(domain, devices=replace(domain.devices, disk=disks))


def _located(disk: Disk, path: str) -> Disk:
    assert disk.source is not None
    driver = disk.driver or DiskDriver(name="qemu")
    return replace(
        disk,
        # as libvirt: what a volume is taken for is the definition's word, and raw without one
        driver=replace(driver, type=driver.type or "raw"),
        source=replace(disk.source, found=path),
    )

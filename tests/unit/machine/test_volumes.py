"""Disks that are volumes: a start has their files, their XML stays what it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from virtup.errors import ConfigUnsupported, PoolNotFound
from virtup.machine import demands, files
from virtup.machine.volumes import located, paths, with_files
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.qemu.devices import disk as argv
from virtup.qemu.runtime import Runtime

VOLUME = (
    "<disk type='volume' device='{device}'><source pool='{pool}' volume='a'{policy}/>"
    "<target dev='{dev}' bus='sata'/></disk>"
)


def disk(dev: str = "sda", *, pool: str = "p", policy: str = "", device: str = "disk") -> str:
    given = f" startupPolicy='{policy}'" if policy else ""
    return VOLUME.format(dev=dev, pool=pool, policy=given, device=device)


def domain(*disks: str) -> Domain:
    return parse_domain(
        "<domain type='qemu'><name>g</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{''.join(disks)}</devices></domain>"
    )


class Shelf:
    """A pool ``p`` with one volume ``a``."""

    async def path_of(self, pool: str, volume: str) -> str:
        if pool != "p":
            raise PoolNotFound(f"no storage pool with matching name '{pool}'")
        return f"/pool/{volume}"


async def test_a_start_has_the_file_and_the_xml_stays() -> None:
    dom = domain(disk())
    found = await located(dom, Shelf(), cold=True)
    assert [one.path for one in files.used(found)] == ["/pool/a"]
    assert files.last_layer(found.devices.disk[0]) == files.Layer(
        "/pool/a", "raw", top=True, lend=True
    )
    text = format_domain(found)
    assert "<disk type='volume' device='disk'>" in text
    assert "<source pool='p' volume='a'/>" in text
    assert "/pool" not in text
    assert paths(found) == {"sda": "/pool/a"}


async def test_a_later_daemon_has_the_files_of_a_guest_that_runs() -> None:
    found = await located(domain(disk(), disk("sdb")), Shelf(), cold=True)
    again = with_files(parse_domain(format_domain(found)), paths(found))
    assert [one.path for one in files.used(again)] == ["/pool/a", "/pool/a"]


async def test_a_definition_without_volumes_asks_nobody() -> None:
    dom = domain("<disk type='file'><source file='/x'/><target dev='sda' bus='sata'/></disk>")
    assert await located(dom, Shelf(), cold=True) is dom


async def test_a_pool_that_is_missing_is_refused() -> None:
    with pytest.raises(PoolNotFound):
        await located(domain(disk(pool="q")), Shelf(), cold=True)


@pytest.mark.parametrize(
    ("device", "policy", "cold", "goes"),
    [
        ("cdrom", "optional", True, True),
        ("cdrom", "requisite", True, False),
        ("cdrom", "requisite", False, True),
        ("disk", "optional", True, True),
        ("disk", "optional", False, False),
    ],
)
async def test_what_may_be_missing_is_left_out(
    device: str, policy: str, cold: bool, goes: bool
) -> None:
    dom = domain(disk(pool="q", policy=policy, device=device))
    if not goes:
        with pytest.raises(PoolNotFound):
            await located(dom, Shelf(), cold=cold)
        return
    found = await located(dom, Shelf(), cold=cold)
    left, dropped = demands.without_missing(found, cold=cold)
    assert [one.path for one in dropped] == ["q/a"]
    kept = [(one.type, one.source) for one in left.devices.disk]
    assert kept == ([("file", None)] if device == "cdrom" else [])


async def test_an_image_that_is_there_is_not_left_out() -> None:
    found = await located(domain(disk(policy="optional")), Shelf(), cold=True)
    here = with_files(found, {"sda": __file__})
    assert demands.without_missing(here, cold=True) == (here, ())


def test_a_command_line_is_never_made_without_the_file() -> None:
    dom = with_aliases(domain(disk()))
    run = Runtime.example(dom, lib_dir="/lib", channel_dir="/channel")
    with pytest.raises(ConfigUnsupported, match="volume 'a' of storage pool 'p': where it lies"):
        list(argv.options(dom, run))


def test_the_file_is_no_part_of_what_a_definition_is() -> None:
    source = domain(disk()).devices.disk[0].source
    assert source is not None
    assert replace(source, found="/x") == source

"""Storage pools and volumes that keep a guest off: what is seen of them, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from virtup.causes.catalogue import diagnose, probes
from virtup.causes.finding import Certainty, Finding, Safety
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, PathAccess, PathFact, Probe
from virtup.model.probe_network import Pool, PoolFact
from virtup.model.repair import Change, EditDefinition, StartPool

OWN = ("/etc/virtup/storage", "/run/virtup/storage")
DEFINITION = (
    "<domain type='kvm'><name>g</name><devices><disk type='volume'>"
    "<source pool='img' volume='a.qcow2'/><target dev='vda'/></disk></devices></domain>"
)
INACTIVE = "unsupported configuration: storage pool 'img' containing volume 'a.qcow2' is not active"
NO_POOL = "Storage pool not found: no storage pool with matching name 'img'"
NO_VOLUME = (
    "Storage volume not found: no storage vol with matching name 'a.qcow2' in pool 'img' ('/img')"
)
GONE = "its directory does not exist (is its file system mounted?)"
Facts = Mapping[Probe[Any], Fact]


def own(error: str, facts: Facts) -> Evidence:
    """A start of a guest of virtup's own that was refused."""
    ev = Evidence(phase="validate", error=error, definition=DEFINITION, uid=991, pools=OWN)
    return ev.with_facts(facts)


def pool(**fact: Any) -> dict[Probe[Any], Fact]:
    return {Pool("img", *OWN): PoolFact(**fact)}


def first(ev: Evidence) -> Finding:
    return diagnose(ev)[0]


def asked(error: str, facts: Facts) -> set[Probe[Any]]:
    return set(probes(own(error, facts)))


def test_a_pool_that_is_off_is_started() -> None:
    found = first(own(INACTIVE, pool(defined=True, path="/img")))
    assert found.slug == "storage-pool-inactive"
    assert found.certainty is Certainty.PROVEN
    assert found.sentence == "The storage pool 'img' is not active."
    assert found.evidence[-1].endswith("not active, and the next boot does not start it")
    start, later = found.fixes
    assert (start.repair, start.safety) == ((StartPool("img"),), Safety.AUTO)
    assert (start.commands, start.undo) == (
        ("virtup pool-start img",),
        ("virtup pool-destroy img",),
    )
    assert (later.commands, later.safety) == (("virtup pool-autostart img",), Safety.MANUAL)


def test_one_that_starts_with_the_host_is_only_started() -> None:
    found = first(own(INACTIVE, pool(defined=True, path="/img", autostart=True)))
    assert len(found.fixes) == 1
    assert "next boot" not in found.evidence[-1]


def test_a_pool_of_stock_libvirt_is_started_by_hand() -> None:
    ev = Evidence(error=INACTIVE, uid=64055).with_facts({Pool("img"): PoolFact(defined=True)})
    start, later = first(ev).fixes
    assert (start.commands, start.repair) == (("virsh pool-start img",), ())
    assert later.commands == ("virsh pool-autostart img",)


def test_a_pool_whose_directory_is_missing_is_not_started_empty() -> None:
    known = pool(defined=True, path="/mnt/img")
    assert PathAccess("/mnt/img") in asked(INACTIVE, known)
    found = first(own(INACTIVE, {**known, PathAccess("/mnt/img"): PathFact(missing="/mnt")}))
    assert "its directory '/mnt/img' does not exist (is its file system mounted?)" in found.sentence
    assert "this host: there is no '/mnt'" in found.evidence
    assert [fix.repair for fix in found.fixes] == [(), ()]
    assert found.fixes[0].text == "mount what belongs at '/mnt/img', and start the pool"
    assert found.fixes[0].commands == (), "an error shows the first fix by its commands alone"
    assert found.fixes[1].commands == ("virtup pool-build img", "virtup pool-start img")


def test_a_pool_that_is_active_by_now_is_not_to_blame() -> None:
    ev = own(INACTIVE, pool(defined=True, active=True, path="/img"))
    assert all(one.certainty is Certainty.POSSIBLE for one in diagnose(ev))


def test_a_pool_that_is_missing_may_be_a_slip() -> None:
    found = first(own(NO_POOL, pool(others=("images", "other", "imgs"))))
    assert found.slug == "storage-pool-missing"
    assert found.certainty is Certainty.PROVEN
    rename, define = found.fixes
    assert rename.repair == (
        EditDefinition((Change("devices/disk/source", "pool", "img", "imgs"),)),
    )
    assert rename.safety is Safety.CONFIRM
    assert define.commands[0] == "virtup pool-define-as img dir --target DIRECTORY"


@pytest.mark.parametrize(
    ("seen", "sentence", "changes"),
    [
        (
            PathFact(missing="/img/a.qcow2"),
            "The storage pool 'img' has no volume 'a.qcow2'.",
            (),
        ),
        (
            PathFact(missing="/img/a.qcow2", nearby=("/img/b.qcow2",)),
            "The storage pool 'img' has no volume 'a.qcow2'.",
            (Change("devices/disk/source", "volume", "a.qcow2", "b.qcow2"),),
        ),
        (
            PathFact(missing="/img"),
            f"The storage pool 'img' has no volume 'a.qcow2': {GONE}.",
            (),
        ),
    ],
)
def test_a_volume_that_is_missing(
    seen: PathFact, sentence: str, changes: tuple[Change, ...]
) -> None:
    known = pool(defined=True, active=True, path="/img")
    assert PathAccess("/img/a.qcow2") in asked(NO_VOLUME, known)
    found = first(own(NO_VOLUME, {**known, PathAccess("/img/a.qcow2"): seen}))
    assert (found.slug, found.certainty) == ("storage-volume-missing", Certainty.PROVEN)
    assert found.sentence == sentence
    assert f"this host: there is no '{seen.missing}'" in found.evidence
    made = [one for fix in found.fixes for one in fix.repair]
    assert made == ([EditDefinition(changes)] if changes else [])


def test_a_volume_that_is_there_by_now_is_not_to_blame() -> None:
    known = pool(defined=True, active=True, path="/img")
    ev = own(NO_VOLUME, {**known, PathAccess("/img/a.qcow2"): PathFact(exists=True)})
    assert all(one.certainty is Certainty.POSSIBLE for one in diagnose(ev))


def test_a_volume_by_its_path_needs_no_pool() -> None:
    error = "Storage volume not found: no storage vol with matching path '/x/a'"
    ev = Evidence(error=error, uid=64055)
    assert PathAccess("/x/a") in set(probes(ev))
    found = first(ev.with_facts({PathAccess("/x/a"): PathFact(missing="/x/a")}))
    assert found.certainty is Certainty.PROVEN
    assert found.sentence == "libvirt knows no storage volume '/x/a' in that pool."

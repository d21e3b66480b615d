"""Guests on volumes of storage pools: from nothing to a running guest, over kill -9, and mended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

VOLUME = (
    "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source pool='images' volume='a.qcow2'/><target dev='vda' bus='virtio'/></disk>"
)


def owner(path: Path) -> int:
    return path.stat().st_uid


def test_a_guest_on_a_volume(daemon: lab.Daemon, guest_dir: Path) -> None:
    virtup, virsh = daemon.virtup, daemon.virsh
    folder = daemon.root / "images"
    image = folder / "a.qcow2"
    file = daemon.root / "vm.xml"
    file.write_text(lab.domain_xml("vm", guest_dir, devices=VOLUME))
    virtup("define", file)
    missing = virtup("start", "vm", check=False).stderr
    assert "no storage pool with matching name 'images'" in missing
    assert "[VU256]" in missing

    virsh("pool-define-as", "images", "dir", "--target", folder)
    virsh("pool-build", "images")
    folder.chmod(0o755)
    virsh("pool-start", "images")
    assert "[VU379]" in virtup("check", "vm", check=False).stdout
    virsh("vol-create-as", "images", "a.qcow2", "8M", "--format", "qcow2")
    assert virtup("vol-path", "a.qcow2", "images").stdout.strip() == str(image)
    assert "vm: would start" in virtup("check", "vm").stdout
    virtup("pool-destroy", "images")

    # what keeps it off is mended, and the mending is found by the next daemon
    said = virtup("fix", "vm", "--apply").stdout
    assert "[VU257]" in said
    assert "virtup pool-start images" in said
    before = virsh("dumpxml", "vm").stdout
    assert "<source pool='images' volume='a.qcow2'/>" in before
    lent = owner(image)
    assert (lent != os.geteuid()) == lab.IS_ROOT, "QEMU's user has it while the guest runs"
    daemon.kill()
    daemon.start()
    assert virsh("dumpxml", "vm").stdout == before
    assert virsh("pool-list").stdout.split()[-3:] == ["images", "active", "no"]
    refused = virsh("vol-delete", "a.qcow2", "images", check=False)
    assert "domain 'vm' runs with" in refused.stderr
    assert image.exists()
    assert owner(image) == lent

    # a managed save rests on the volume's file as on any disk
    virsh("managedsave", "vm")
    assert owner(image) == os.geteuid()
    virsh("start", "vm")
    virsh("destroy", "vm")
    virtup("fix", "vm", "--undo")
    (pool,) = json.loads(virtup("pool-list", "--all", "--json").stdout)
    assert (pool["name"], pool["active"]) == ("images", False)
    virsh("pool-start", "images")
    virsh("undefine", "vm", "--remove-all-storage")
    assert list(folder.iterdir()) == []

"""Guests with UEFI firmware, with a real QEMU and the host's own OVMF."""

from pathlib import Path

import pytest

from tests import lab

CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CODE.exists(), reason=f"no UEFI firmware on this host ({CODE})"),
]


def defined(daemon: lab.Daemon, guest: Path, firmware: str) -> None:
    text = lab.domain_xml("g", guest, memory_mib=256)
    path = daemon.root / "g.xml"
    path.write_text(text.replace("<kernel>", f"{firmware}<kernel>", 1))
    daemon.virsh("define", path)


def test_the_variables_are_made_once_kept_and_removed_when_asked(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    virsh = daemon.virsh
    defined(daemon, guest_dir, f"<loader type='pflash' readonly='yes'>{CODE}</loader>")
    store = daemon.root / "lib/qemu/nvram/g_VARS.fd"
    assert f"<nvram format='raw'>{store}</nvram>" in virsh("dumpxml", "g").stdout
    assert not store.exists()
    virsh("start", "g")
    assert daemon.qemu("g")
    assert store.stat().st_size == VARS.stat().st_size
    virsh("destroy", "g")
    mine = store.stat()
    assert (mine.st_uid, mine.st_mode & 0o777) == (daemon.root.stat().st_uid, 0o600)
    store.write_bytes(VARS.read_bytes()[:-1] + b"\x01")
    virsh("start", "g")
    virsh("destroy", "g")
    assert store.read_bytes()[-1:] == b"\x01"
    virsh("start", "g", "--reset-nvram")
    virsh("destroy", "g")
    assert store.read_bytes()[-1:] != b"\x01"

    refused = virsh("undefine", "g", check=False)
    assert f"cannot undefine domain with nvram: '{store}'" in refused.stderr
    virsh("undefine", "g", "--nvram")
    assert not store.exists()


def test_a_template_that_is_gone_is_named(daemon: lab.Daemon, guest_dir: Path) -> None:
    gone, store = daemon.root / "VARS.fd", daemon.root / "store.fd"
    loader = f"<loader type='pflash' readonly='yes'>{CODE}</loader>"
    defined(daemon, guest_dir, f"{loader}<nvram template='{gone}'>{store}</nvram>")
    refused = daemon.virsh("start", "g", check=False).stderr
    assert f"The NVRAM template '{gone}' does not exist" in " ".join(refused.split())
    assert "[VU416]" in refused
    assert not store.exists()
    gone.write_bytes(VARS.read_bytes())
    daemon.virsh("start", "g")
    assert store.exists()


def test_firmware_that_no_descriptor_knows_needs_a_template(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    own = daemon.root / "CODE.fd"
    own.write_bytes(CODE.read_bytes())
    defined(daemon, guest_dir, f"<loader type='pflash' readonly='yes'>{own}</loader>")
    refused = daemon.virsh("start", "g", check=False).stderr
    assert f"unable to find any master var store for loader: {own}" in refused
    assert "[VU300]" in refused

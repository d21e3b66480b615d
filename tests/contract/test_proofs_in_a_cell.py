"""Proofs by the real thing: the kernel, QEMU and stock libvirt in namespaces of their own.

What this machine has not (VFIO, a file server, AppArmor) is stood in for below /sys, /dev and by
FUSE, and looked at through the very paths of the real one.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.cell import CELL, PRIVATE_DEV, diagnosed
from tests.private import PrivateHost

pytestmark = pytest.mark.root

CARD = "0000:01:00.0"
SOUND = "0000:01:00.1"
SYSFS = """
for place in /sys/bus/pci/devices /sys/kernel/iommu_groups; do
    mount -t tmpfs fake $place
done
for pair in 0000:01:00.0=vfio-pci 0000:01:00.1={sound}; do
    address=${{pair%=*}}
    mkdir -p /sys/bus/pci/devices/$address /sys/kernel/iommu_groups/7/devices
    printf '\\001\\002\\003\\004' >/sys/bus/pci/devices/$address/config
    ln -s ../../drivers/${{pair#*=}} /sys/bus/pci/devices/$address/driver
    ln -s ../../../../kernel/iommu_groups/7 /sys/bus/pci/devices/$address/iommu_group
    ln -s /sys/bus/pci/devices/$address /sys/kernel/iommu_groups/7/devices/$address
done
"""
VETH = "ip link add eth7 type veth peer name eth8"


def only(setup: str, action: dict[str, object], slug: str) -> dict[str, object]:
    found = diagnosed(setup, action)
    assert [one["slug"] for one in found] == [slug], found
    assert found[0]["certainty"] == "proven", found
    return found[0]


def said(error: str = "", **more: object) -> dict[str, object]:
    return {"said": {"error": error, **more}}


# -- devices -----------------------------------------------------------------------------------

NOT_VIABLE = f"vfio {CARD}: group 7 is not viable"


def test_a_group_with_a_device_of_the_hosts() -> None:
    finding = only(SYSFS.format(sound="snd_hda_intel"), said(NOT_VIABLE), "vfio-group-not-viable")
    assert f"{SOUND} (snd_hda_intel)" in str(finding["evidence"])
    assert f"driverctl set-override {SOUND} vfio-pci" in str(finding["fixes"])


def test_a_group_that_is_all_handed_on_by_now() -> None:
    (finding,) = diagnosed(SYSFS.format(sound="vfio-pci"), said(NOT_VIABLE))
    assert finding["certainty"] == "possible"
    assert "no device of group 7 is on a driver of the host" in str(finding["evidence"])


def test_a_group_without_its_node() -> None:
    words = f"vfio {CARD}: failed to open /dev/vfio/7: No such file or directory"
    finding = only(SYSFS.format(sound="nouveau"), said(words), "vfio-not-bound")
    assert f"no /dev/vfio/7; its devices: {CARD} (vfio-pci), {SOUND} (nouveau)" in str(finding)


def test_a_groups_node_that_another_process_has() -> None:
    inside = "mkdir /mnt/vfio && mknod /mnt/vfio/7 c 1 3 && true"
    hold = "sleep 60 >/dev/null 2>&1 </dev/vfio/7 &"
    setup = "\n".join([SYSFS.format(sound="vfio-pci"), PRIVATE_DEV.format(inside=inside), hold])
    words = "failed to open /dev/vfio/7: Device or resource busy"
    finding = only(setup, said(words), "hostdev-in-use")
    assert "/dev/vfio/7 is open in process " in str(finding["evidence"])
    assert "(sleep)" in str(finding["evidence"])


def test_a_device_that_is_off_the_bus() -> None:
    gone = f"printf '\\377\\377\\377\\377' >/sys/bus/pci/devices/{CARD}/config"
    words = f"Unknown PCI header type '127' for device '{CARD}'"
    setup = SYSFS.format(sound="x") + gone
    finding = only(setup, said(words), "hostdev-gone-from-bus")
    assert f"the configuration of {CARD} reads as all ones" in str(finding["evidence"])


def test_a_host_without_an_iommu() -> None:
    words = f"vfio {CARD}: no iommu_group found: No such file or directory"
    setup = "mount -t tmpfs fake /sys/kernel/iommu_groups"
    finding = only(setup, said(words), "vfio-iommu-off")
    assert "/sys/kernel/iommu_groups is empty" in str(finding["evidence"])


# -- the network -------------------------------------------------------------------------------


def test_an_address_that_the_host_has_not() -> None:
    setup = "ip link set lo up && ip addr add 192.0.2.7/24 dev lo"
    finding = only(setup, {"qemu": ["-vnc", "10.9.9.9:3"]}, "gfx-address-unavailable")
    assert "192.0.2.7" in str(finding["evidence"])


def test_a_device_in_a_bridge_carries_no_macvtap() -> None:
    setup = f"{VETH}; ip link add br7 type bridge; ip link set eth7 master br7"
    words = "error creating macvtap interface macvtap0@eth7 (52:54:00:00:00:01): "
    finding = only(setup, said(words + "Device or resource busy"), "net-macvtap-busy")
    assert "'eth7' belongs to 'br7'" in str(finding["evidence"])


def test_a_device_that_is_not_there_and_the_nearest() -> None:
    words = "Unable to get index for interface eth71: No such device"
    finding = only(VETH, said(words), "net-macvtap-dev-missing")
    assert "like it: eth7" in str(finding["evidence"])


def test_a_subnet_that_is_taken() -> None:
    setup = f"{VETH}; ip addr add 10.7.0.1/24 dev eth7; ip link set eth7 up; ip link set eth8 up"
    words = "internal error: Network is already in use by interface eth7"
    finding = only(setup, said(words), "net-subnet-conflict")
    assert "the subnet 10.7.0.0/24 is on 'eth7'" in str(finding["evidence"])


def test_a_bridge_that_the_helper_has_no_rule_for() -> None:
    setup = (
        "mkdir -p /etc/qemu; mount -t tmpfs fake /etc/qemu; "
        "echo 'allow br0' >/etc/qemu/bridge.conf; ip link add br7 type bridge"
    )
    options = ["-netdev", "bridge,id=n,br=br7", "-device", "e1000,netdev=n"]
    finding = only(setup, {"qemu": options}, "net-bridge-helper-acl")
    assert "/etc/qemu/bridge.conf does not allow 'br7'" in str(finding["evidence"])


# -- files and security ------------------------------------------------------------------------


def test_a_file_system_that_refuses_what_the_modes_allow(scratch: Path) -> None:
    for name in ("below", "mount"):
        (scratch / name).mkdir()
    (scratch / "below" / "a.img").write_bytes(b"\0" * 4096)
    (scratch / "below" / "a.img").chmod(0o666)
    setup = f"bindfs --no-allow-other {scratch}/below {scratch}/mount"
    image = f"{scratch}/mount/a.img"
    drive = ["-drive", f"file={image},format=raw,if=virtio"]
    finding = only(setup, {"qemu": drive}, "file-guarded")
    assert finding["subject"] == image
    assert f"'{scratch}/mount' is open to user 'root' alone" in str(finding["sentence"])
    assert f"'{scratch}/mount' is fuse, mounted without allow_other" in str(finding["evidence"])


SILENT = """
import os, signal, subprocess, sys
from tests import lab
from virtup.host.evidence import answer_all
from virtup.model.probe import ImageInfo, PathAccess
from virtup.model.probe_files import Certificate, KernelImage, SavedState
from virtup.model.probe_system import Label, Open
below, mount = sys.argv[1:]
server = subprocess.Popen(["bindfs", "-f", below, mount])
lab.eventually(lambda: os.path.exists(mount + "/a"), "the file system is mounted")
server.send_signal(signal.SIGSTOP)
name = mount + "/b"
probes = [
    PathAccess(name), ImageInfo(name), Certificate(name), KernelImage(name), SavedState(name),
    Label(name), Open(name), Open(name, uid=65534, gids=(65534,)),
]
facts = answer_all(probes, 0.5)
print(*sorted(f"{type(probe).__name__}={fact.late}" for probe, fact in facts.items()), flush=True)
os.kill(server.pid, signal.SIGKILL)
os._exit(0)
"""


def test_no_probe_waits_for_a_file_system_that_does_not_answer(scratch: Path) -> None:
    for name in ("below", "mount"):
        (scratch / name).mkdir()
    (scratch / "below" / "a").touch()
    done = subprocess.run(
        [*CELL, sys.executable, "-c", SILENT, str(scratch / "below"), str(scratch / "mount")],
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        cwd=lab.PROJECT,
        check=True,
    )
    assert done.stdout.split() == [
        f"{name}=True"
        for name in (
            *("Certificate", "ImageInfo", "KernelImage", "Label", "Open", "Open"),
            *("PathAccess", "SavedState"),
        )
    ]


def test_a_denial_in_the_kernels_log() -> None:
    guest = str(uuid.uuid4())
    line = (
        f'audit: type=1400 audit(0.0:1): apparmor="DENIED" operation="open" '
        f'profile="libvirt-{guest}" name="/run/x" comm="swtpm"'
    )
    setup = (
        "mount -t tmpfs fake /sys/kernel/security; "
        f"printf capability,apparmor >/sys/kernel/security/lsm; echo '{line}' >/dev/kmsg"
    )
    words = "swtpm process terminated unexpectedly.\nCould not start the TPM 2."
    finding = only(setup, said(words, uuid=guest), "tpm-swtpm-apparmor")
    assert f'profile="libvirt-{guest}"' in str(finding["evidence"])


def test_no_security_module_is_blamed_where_none_is_on() -> None:
    setup = "mount -t tmpfs fake /sys/kernel/security; printf lockdown >/sys/kernel/security/lsm"
    words = "swtpm process terminated unexpectedly.\nCould not start the TPM 2."
    slugs = {one["slug"] for one in diagnosed(setup, said(words))}
    assert not slugs & {"tpm-swtpm-apparmor", "tpm-swtpm-selinux"}


# -- the command line against itself, in this QEMU's words -------------------------------------


@pytest.mark.parametrize(
    ("options", "slug", "fact"),
    [
        (["-device", "e1000,bus=pci.7"], "qemu-bus-missing", "e1000 is on bus 'pci.7'"),
        (
            ["-device", "e1000,addr=5", "-device", "rtl8139,addr=5"],
            "pci-addr-conflict-qemu-arg",
            "e1000 and rtl8139 have addr=5",
        ),
        (["-smp", "300"], "config-vcpu-limit", "-smp 300"),
        (
            ["-smp", "4,sockets=1,cores=1,threads=1"],
            "config-cpu-topology",
            "the product is 1",
        ),
        (["-cpu", "host"], "cpu-host-mode-without-kvm", "it has -cpu host and no KVM"),
        (
            ["-device", "virtio-blk-pci,iothread=iothread5"],
            "config-iothread-undefined",
            "no object makes it",
        ),
        (["-vnc", "none", "-k", "xx"], "qemu-data-file-missing", "keymaps/xx"),
        (["-soundhw", "hda"], "qemu-arg-syntax-changed", "does not list the option 'soundhw'"),
        (
            ["-device", "e1000,romfile=none.rom"],
            "fw-rom-missing",
            "no 'none.rom' in ",
        ),
    ],
)
def test_qemu_refuses_and_the_command_line_shows_why(
    options: list[str], slug: str, fact: str
) -> None:
    finding = only("true", {"qemu": ["-machine", "pc,accel=tcg", *options]}, slug)
    assert fact in str(finding["evidence"])


def test_a_block_driver_whose_module_is_not_installed() -> None:
    if not lists("block-block-rbd not found", "-drive", "file=rbd:p/x,if=virtio"):
        pytest.skip("this QEMU has the rbd driver")
    options = ["-machine", "pc,accel=tcg", "-drive", "file=rbd:p/x,if=virtio"]
    finding = only("true", {"qemu": options}, "qemu-block-driver-missing")
    assert "does not list the block driver 'rbd'" in str(finding["evidence"])
    assert "install" in str(finding["fixes"])


def lists(words: str, *options: str) -> bool:
    """Does this QEMU, on its way to its end, say *words* of *options*?"""
    done = subprocess.run(
        [lab.QEMU, "-display", "none", *options],
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        check=False,
    )
    return words in done.stderr


# -- stock libvirt's own files -----------------------------------------------------------------


@pytest.fixture(scope="module")
def stock() -> Iterator[PrivateHost]:
    host = PrivateHost()
    host.start_stock()
    yield host
    host.close()


def look(host: PrivateHost, probe: str) -> str:
    """What the *probe* sees in the host, as a string."""
    program = (
        "from virtup.host.evidence import answer\n"
        "from virtup.model.probe_network import Network, Pool\n"
        "from virtup.model.probe_system import Listener\n"
        f"print(answer({probe}))"
    )
    return host.run(sys.executable, "-c", program).stdout.strip()


def test_a_network_of_stock_libvirt(stock: PrivateHost) -> None:
    place = stock.outside("/run/net.xml")
    place.write_text("<network><name>iso</name><bridge name='virbr7'/></network>")
    assert "defined=False" in look(stock, "Network('iso')")
    stock.virsh("net-define", "/run/net.xml")
    assert "defined=True, active=False, autostart=False" in look(stock, "Network('iso')")
    stock.virsh("net-autostart", "iso")
    stock.virsh("net-start", "iso")
    seen = look(stock, "Network('iso')")
    assert "defined=True, active=True, autostart=True, bridge='virbr7'" in seen
    stock.virsh("net-destroy", "iso")
    stock.virsh("net-undefine", "iso")
    assert "defined=False" in look(stock, "Network('iso')")


def test_a_pool_of_stock_libvirt(stock: PrivateHost) -> None:
    stock.virsh("pool-define-as", "shed", "dir", "--target", "/var/lib/libvirt")
    assert "defined=True, active=False" in look(stock, "Pool('shed')")
    stock.virsh("pool-start", "shed")
    assert "defined=True, active=True" in look(stock, "Pool('shed')")
    stock.virsh("pool-destroy", "shed")
    stock.virsh("pool-undefine", "shed")
    assert "defined=False" in look(stock, "Pool('shed')")


def test_stock_daemons_listen(stock: PrivateHost) -> None:
    assert "listening=True" in look(stock, "Listener('/var/run/libvirt/libvirt-sock')")
    assert "exists=False" in look(stock, "Listener('/run/libvirt/virtqemud-sock')")

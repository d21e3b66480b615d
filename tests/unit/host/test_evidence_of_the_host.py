"""Probes of the host as a whole, of its devices and of libvirt's files, below a root of their own."""

from __future__ import annotations

import os
import resource
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from virtup.host.evidence import answer, hostfs, kernel
from virtup.model import save_image
from virtup.model.probe import (
    AudioDrivers,
    BlockDrivers,
    Displays,
    ImageFact,
    ImageInfo,
    NamesFact,
    NetDrivers,
    Objects,
    Probe,
    SpiceSettings,
    Unanswered,
)
from virtup.model.probe_devices import (
    GroupFact,
    IommuGroup,
    PciDevice,
    PciFact,
    PciNeighbour,
    Usb,
    UsbDevice,
    UsbFact,
    Vfio,
    VfioFact,
)
from virtup.model.probe_files import (
    Certificate,
    CertificateFact,
    Firmware,
    FirmwareFact,
    KernelImage,
    KernelImageFact,
    Run,
    RunFact,
    SavedState,
    SavedStateFact,
)
from virtup.model.probe_network import (
    Addresses,
    AddressesFact,
    Carried,
    CarriedFact,
    Network,
    NetworkFact,
    Pool,
    PoolFact,
)
from virtup.model.probe_system import (
    CgroupFact,
    Cgroups,
    Cpu,
    CpuFact,
    Denials,
    DenialsFact,
    IoUring,
    IoUringFact,
    Label,
    LabelFact,
    Limits,
    LimitsFact,
    Listener,
    ListenerFact,
    LogTail,
    LogTailFact,
    Module,
    ModuleFact,
    Open,
    OpenFact,
    OpenFiles,
    OpenFilesFact,
    Program,
    ProgramFact,
    Setting,
    SettingFact,
    System,
    SystemFact,
)

NOBODY = 65534
PCI = "0000:01:00.0"
AUDIO = "0000:01:00.1"
BRIDGE = "0000:00:01.0"
as_root = pytest.mark.root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """A host made of files: call it with a path and what the file there says."""
    monkeypatch.setattr(hostfs, "ROOT", str(tmp_path))

    def put(path: str, text: str = "") -> Path:
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    return put


def seen(probe: Probe[Any], kind: type) -> Any:
    fact = answer(probe)
    assert isinstance(fact, kind), fact
    return fact


def link(root: Path, path: str, target: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


# -- devices -----------------------------------------------------------------------------------


@pytest.fixture
def board(root: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A graphics card with its sound behind a bridge, all in IOMMU group 7."""
    for address, driver, kind in (
        (PCI, "vfio-pci", "0x030000"),
        (AUDIO, "snd_hda_intel", "0x040300"),
        (BRIDGE, "pcieport", "0x060400"),
    ):
        folder = f"/sys/bus/pci/devices/{address}"
        root(f"{folder}/class", kind + "\n")
        root(f"{folder}/config", "\x01\x02\x03\x04")
        link(tmp_path, f"{folder}/driver", f"../../drivers/{driver}")
        link(tmp_path, f"{folder}/iommu_group", "/sys/kernel/iommu_groups/7")
        link(tmp_path, f"/sys/kernel/iommu_groups/7/devices/{address}", folder)
    root(f"/sys/bus/pci/devices/{PCI}/reset")
    return root


def test_a_pci_device_with_its_group(board: Callable[..., Path]) -> None:
    fact = seen(PciDevice(PCI), PciFact)
    assert (fact.driver, fact.group, fact.resets, fact.answers) == ("vfio-pci", "7", True, True)
    assert fact.iommu
    assert fact.members == (
        PciNeighbour(BRIDGE, "pcieport", bridge=True),
        PciNeighbour(PCI, "vfio-pci"),
        PciNeighbour(AUDIO, "snd_hda_intel"),
    )
    assert not seen(PciDevice(AUDIO), PciFact).resets


def test_a_device_off_the_bus_reads_as_ones(board: Callable[..., Path]) -> None:
    board(f"/sys/bus/pci/devices/{PCI}/config").write_bytes(b"\xff" * 64)
    assert not seen(PciDevice(PCI), PciFact).answers
    assert seen(PciDevice("0000:09:00.0"), PciFact) == PciFact(iommu=True)


def test_what_is_no_address_is_not_looked_for(board: Callable[..., Path]) -> None:
    assert isinstance(answer(PciDevice("../../../etc")), Unanswered)
    assert isinstance(answer(IommuGroup("../7")), Unanswered)


def test_a_group_and_who_has_its_node(board: Callable[..., Path]) -> None:
    assert seen(IommuGroup("8"), GroupFact) == GroupFact()
    assert not seen(IommuGroup("7"), GroupFact).node
    board("/dev/vfio/7")
    fact = seen(IommuGroup("7"), GroupFact)
    assert (fact.node, fact.holders) == (True, ())


def test_vfio_as_a_whole(board: Callable[..., Path]) -> None:
    assert seen(Vfio(), VfioFact) == VfioFact(groups=1)
    board("/dev/vfio/vfio")
    board("/sys/bus/pci/drivers/vfio-pci/bind")
    board("/sys/class/mdev_bus/x/y")
    assert seen(Vfio(), VfioFact) == VfioFact(True, True, 1, True)


def test_usb_devices(root: Callable[..., Path]) -> None:
    folder = "/sys/bus/usb/devices/1-4"
    for name, text in (
        ("idVendor", "046d"),
        ("idProduct", "c52b"),
        ("busnum", "1"),
        ("devnum", "4"),
        ("manufacturer", "Logitech"),
        ("product", "Receiver"),
    ):
        root(f"{folder}/{name}", text + "\n")
    root("/sys/bus/usb/devices/1-0:1.0/bInterfaceClass", "09\n")
    assert seen(Usb(), UsbFact).devices == (UsbDevice("046d", "c52b", 1, 4, "Logitech Receiver"),)


# -- libvirt's files and the network -----------------------------------------------------------

NETWORK = (
    "<network><name>{0}</name><uuid>11111111-2222-4333-8444-555555555555</uuid>"
    "<bridge name='virbr7'/><ip address='10.7.0.1' netmask='255.255.255.0'/></network>"
)


def test_a_network_by_its_files(root: Callable[..., Path]) -> None:
    root("/etc/libvirt/qemu/networks/lan.xml", NETWORK.format("lan"))
    root("/etc/libvirt/qemu/networks/cut.xml", "<network><name>cut")
    fact = seen(Network("lan"), NetworkFact)
    assert fact == NetworkFact(True, False, False, "virbr7", ("10.7.0.0/24",), ("lan",))
    root("/run/libvirt/network/lan.xml", f"<networkstatus>{NETWORK.format('lan')}</networkstatus>")
    root("/etc/libvirt/qemu/networks/autostart/lan.xml", "")
    fact = seen(Network("11111111-2222-4333-8444-555555555555"), NetworkFact)
    assert (fact.defined, fact.active, fact.autostart) == (True, True, True)
    assert seen(Network("wan"), NetworkFact) == NetworkFact(others=("lan",))


def test_a_pool_by_its_files(root: Callable[..., Path]) -> None:
    root("/etc/libvirt/storage/images.xml", "<pool type='dir'><name>images</name></pool>")
    assert seen(Pool("images"), PoolFact) == PoolFact(True, False, ("images",))
    root(
        "/run/libvirt/storage/images.xml", "<poolstate><pool><name>images</name></pool></poolstate>"
    )
    assert seen(Pool("images"), PoolFact).active
    assert not seen(Pool("other"), PoolFact).defined


def test_a_pool_of_virtups_own(root: Callable[..., Path]) -> None:
    target = "<target><path>/img</path></target>"
    root("/own/storage/p.xml", f"<pool type='dir'><name>p</name>{target}</pool>")
    root("/own/storage/autostart/p.xml", "")
    asked = Pool("p", "/own/storage", "/own/active")
    assert seen(asked, PoolFact) == PoolFact(True, False, ("p",), "/img", autostart=True)
    moved = target.replace("img", "was")
    root("/own/active/p.xml", f"<poolstate><pool><name>p</name>{moved}</pool></poolstate>")
    assert seen(asked, PoolFact) == PoolFact(True, True, ("p",), "/was", autostart=True)
    assert seen(Pool("p"), PoolFact) == PoolFact(), "libvirt has none"


def test_addresses_and_routes(root: Callable[..., Path]) -> None:
    root(
        "/proc/net/fib_trie",
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.2\n        /32 host LOCAL\n"
        "     |-- 192.0.2.255\n        /32 link BROADCAST\n",
    )
    root("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80 lo\n")
    root(
        "/proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
        "virbr0\t007AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
    )
    fact = seen(Addresses(), AddressesFact)
    assert fact.addresses == ("192.0.2.2", "::1")
    assert fact.routes == (("192.168.122.0/24", "virbr0"),)


def test_what_a_network_device_carries(root: Callable[..., Path], tmp_path: Path) -> None:
    root("/sys/class/net/eth0/flags", "0x1003\n")
    root("/sys/class/net/macvtap0/macvtap/tap5")
    link(tmp_path, "/sys/class/net/macvtap0/lower_eth0", "../eth0")
    link(tmp_path, "/sys/class/net/eth0/master", "../br0")
    fact = seen(Carried("eth0"), CarriedFact)
    assert fact == CarriedFact(True, "br0", True, (("macvtap0", "macvtap"),))
    assert seen(Carried("eth1"), CarriedFact).nearby == ("eth0",)


# -- the host as a whole -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "packager"),
    [
        ('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n', "apt"),
        ("ID=linuxmint\nID_LIKE=ubuntu\n", "apt"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper"),
        ("ID=manjaro\nID_LIKE=arch\n", "pacman"),
        ("ID=alpine\n", "apk"),
        ("ID=nixos\n", ""),
    ],
)
def test_the_packager_of_a_distribution(
    root: Callable[..., Path], release: str, packager: str
) -> None:
    root("/etc/os-release", release)
    assert seen(System(), SystemFact).packager == packager


def test_security_modules(root: Callable[..., Path]) -> None:
    assert seen(System(), SystemFact).lsm == ()
    root("/sys/module/apparmor/parameters/enabled", "Y\n")
    assert seen(System(), SystemFact).lsm == ("apparmor",)
    root("/sys/kernel/security/lsm", "capability,selinux")
    root("/sys/fs/selinux/enforce", "0")
    fact = seen(System(), SystemFact)
    assert (fact.lsm, fact.selinux) == (("capability", "selinux"), "permissive")


def test_a_setting(root: Callable[..., Path]) -> None:
    root("/sys/module/kvm_amd/parameters/sev", "N\n")
    assert seen(Setting("/sys/module/kvm_amd/parameters/sev"), SettingFact).value == "N"
    assert not seen(Setting("/proc/none"), SettingFact).exists
    assert isinstance(answer(Setting("/home/me/secret")), Unanswered)


def test_a_program_is_the_first_that_can_be_run(root: Callable[..., Path]) -> None:
    assert seen(Program("swtpm"), ProgramFact) == ProgramFact()
    root("/usr/local/bin/swtpm", "#!")
    assert seen(Program("swtpm"), ProgramFact) == ProgramFact("/usr/local/bin/swtpm")
    root("/usr/bin/swtpm", "#!").chmod(0o755)
    assert seen(Program("swtpm"), ProgramFact) == ProgramFact("/usr/bin/swtpm", executable=True)
    assert not seen(Program("/usr/local/bin/swtpm"), ProgramFact).executable


@as_root
def test_a_program_that_runs_as_root(root: Callable[..., Path]) -> None:
    root("/usr/lib/qemu/qemu-bridge-helper", "#!").chmod(0o4755)
    assert seen(Program("qemu-bridge-helper"), ProgramFact).setuid


def test_modules(root: Callable[..., Path]) -> None:
    release = os.uname().release
    root(f"/lib/modules/{release}/modules.dep", "kernel/net/vhost-net.ko.xz: kernel/x.ko\n")
    assert seen(Module("vhost_net"), ModuleFact) == ModuleFact(available=True)
    assert seen(Module("floppy"), ModuleFact) == ModuleFact()
    root("/sys/module/nvidia_drm/refcnt", "4\n")
    root("/sys/module/nvidia_drm/holders/nvidia_modeset/x")
    assert seen(Module("nvidia-drm"), ModuleFact) == ModuleFact(True, True, 4, ("nvidia_modeset",))
    root("/sys/module/kvm/parameters/x")
    assert seen(Module("kvm"), ModuleFact).references == -1


def test_the_processor(root: Callable[..., Path]) -> None:
    root(
        "/proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some CPU\n"
        "flags\t\t: fpu vmx\naddress sizes\t: 46 bits physical, 48 bits virtual\n\n"
        "processor\t: 1\nflags\t\t: other\n",
    )
    fact = seen(Cpu(), CpuFact)
    assert (fact.vendor, fact.model, fact.flags) == ("GenuineIntel", "Some CPU", ("fpu", "vmx"))
    assert fact.physical_bits == 46


def test_control_groups_of_both_kinds(root: Callable[..., Path]) -> None:
    assert seen(Cgroups(), CgroupFact) == CgroupFact()
    root("/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t1\t1\t1\n")
    root("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    assert seen(Cgroups(), CgroupFact) == CgroupFact(1, ("memory",))
    root("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
    assert seen(Cgroups(), CgroupFact).swap
    root("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    assert seen(Cgroups(), CgroupFact) == CgroupFact(2, ("cpu", "memory"))
    root("/sys/fs/cgroup/machine.slice/memory.swap.max", "max\n")
    assert seen(Cgroups(), CgroupFact).swap


def test_the_end_of_a_log(root: Callable[..., Path]) -> None:
    assert not seen(LogTail("/var/log/x.log"), LogTailFact).exists
    root("/var/log/x.log", "\n".join(f"line {n}" for n in range(9000)) + "\n\n")
    assert seen(LogTail("/var/log/x.log"), LogTailFact).lines[-1] == "line 8999"


def test_our_own_limits_are_told() -> None:
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    fact = seen(Limits(), LimitsFact)
    assert fact.locked_bytes == (-1 if hard == resource.RLIM_INFINITY else hard)


def test_the_kernel_says_whether_it_takes_io_uring(root: Callable[..., Path]) -> None:
    root("/proc/sys/kernel/io_uring_disabled", "2\n")
    assert seen(IoUring(), IoUringFact) == IoUringFact(offered=False, disabled="2")


def test_a_listener_is_told_from_a_file(scratch: Path) -> None:
    place = scratch / "s"
    assert not seen(Listener(str(place)), ListenerFact).exists
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        assert not seen(Listener(str(place)), ListenerFact).listening
        server.listen()
        assert seen(Listener(str(place)), ListenerFact).listening
    fact = seen(Listener(str(place)), ListenerFact)
    assert (fact.exists, fact.listening) == (True, False)


def test_who_has_a_file_open(scratch: Path) -> None:
    place = scratch / "f"
    place.touch()
    assert seen(OpenFiles(str(place)), OpenFilesFact).holders == ()
    with place.open():
        holders = seen(OpenFiles(str(place)), OpenFilesFact).holders
    assert [one.pid for one in holders] == [os.getpid()]
    assert not seen(OpenFiles(str(scratch / "none")), OpenFilesFact).exists


# -- security ----------------------------------------------------------------------------------


def test_denials_of_the_audit_log(
    root: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    ours = f'type=AVC msg=audit({now - 5:.3f}:7): avc:  denied  {{ read }} for pid=9 name="a.img"'
    old = ours.replace(f"{now - 5:.3f}", f"{now - 9000:.3f}")
    hexed = (
        f"type=AVC msg=audit({now - 4:.3f}:8): avc:  denied  {{ read }} name={b'x y'.hex().upper()}"
    )
    root("/var/log/audit/audit.log", f"{old}\n{ours}\n{hexed}\ntype=LOGIN a.img\n")
    monkeypatch.setattr(kernel, "_KMSG", "/dev/none")
    assert seen(Denials(("a.img",)), DenialsFact) == DenialsFact(True, (ours,))
    assert seen(Denials(("x y",)), DenialsFact).lines == (hexed,)
    assert seen(Denials(("img",), within_s=99999), DenialsFact).lines == (old, ours)
    assert seen(Denials(("pid=99",)), DenialsFact).lines == ()


def test_no_log_is_not_a_log_without_denials(
    root: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_KMSG", "/dev/none")
    assert seen(Denials(("a",)), DenialsFact) == DenialsFact(readable=False)


@as_root
def test_what_is_remembered_with_a_file(scratch: Path) -> None:
    place = scratch / "f"
    place.touch()
    assert seen(Label(str(place)), LabelFact).remembered == ()
    try:
        os.setxattr(place, "trusted.libvirt.security.ref_dac", b"2")
    except OSError as error:
        pytest.skip(f"no trusted attributes here: {error}")
    assert seen(Label(str(place)), LabelFact).remembered == (("dac", 2),)


# -- content -----------------------------------------------------------------------------------


def test_kernels_by_their_first_bytes(scratch: Path) -> None:
    place = scratch / "k"
    head = bytearray(4096)
    head[0x1F1] = 1
    head[0x1F4:0x1F8] = struct.pack("<I", 100)
    head[0x202:0x206] = b"HdrS"
    place.write_bytes(head)
    assert seen(KernelImage(str(place)), KernelImageFact) == KernelImageFact("bzImage", 4096)
    place.write_bytes(head[:2048])
    assert seen(KernelImage(str(place)), KernelImageFact).cut
    for words, kind in ((b"MZ", "PE"), (b"\x1f\x8b", "compressed"), (b"plain text", "")):
        place.write_bytes(words.ljust(64))
        assert seen(KernelImage(str(place)), KernelImageFact).kind == kind
    assert isinstance(answer(KernelImage("/dev/null")), Unanswered)


def test_a_real_kernel_and_a_cut_one(scratch: Path) -> None:
    whole = lab.guest_dir() / "vmlinuz"
    assert seen(KernelImage(str(whole)), KernelImageFact).cut is False
    place = scratch / "vmlinuz"
    place.write_bytes(whole.read_bytes()[:100_000])
    assert seen(KernelImage(str(place)), KernelImageFact).cut


@pytest.mark.parametrize(
    ("begins", "ends", "state"),
    [
        ("20200101000000Z", "20210101000000Z", "expired"),
        ("20200101000000Z", "20990101000000Z", "valid"),
        ("20900101000000Z", "20990101000000Z", "early"),
    ],
)
def test_a_certificates_time(scratch: Path, begins: str, ends: str, state: str) -> None:
    key, place = scratch / "key.pem", scratch / "cert.pem"
    folder = scratch / "ca"
    folder.mkdir()
    (folder / "index.txt").touch()
    (folder / "conf").write_text(
        f"[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\n"
        "default_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n"
    )
    made = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
    request = scratch / "r.pem"
    for words in (
        [*made, "-keyout", str(key), "-out", str(request)],
        [
            "ca",
            "-config",
            str(folder / "conf"),
            "-selfsign",
            "-keyfile",
            str(key),
            "-batch",
            "-in",
            str(request),
            "-out",
            str(place),
            "-startdate",
            begins,
            "-enddate",
            ends,
        ],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    fact = seen(Certificate(str(place)), CertificateFact)
    assert fact.state == state
    assert fact.ends.startswith(ends[:4])
    assert isinstance(answer(Certificate(str(key))), Unanswered)


def test_firmware_by_its_descriptors(root: Callable[..., Path]) -> None:
    text = (
        '{"interface-types": ["uefi"], "features": ["secure-boot"], "targets":'
        ' [{"architecture": "x86_64", "machines": ["pc-q35-*"]}], "mapping":'
        ' {"executable": {"filename": "/f/CODE.fd"}, "nvram-template": {"filename": "/f/VARS.fd"}}}'
    )
    root("/usr/share/qemu/firmware/60-a.json", text)
    root("/usr/share/qemu/firmware/70-b.json", "{}")
    root("/usr/share/qemu/firmware/80-c.json", "{")
    (one,) = seen(Firmware(), FirmwareFact).descriptors
    assert (one.file, one.executable, one.template) == ("60-a.json", "/f/CODE.fd", "/f/VARS.fd")
    assert (one.kinds, one.machines, one.present) == (("uefi",), ("pc-q35-*",), False)
    root("/etc/qemu/firmware/60-a.json", text.replace("CODE", "OTHER"))
    root("/f/OTHER.fd")
    root("/f/VARS.fd")
    (one,) = seen(Firmware(), FirmwareFact).descriptors
    assert (one.executable, one.present) == ("/f/OTHER.fd", True)


def test_a_saved_state_and_its_damage(scratch: Path) -> None:
    place = scratch / "g.save"
    assert not seen(SavedState(str(place)), SavedStateFact).exists
    place.touch()
    assert seen(SavedState(str(place)), SavedStateFact).damage == "empty"
    xml = "<domain><name>g</name><uuid>11111111-2222-4333-8444-555555555555</uuid></domain>"
    head = save_image.make_head(xml, was_running=True)
    place.write_bytes(head.pack())
    assert seen(SavedState(str(place)), SavedStateFact).damage == "incomplete"
    place.write_bytes(b"\0" * 4096)
    fact = seen(SavedState(str(place)), SavedStateFact)
    assert (fact.damage, fact.size) == ("zero-filled", 4096)
    assert str(place) in fact.sentence
    whole = replace(head, header=replace(head.header, whole=True, marked=False))
    place.write_bytes(whole.pack() + b"stream")
    fact = seen(SavedState(str(place)), SavedStateFact)
    assert (fact.damage, fact.name, fact.consumed) == ("", "g", False)
    assert fact.uuid.startswith("11111111")


def test_the_names_of_internal_snapshots(scratch: Path) -> None:
    place = scratch / "a.qcow2"
    run = ["qemu-img", "create", "-q", "-f", "qcow2", str(place), "1M"]
    subprocess.run(run, check=True)
    assert seen(ImageInfo(str(place)), ImageFact).snapshots == ()
    for name in ("clean", "a longer name"):
        subprocess.run(["qemu-img", "snapshot", "-c", name, str(place)], check=True)
    assert seen(ImageInfo(str(place)), ImageFact).snapshots == ("clean", "1", "a longer name", "2")


# -- opening as others -------------------------------------------------------------------------


@as_root
def test_opening_as_another_account(scratch: Path) -> None:
    scratch.chmod(0o755)
    place = scratch / "f"
    place.write_text("x")
    place.chmod(0o600)
    before = place.stat()
    assert seen(Open(str(place)), OpenFact).error == ""
    assert seen(Open(str(place), uid=NOBODY, gids=(NOBODY,)), OpenFact).error == "EACCES"
    place.chmod(0o644)
    assert seen(Open(str(place), uid=NOBODY, gids=(NOBODY,)), OpenFact).error == ""
    assert (place.stat().st_mtime_ns, place.read_text()) == (before.st_mtime_ns, "x")
    assert isinstance(answer(Open("/dev/null")), Unanswered)


def test_o_direct_as_the_file_system_has_it(scratch: Path) -> None:
    place = scratch / "f"
    place.write_bytes(b"\0" * 4096)
    plain, direct = seen(Open(str(place)), OpenFact), seen(Open(str(place), direct=True), OpenFact)
    assert plain.error == ""
    assert direct.error in {"", "EINVAL"}
    assert direct.filesystem


# -- what this QEMU lists ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (BlockDrivers, "qcow2"),
        (Objects, "iothread"),
        (NetDrivers, "tap"),
        (AudioDrivers, "none"),
        (Displays, "none"),
        (SpiceSettings, "port"),
    ],
)
def test_this_qemu_lists(kind: type, name: str) -> None:
    names = seen(kind(lab.QEMU, NOBODY, (NOBODY,)), NamesFact).names
    assert name in names
    assert "frobnicate" not in names


def test_an_emulator_that_runs_and_one_that_does_not(scratch: Path) -> None:
    scratch.chmod(0o755)
    assert seen(Run(lab.QEMU, NOBODY, (NOBODY,)), RunFact).status == 0
    broken = scratch / "qemu-system-x86_64"
    broken.write_text("#!/bin/sh\necho cannot open shared object file >&2\nexit 127\n")
    broken.chmod(0o755)
    fact = seen(Run(str(broken), NOBODY, (NOBODY,)), RunFact)
    assert (fact.status, fact.words) == (127, "cannot open shared object file")

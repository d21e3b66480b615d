"""Machine types, disks on every bus, NICs, displays and KVM: what QEMU itself says it has."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from tests.private import PrivateHost

pytestmark = pytest.mark.e2e

Start = Callable[..., "Guest"]


class Guest:
    """A running guest, asked through its monitor."""

    def __init__(self, daemon: lab.Daemon | PrivateHost, name: str) -> None:
        self.daemon, self.name = daemon, name

    def qmp(self, command: str) -> Any:
        """Run a QMP command without arguments and return its value."""
        words = ["qemu-monitor-command", self.name, json.dumps({"execute": command})]
        return json.loads(self.daemon.virsh(*words).stdout)["return"]

    def hmp(self, line: str) -> str:
        """Run a line of the human monitor."""
        return self.daemon.virsh("qemu-monitor-command", self.name, "--hmp", line).stdout

    def console(self) -> lab.Terminal:
        """Open its console with virsh."""
        virsh = self.daemon.virsh
        return lab.Terminal([*virsh.command, "-c", virsh.uri, "console", self.name])


@pytest.fixture
def start(daemon: lab.Daemon, guest_dir: Path) -> Start:
    """``start("vm", DEVICES, ...)``: create a guest; the keywords are those of lab.domain_xml."""

    def run(name: str, devices: str = "", **options: Any) -> Guest:
        path = daemon.root / f"{name}.xml"
        path.write_text(lab.domain_xml(name, guest_dir, devices=devices, **options))
        daemon.virsh("create", path)
        return Guest(daemon, name)

    return run


DRIVER = {".raw": "file", ".qcow2": "qcow2"}
"""The driver of an image's uppermost node: a raw image needs none above its file."""


def disk(path: Path, target: str, *, device: str = "disk") -> str:
    """Make an image and return the element of a disk that it backs."""
    kind = path.suffix.removeprefix(".")
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, "2M"], check=True)
    bus = {"h": "ide", "s": "sata", "v": "virtio"}[target[0]]
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' type='{kind}'/>"
        f"<source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>"
    )


@pytest.mark.parametrize(
    ("machine", "targets"),
    [("pc", ("hda", "hdb", "sda", "sdb", "vda", "vdb")), ("q35", ("sda", "sdb", "vda", "vdb"))],
)
def test_disks_on_every_bus(
    daemon: lab.Daemon, start: Start, machine: str, targets: tuple[str, ...]
) -> None:
    images = {
        target: daemon.root / f"{target}.{'raw' if target.endswith('a') else 'qcow2'}"
        for target in targets
    }
    cdrom = "hdc" if machine == "pc" else "sdc"
    devices = "".join(disk(path, target) for target, path in images.items())
    devices += disk(daemon.root / "cd.raw", cdrom, device="cdrom")
    devices += f"<disk type='file' device='cdrom'><target dev='{cdrom[:2]}d'/></disk>"
    guest = start("vm", devices, machine=machine)
    with guest.console() as screen:
        screen.until("GUEST-UP")
    blocks = guest.qmp("query-block")
    there = {
        one["inserted"]["image"]["filename"]: (one["inserted"]["drv"], one["inserted"]["ro"])
        for one in blocks
        if "inserted" in one
    }
    assert there == {
        **{str(path): (DRIVER[path.suffix], False) for path in images.values()},
        str(daemon.root / "cd.raw"): ("file", True),
    }
    assert len(blocks) == len(images) + 2
    assert [one.get("tray_open") for one in blocks].count(False) == 2
    shown = daemon.virsh("domblklist", "vm").stdout
    assert all(str(path) in shown for path in images.values())


def test_interfaces(daemon: lab.Daemon, start: Start) -> None:
    nic = "<interface type='{}'><mac address='52:54:00:00:00:0{}'/><model type='{}'/></interface>"
    kinds = [("user", "virtio"), ("user", "e1000"), ("user", "rtl8139")]
    if lab.IS_ROOT:
        kinds.append(("ethernet", "virtio"))
    guest = start("vm", "".join(nic.format(a, n, b) for n, (a, b) in enumerate(kinds)))
    network = guest.hmp("info network")
    for number in range(len(kinds)):
        assert f"macaddr=52:54:00:00:00:0{number}" in network
    if not lab.IS_ROOT:
        return
    row = daemon.virsh("domiflist", "vm").stdout.splitlines()[-2].split()
    assert row[1:] == ["ethernet", "-", "virtio", "52:54:00:00:00:03"]
    tap = Path("/sys/class/net") / row[0]
    assert (tap / "address").read_text().strip() == "fe:54:00:00:00:03"
    assert "type=tap,fd=" in network
    daemon.virsh("destroy", "vm")
    assert not tap.exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def greeting(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), lab.BOUND_S) as link:
        return link.recv(12)


def test_displays_on_fixed_and_chosen_ports(daemon: lab.Daemon, start: Start) -> None:
    wanted = free_port()
    start("fixed", f"<graphics type='vnc' port='{wanted}' listen='127.0.0.1'/>")
    start("chosen", "<graphics type='vnc' autoport='yes'/>")
    start("other", "<graphics type='vnc' port='-1' listen='127.0.0.1'/>", machine="q35")
    ports = {}
    for name in ("fixed", "chosen", "other"):
        address, _, display = daemon.virsh("vncdisplay", name).stdout.strip().partition(":")
        assert address == "127.0.0.1"
        ports[name] = int(display) + 5900
        assert greeting(ports[name]) == b"RFB 003.008\n"
    assert ports["fixed"] == wanted
    assert len(set(ports.values())) == 3


def test_rng_channel_balloon_and_usb_are_there(daemon: lab.Daemon, start: Start) -> None:
    rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    tablet = "<input type='tablet' bus='usb'/>"
    guest = start("vm", rng + tablet, agent=True, machine="q35")
    with guest.console() as screen:
        screen.until("guest agent: on")
    pci = guest.hmp("info qtree")
    for device in ("virtio-rng-pci", "virtio-balloon-pci", "virtserialport", "qemu-xhci"):
        assert f"dev: {device}" in pci
    assert "usb-tablet" in pci
    assert guest.qmp("query-balloon") == {"actual": 128 * 1024 * 1024}


def test_the_example_has_all_that_it_names(daemon: lab.Daemon, guest_dir: Path) -> None:
    text = (lab.PROJECT / "examples" / "vm.xml").read_text()
    image = daemon.root / "disk.img"
    shutil.copy(guest_dir / "disk.img", image)
    text = text.replace("/var/lib/virtup/demo/disk.img", str(image))
    text = text.replace("/var/lib/virtup/demo", str(guest_dir))
    text = text.replace("<target dev='vmtap0'/>", "")
    if not lab.IS_ROOT:
        text = text.replace("type='ethernet'", "type='user'")
    path = daemon.root / "example.xml"
    path.write_text(text)
    daemon.virsh("create", path)
    guest = Guest(daemon, "vm")
    with guest.console() as screen:
        screen.until("virtup-guest login: ")
    tree = guest.hmp("info qtree")
    for device in ("ide-hd", "virtio-net-pci", "isa-serial", "cirrus-vga", "virtio-balloon-pci"):
        assert f"dev: {device}" in tree
    assert "dev: piix3-usb-uhci" in tree
    assert guest.qmp("query-uuid") == {"UUID": "ebfaadbe-e908-ba92-fdb8-3fa2db557a42"}
    assert guest.qmp("query-memory-size-summary")["base-memory"] == 768 << 20


def kvm_works() -> bool:
    """Whether QEMU itself, as whoever runs the tests, can use KVM here."""
    command = [lab.QEMU, "-accel", "kvm", "-display", "none", "-nodefaults", "-S"]
    try:
        done = subprocess.run(
            [*command, "-monitor", "stdio"], input="quit\n", capture_output=True, text=True,
            timeout=lab.BOUND_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@pytest.fixture
def host() -> Iterator[PrivateHost]:
    """A host whose /dev/kvm is open to QEMU's user."""
    made = PrivateHost()
    made.start_virtupd()
    yield made
    made.close()


@pytest.mark.root
@pytest.mark.skipif(not kvm_works(), reason="no /dev/kvm that works")
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_a_kvm_guest_runs_its_firmware(host: PrivateHost, machine: str) -> None:
    host.outside("/run/vm.xml").write_text(f"""<domain type='kvm'>
  <name>vm</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/><apic/></features>
  <devices><emulator>{lab.QEMU}</emulator><video><model type='vga'/></video></devices>
</domain>
""")
    host.virsh("create", "/run/vm.xml")
    guest = Guest(host, "vm")

    def shown() -> str:
        """The top of the screen: every other byte of the VGA's text memory is a character."""
        rows = re.findall(r"0x(\w\w)", guest.hmp("xp /160xb 0xb8000"))
        return "".join(chr(int(byte, 16)) for byte in rows[::2])

    lab.eventually(lambda: "SeaBIOS" in shown(), "the firmware says its name")
    assert guest.qmp("query-kvm") == {"enabled": True, "present": True}
    assert "<domain type='kvm'" in host.virsh("dumpxml", "vm").stdout

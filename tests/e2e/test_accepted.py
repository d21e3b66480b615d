"""What a definition asks for is what the guest gets, or it is refused: on real QEMUs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e


class Bench:
    """A daemon, and guests that it is given."""

    def __init__(self, daemon: lab.Daemon, guest: Path) -> None:
        self.daemon, self.guest = daemon, guest

    def define(self, name: str, devices: str = "", *, head: str = "", vcpu: str = "") -> None:
        """Define a small guest; *head* stands before its devices."""
        xml = lab.domain_xml(name, self.guest, devices=devices)
        xml = xml.replace("  <devices>", f"  {head}\n  <devices>")
        if vcpu:
            xml = xml.replace("<vcpu>1</vcpu>", vcpu)
        path = self.daemon.root / f"{name}.xml"
        path.write_text(xml)
        self.daemon.virtup("define", path)

    def start(self, name: str, devices: str = "", *, head: str = "", vcpu: str = "") -> None:
        """Define and start a small guest."""
        self.define(name, devices, head=head, vcpu=vcpu)
        self.daemon.virtup("start", name)

    def refused(self, name: str) -> str:
        """Start a guest that cannot be; what is said of it."""
        done = self.daemon.virtup("start", name, check=False)
        assert done.returncode == 1, done.stdout
        assert not self.daemon.qemus()
        return done.stderr

    def ask(self, name: str, command: str, **arguments: object) -> object:
        """Ask a guest's QEMU."""
        text = json.dumps({"execute": command, "arguments": arguments})
        done = self.daemon.virtup("qemu-monitor-command", name, text)
        return json.loads(done.stdout)["return"]

    def image(self, name: str, size: int = 1 << 20, mode: int = 0o600) -> Path:
        """Make a raw image."""
        path = self.daemon.root / name
        path.write_bytes(bytes(size))
        path.chmod(mode)
        return path

    def state(self, name: str) -> str:
        """The state of a guest, as it is told."""
        return self.daemon.virtup("domstate", name).stdout.strip()


@pytest.fixture
def bench(daemon: lab.Daemon, guest_dir: Path) -> Bench:
    return Bench(daemon, guest_dir)


def disk(path: Path, more: str = "", *, target: str = "vda", kind: str = "raw") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
        f"<target dev='{target}'/>{more}</disk>"
    )


def test_what_the_command_line_cannot_say_is_told_to_the_monitor(bench: Bench) -> None:
    bench.define(
        "told",
        "<interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/>"
        "<link state='down'/></interface>"
        "<disk type='file' device='cdrom'><target dev='hdc' tray='open'/></disk>"
        "<memballoon model='virtio'><stats period='7'/></memballoon>",
        head="<currentMemory unit='MiB'>96</currentMemory>",
    )
    bench.daemon.virtup("start", "--paused", "told")  # a guest that runs may shut the tray
    assert [each.get("tray_open") for each in bench.ask("told", "query-block")] == [True]
    balloon = bench.ask("told", "qom-list", path="/machine/peripheral")
    [alias] = [each["name"] for each in balloon if "balloon" in each["type"]]
    where = f"/machine/peripheral/{alias}"
    period = {"path": where, "property": "guest-stats-polling-interval"}
    assert bench.ask("told", "qom-get", **period) == 7
    bench.daemon.virtup("resume", "told")
    with lab.Terminal(
        [*bench.daemon.virtup.command, "-c", bench.daemon.uri, "console", "told"]
    ) as screen:
        screen.until("GUEST-READY")
    lab.eventually(
        lambda: bench.ask("told", "query-balloon") == {"actual": 96 << 20},
        "the guest gave its memory",
    )


@pytest.mark.parametrize(("policy", "end"), [("destroy", "shut off"), ("restart", "running")])
def test_a_reset_ends_the_guest_or_not(bench: Bench, policy: str, end: str) -> None:
    bench.start("resets", head=f"<on_reboot>{policy}</on_reboot>")
    bench.daemon.virtup("reset", "resets")
    if end == "running":
        bench.ask("resets", "query-status")
    lab.eventually(lambda: bench.state("resets") == end, f"it is {end}")


def test_a_guest_that_powers_off_starts_over(bench: Bench) -> None:
    bench.start("again", head="<on_poweroff>restart</on_poweroff>")
    [pid] = bench.daemon.qemus()
    with lab.Terminal(
        [*bench.daemon.virtup.command, "-c", bench.daemon.uri, "console", "again"]
    ) as screen:
        screen.until("GUEST-READY")
        bench.daemon.virtup("shutdown", "again")
        screen.until("GUEST-UP")
    assert bench.daemon.qemus() == [pid]
    assert bench.state("again") == "running"
    bench.daemon.virtup("destroy", "again")
    assert bench.state("again") == "shut off"


def test_a_reboot_that_is_to_end_the_guest_does(bench: Bench) -> None:
    bench.start("ends", head="<on_reboot>preserve</on_reboot>")
    with lab.Terminal(
        [*bench.daemon.virtup.command, "-c", bench.daemon.uri, "console", "ends"]
    ) as screen:
        screen.until("GUEST-READY")
        bench.daemon.virtup("reboot", "ends")
    lab.eventually(lambda: bench.state("ends") == "shut off", "it is down")


@pytest.mark.parametrize("policy", ["rename-restart", "coredump-destroy"])
def test_what_no_crash_can_do_is_refused(bench: Bench, policy: str) -> None:
    path = bench.daemon.root / "x.xml"
    text = lab.domain_xml("x", bench.guest)
    path.write_text(text.replace("  <devices>", f"<on_crash>{policy}</on_crash>\n  <devices>"))
    said = bench.daemon.virtup("define", path, check=False).stderr
    assert policy in said
    assert "destroy, restart, preserve" in said


def test_the_vcpus_run_where_they_may(bench: Bench) -> None:
    [first, *_] = sorted(os.sched_getaffinity(0))
    bench.start("pinned", vcpu=f"<vcpu cpuset='{first}'>2</vcpu>")
    [pid] = bench.daemon.qemus()
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) > 2
    assert {frozenset(os.sched_getaffinity(int(each))) for each in threads} == {frozenset({first})}


def test_cpus_that_the_host_lacks_are_refused(bench: Bench) -> None:
    bench.define("wide", vcpu="<vcpu cpuset='0,4000-4001'>1</vcpu>")
    said = bench.refused("wide")
    assert "names the host's CPUs 4000-4001, which are not there or off" in said


def test_a_cpu_that_must_be_whole_is_looked_at(bench: Bench) -> None:
    cpu = "<cpu mode='custom' match='exact' check='{}'><model>{}</model></cpu>"
    bench.define("whole", head=cpu.format("full", "Skylake-Server"))
    assert "guest CPU doesn't match specification: missing features:" in bench.refused("whole")
    bench.start("any", head=cpu.format("none", "Skylake-Server"))
    bench.start("fits", head=cpu.format("full", "qemu64"))


def may_lift_limits() -> bool:
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    lift = ["prlimit", "--memlock=unlimited", "true"]
    lifted = subprocess.run(lift, capture_output=True, check=False).returncode == 0
    return lifted or hard in (resource.RLIM_INFINITY, -1)


def test_memory_that_must_stay_stays(bench: Bench) -> None:
    bench.define("locked", head="<memoryBacking><locked/></memoryBacking>")
    done = bench.daemon.virtup("start", "locked", check=False)
    if "Cannot allocate memory" in done.stderr and not may_lift_limits():
        pytest.skip("this user may not let another lock so much memory")
    assert done.returncode == 0, done.stderr
    [pid] = bench.daemon.qemus()
    status = Path(f"/proc/{pid}/status").read_text()
    [locked] = [line.split()[1] for line in status.splitlines() if line.startswith("VmLck")]
    assert int(locked) >= 128 * 1024
    daemon = bench.daemon.pid
    ours = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    assert resource.prlimit(daemon, resource.RLIMIT_MEMLOCK) == ours


# -- images ------------------------------------------------------------------------------------


def drive(path: Path, policy: str) -> str:
    return (
        f"<disk type='file' device='cdrom'><source file='{path}' startupPolicy='{policy}'/>"
        "<target dev='hdc' bus='ide'/></disk>"
    )


def test_an_optional_medium_may_be_missing(bench: Bench) -> None:
    gone = bench.daemon.root / "gone.iso"
    bench.define("drive", drive(gone, "optional"))
    bench.daemon.virtup("start", "drive")
    assert str(gone) not in bench.daemon.virtup("dumpxml", "drive").stdout
    assert str(gone) in bench.daemon.virtup("dumpxml", "--inactive", "drive").stdout
    log = (bench.daemon.root / "log" / "qemu" / "drive.log").read_text()
    assert f"disk 'hdc': '{gone}' is missing; started without it, its drive is empty" in log
    [each] = [one for one in bench.ask("drive", "query-block") if one["removable"]]
    assert "inserted" not in each


def test_an_optional_medium_that_is_there_is_used(bench: Bench) -> None:
    bench.start("drive", drive(bench.image("here.iso"), "optional"))
    assert "here.iso" in json.dumps(bench.ask("drive", "query-block"))


@pytest.mark.parametrize("policy", ["mandatory", "requisite"])
def test_a_medium_that_must_be_there_is_missed(bench: Bench, policy: str) -> None:
    bench.define("drive", drive(bench.daemon.root / "gone.iso", policy))
    assert "gone.iso" in bench.refused("drive")


def test_a_requisite_medium_may_be_missing_when_a_saved_guest_goes_on(bench: Bench) -> None:
    medium = bench.image("soon-gone.iso")
    bench.start("drive", drive(medium, "requisite"))
    bench.daemon.virtup("managedsave", "drive")
    medium.unlink()
    bench.daemon.virtup("start", "drive")
    assert bench.state("drive") == "running"
    assert "soon-gone.iso" not in bench.daemon.virtup("dumpxml", "drive").stdout


def test_two_guests_share_a_disk_only_when_both_say_so(bench: Bench) -> None:
    image = bench.image("both.img", mode=0o666)
    for name in ("one", "two"):
        bench.start(name, disk(image, "<shareable/>"))
    bench.define("three", disk(image))
    said = bench.daemon.virtup("start", "three", check=False).stderr
    assert "lock" in said


def test_a_read_only_image_needs_no_right_to_write(bench: Bench) -> None:
    image = bench.image("ro.img", mode=0o444)
    bench.start("reads", disk(image, "<readonly/>"))
    seen = image.stat()
    assert (seen.st_uid, seen.st_mode & 0o777) == (os.geteuid(), 0o444)
    [one] = [each for each in bench.ask("reads", "query-block") if each.get("inserted")]
    assert one["inserted"]["ro"] is True


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


@pytest.mark.root
def test_what_an_image_stands_on_is_lent_too(bench: Bench) -> None:
    root = bench.daemon.root
    base = bench.image("base.raw")
    qemu_img("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", root / "middle.qcow2")
    qemu_img("create", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", root / "top.qcow2")
    chain = [root / "top.qcow2", root / "middle.qcow2", base]
    for each in chain:
        each.chmod(0o600)
    bench.start("stacked", disk(chain[0], kind="qcow2"))
    assert all(each.stat().st_uid != 0 for each in chain)
    bench.daemon.virtup("destroy", "stacked")
    assert [(each.stat().st_uid, each.stat().st_mode & 0o777) for each in chain] == [(0, 0o600)] * 3


@pytest.mark.root
def test_a_file_that_keeps_its_owner_keeps_it(bench: Bench) -> None:
    image = bench.image("mine.img")
    label = "<seclabel model='dac' relabel='no'/>"
    text = disk(image).replace("'/><target", f"'>{label}</source><target")
    bench.define("kept", text)
    said = bench.refused("kept")
    assert "mine.img" in said
    assert image.stat().st_uid == 0
    image.chmod(0o666)
    bench.daemon.virtup("start", "kept")
    assert image.stat().st_uid == 0


def test_a_label_of_ones_own_is_refused(bench: Bench) -> None:
    label = "<seclabel model='dac' relabel='yes'><label>+7:+7</label></seclabel>"
    path = bench.daemon.root / "x.xml"
    text = disk(bench.image("x.img")).replace("'/><target", f"'>{label}</source><target")
    path.write_text(lab.domain_xml("x", bench.guest, devices=text))
    said = bench.daemon.virtup("define", path, check=False).stderr
    assert "'+7:+7' is not supported" in said


# -- character devices and other files ---------------------------------------------------------


@pytest.mark.root
def test_pipes_devices_and_tables_are_lent(bench: Bench) -> None:
    root = bench.daemon.root
    pipes = [root / "talk.in", root / "talk.out"]
    for each in pipes:
        os.mkfifo(each, 0o600)
    ours, theirs = os.openpty()
    tty = Path(os.ttyname(theirs))
    table = root / "slic.bin"
    table.write_bytes(b"SLIC" + (36).to_bytes(4, "little") + bytes(28))
    table.chmod(0o600)
    xml = lab.domain_xml(
        "talks",
        bench.guest,
        devices=f"<serial type='pipe'><source path='{root}/talk'/></serial>"
        f"<serial type='dev'><source path='{tty}'/></serial>",
    )
    xml = xml.replace("</os>", f"<acpi><table type='slic'>{table}</table></acpi></os>")
    (root / "talks.xml").write_text(xml)
    tty.chmod(0o600)
    bench.daemon.virtup("create", root / "talks.xml")
    lent = [*pipes, tty, table]
    assert all(each.stat().st_uid != 0 for each in lent)
    bench.daemon.virtup("destroy", "talks")
    assert all(each.stat().st_uid == 0 for each in lent)
    os.close(ours)
    os.close(theirs)


def test_a_copy_of_the_console_goes_where_qemu_may_not(bench: Bench) -> None:
    folder = bench.daemon.root / "private"
    folder.mkdir(mode=0o700)
    bench.start(
        "copies", f"<serial type='pty'><log file='{folder}/copy.log' append='off'/></serial>"
    )
    copy = folder / "copy.log"
    assert copy.stat().st_uid == os.geteuid()
    xml = lab.domain_xml("logged", bench.guest)
    xml = xml.replace("<serial type='pty'/>", f"<serial type='pty'><log file='{copy}'/></serial>")
    path = bench.daemon.root / "logged.xml"
    path.write_text(xml)
    bench.daemon.virtup("create", path)
    lab.eventually(lambda: "GUEST-UP" in copy.read_text(errors="replace"), "the copy is written")


# -- interfaces --------------------------------------------------------------------------------


@pytest.fixture
def standing_tap() -> Iterator[str]:
    name = f"vtm{os.getpid() % 100000}"
    made = subprocess.run(
        ["ip", "tuntap", "add", name, "mode", "tap", "vnet_hdr"], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("no taps here")
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


@pytest.mark.root
def test_a_tap_of_somebody_elses_is_used_as_it_is(bench: Bench, standing_tap: str) -> None:
    place = Path(f"/sys/class/net/{standing_tap}")
    before = [(place / each).read_text() for each in ("address", "mtu")]
    bench.start(
        "tapped",
        "<interface type='ethernet'><mac address='52:54:00:00:00:09'/>"
        f"<target dev='{standing_tap}' managed='no'/><model type='virtio'/></interface>",
    )
    assert [(place / each).read_text() for each in ("address", "mtu")] == before
    assert int((place / "flags").read_text(), 16) & 1 == 0, "it is not set up"
    bench.daemon.virtup("destroy", "tapped")
    assert place.exists()


@pytest.mark.root
def test_a_tap_that_is_to_be_there_is_missed(bench: Bench) -> None:
    bench.define(
        "tapped", "<interface type='ethernet'><target dev='vtnone0' managed='no'/></interface>"
    )
    assert "vtnone0" in bench.refused("tapped")


@pytest.mark.root
def test_a_tap_has_the_mtu_that_is_asked_for(bench: Bench) -> None:
    name = f"vtu{os.getpid() % 100000}"
    bench.start(
        "small",
        f"<interface type='ethernet'><target dev='{name}'/><model type='virtio'/>"
        "<mtu size='1280'/></interface>",
    )
    assert Path(f"/sys/class/net/{name}/mtu").read_text().strip() == "1280"


@pytest.mark.root
def test_the_kernels_queues_are_refused_where_there_are_none(bench: Bench) -> None:
    if os.path.exists("/dev/vhost-net"):
        pytest.skip("/dev/vhost-net is here")
    text = "<interface type='ethernet'><model type='virtio'/>{}</interface>"
    bench.define("asks", text.format("<driver name='vhost'/>"))
    assert "asks for <driver name='vhost'/>, and '/dev/vhost-net' cannot" in bench.refused("asks")
    bench.start("takes", text.format(""))
    assert bench.state("takes") == "running"

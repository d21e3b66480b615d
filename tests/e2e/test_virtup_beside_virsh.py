"""virtup and Debian's virsh, word by word: output, errors and exit status of every verb.

Both speak to the same daemon, one after the other, in the same state: first to a stock libvirtd,
then to virtupd.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import lab
from tests.private import STOCK, PrivateHost
from virtup.client.connection import Connection, connect
from virtup.client.guests import Handle, lookup
from virtup.errors import VirtError

pytestmark = [pytest.mark.e2e, pytest.mark.root]

UUID = "0badcafe-1111-2222-3333-{:012x}"
DEVICES = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='hdc' bus='ide'/>
      <readonly/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:aa:bb:cc'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'/>
    <console type='pty'/>
    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>"""


def definition(name: str, number: int, disk: Path, *, title: str = "") -> str:
    """A guest that needs no kernel: its firmware finds nothing to boot and waits."""
    return f"""<domain type='qemu'>
  <name>{name}</name>
  <uuid>{UUID.format(number)}</uuid>
  {title and f"<title>{title}</title>"}
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>{lab.QEMU}</emulator>{DEVICES.format(disk=disk)}
  </devices>
</domain>
"""


class Ground(NamedTuple):
    """A daemon to compare on: both commands, a connection, and where the definitions are."""

    virsh: lab.Client
    virtup: lab.Client
    conn: Connection
    folder: Path

    def file(self, name: str) -> Path:
        """The definition of the guest *name*."""
        return self.folder / f"{name}.xml"

    def find(self, name: str) -> Handle | None:
        return lookup(self.conn, name)

    def remove(self, name: str) -> None:
        """Have no such guest, running or defined."""
        handle = self.find(name)
        if handle is not None and handle["id"] >= 0:
            self.conn.call("DOMAIN_DESTROY", dom=handle)
        handle = self.find(name)
        if handle is not None:
            self.conn.call("DOMAIN_UNDEFINE_FLAGS", dom=handle, flags=0)

    def settle(self) -> None:
        """Have 'run' running, 'hold' paused, 'off' defined with the disk of 'run', no 'new'."""
        self.remove("new")
        for name, state in (("run", 1), ("hold", 3), ("off", 5)):
            self._have(name, state)

    def _have(self, name: str, wanted: int) -> None:
        xml = self.file(name).read_text()
        handle = self.find(name)
        if handle is None or not self.conn.call("DOMAIN_IS_PERSISTENT", dom=handle)["persistent"]:
            handle = self.conn.call("DOMAIN_DEFINE_XML", xml=xml)["dom"]
        self.conn.call("DOMAIN_SET_AUTOSTART", dom=handle, autostart=0)
        state = self.conn.call("DOMAIN_GET_STATE", dom=handle, flags=0)["state"]
        if state == wanted:
            return
        if wanted == 5:
            self.conn.call("DOMAIN_DESTROY", dom=handle)
        elif state == 5:
            flags = 1 if wanted == 3 else 0
            self.conn.call("DOMAIN_CREATE_WITH_FLAGS", dom=handle, flags=flags)
        else:
            self.conn.call("DOMAIN_SUSPEND" if wanted == 3 else "DOMAIN_RESUME", dom=handle)


@contextlib.contextmanager
def on(uri: str, folder: Path) -> Iterator[Ground]:
    """Both commands on *uri*, with the definitions in *folder*."""
    guests = [("run", "run"), ("hold", "hold"), ("off", "run"), ("new", "new")]
    for number, (name, disk) in enumerate(guests):
        image = folder / f"{disk}.raw"
        image.touch()
        image.chmod(0o666)
        with image.open("r+b") as file:
            file.truncate(1 << 20)
        title = "A title" if name == "hold" else ""
        (folder / f"{name}.xml").write_text(definition(name, number, image, title=title))
    (folder / "bad.xml").write_text("<domain>\n")
    (folder / "refused.xml").write_text("<domain type='qemu'><name>x</name></domain>\n")
    virsh, virtup = lab.Client(["virsh"], uri), lab.Client([lab.PROGRAMS / "virtup"], uri)
    with connect(uri) as conn:
        ground = Ground(virsh, virtup, conn, folder)
        try:
            yield ground
        finally:
            for name, _ in guests:
                with contextlib.suppress(VirtError):
                    ground.remove(name)


@contextlib.contextmanager
def stock() -> Iterator[Ground]:
    """A stock libvirtd on a host of its own, seen from without."""
    missing = [name for name in STOCK if not shutil.which(name)]
    if missing:
        pytest.skip(f"stock libvirt is not here: {', '.join(missing)}")
    host = PrivateHost()
    try:
        host.start_stock()
        socket = host.outside("/run/libvirt/libvirt-sock")
        with on(f"qemu+unix:///system?socket={socket}", host.place) as ground:
            yield ground
    finally:
        host.close()


@contextlib.contextmanager
def ours() -> Iterator[Ground]:
    """A virtupd in a folder of its own."""
    daemon = lab.Daemon(lab.scratch())
    try:
        daemon.start()
        with on(daemon.uri, daemon.root) as ground:
            yield ground
    finally:
        daemon.close()
        lab.discard(daemon.root)


@pytest.fixture(scope="module", params=[stock, ours], ids=["libvirtd", "virtupd"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """The daemon of this round."""
    make: Callable[[], Any] = request.param
    with make() as made:
        yield made


class Seen(NamedTuple):
    """What a command came to, with what changes from moment to moment made equal."""

    status: int
    out: str
    err: str


def seen(client: lab.Client, words: list[str]) -> Seen:
    """Run one verb; *words* may begin with options of the command."""
    done = client(*words, check=False)
    return Seen(done.returncode, calm(done.stdout), calm(done.stderr))


def calm(text: str) -> str:
    """The text without times, counters and the two ways in which a start can lose its QEMU."""
    text = re.sub(r"(CPU time: +)[\d.]+s\n", r"\1Ns\n", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+0000)", "TIME", text)
    text = re.sub(r'"libvirt-\d+"', '"libvirt-N"', text)
    text = re.sub(r"\bid='\d+'", "id='N'", text)
    text = re.sub(r"pid \d+", "pid N", text)
    # virtup knows which file it sent, virsh does not say
    text = re.sub(r"\((?:<xml>|/[^ ,]+), line", "(FILE, line", text)
    text = re.sub(r"qemu unexpectedly closed the monitor", "LOST", text)
    return re.sub(r"process exited while connecting to monitor", "LOST", text)


def both(ground: Ground, line: str) -> tuple[list[str], Ground]:
    """The words of *line*, with the folder of the definitions filled in."""
    return shlex.split(line.replace("@", f"{ground.folder}/")), ground


LOOKS = """
list
list --all
list --inactive
list --all --title
list --all --managed-save
list --all --name
list --all --uuid
list --all --id
list --inactive --id
list --all --uuid --name --id
list --table --name
list --state-running
list --state-paused
list --state-shutoff
list --state-other
list --state-running --state-shutoff
list --all --autostart
list --all --no-autostart --persistent --without-managed-save
list --all --transient
list --all --with-snapshot
list foo
-q list --all
-q list --all --title
dominfo run
dominfo off
-q dominfo hold
dominfo nope
domstate run
domstate run --reason
domstate hold --reason
domstate off
domstate
domid run
domid off
domid 0badcafe-1111-2222-3333-000000000000
domid nope
domname run
domname 0badcafe-1111-2222-3333-000000000002
domuuid run
domuuid 0badcafe-1111-2222-3333-000000000000
domblklist run
domblklist run --details
domblklist off --details --inactive
-q domblklist run
domiflist run
domiflist off --inactive
-q domiflist run
ttyconsole run
ttyconsole off
vncdisplay run
vncdisplay off
dumpxml run
dumpxml run --inactive
dumpxml run --security-info
dumpxml off --migratable
dumpxml run --xpath //target
dumpxml run --xpath //target --wrap
dumpxml run --xpath //target/@dev
dumpxml run --xpath //target/@dev --wrap
dumpxml run --xpath //none
dumpxml run --xpath //none --wrap
dumpxml run --xpath /domain/name/text()
dumpxml run --xpath count(//disk)
dumpxml run //disk
dumpxml nope
-q dumpxml run
domxml-to-native qemu-argv
domxml-to-native foo @off.xml
domxml-to-native qemu-argv --domain nope
domxml-to-native qemu-argv /nope
domxml-to-native qemu-argv --domain run --xml x
uri
version
version --daemon
version x
-q version
hostname
nodeinfo
-q nodeinfo
domcapabilities
domcapabilities --machine pc --virttype qemu
domcapabilities --virttype foo
domcapabilities --emulatorbin /nope
domcapabilities --machine foo
qemu-monitor-command run query-status
qemu-monitor-command run '{"execute":"query-status"}'
qemu-monitor-command run --pretty query-status
qemu-monitor-command run --return-value query-status
qemu-monitor-command run --return-value --pretty query-block-jobs
qemu-monitor-command run qom-get '"path":"/machine"' '"property":"type"'
qemu-monitor-command run qom-get '{"path":"/machine","property":"type"}'
qemu-monitor-command run --hmp info status
qemu-monitor-command run --hmp nonsense
qemu-monitor-command run --hmp --pretty x
qemu-monitor-command run nonsense
qemu-monitor-command run --return-value nonsense
qemu-monitor-command off query-status
qemu-monitor-command run
-q qemu-monitor-command run --pretty query-status
-q qemu-monitor-command run --return-value query-status
qemu-agent-command run '{"execute":"guest-ping"}'
qemu-agent-command off '{"execute":"guest-ping"}'
qemu-agent-command run x --timeout 0
qemu-agent-command run x --timeout 5 --async
qemu-agent-command run x --timeout x
event
event --list
event --list --all
event --all --event reboot
event --event nope
event --all --timeout 0
event --all --timeout 1x
event --event reboot --timeout 1
event --domain nope --all
event lifecycle
console off
console nope
-r list --all
-r start off
-r suspend run
-r dumpxml run --security-info
-r define @new.xml
shutdown run --mode foo
reboot run --mode foo
shutdown run --mode ''
define
define /nope
define /tmp
define @bad.xml
create /nope
undefine off --nvram --keep-nvram
undefine off --tpm --keep-tpm
undefine off --wipe-storage
undefine off --delete-storage-volume-snapshots
undefine off --storage vdz
undefine run --storage vda
start
start run
start a b c
start --domain
start --domain=
start off --domain off
start nope
domstate run --reason=x
"""


@pytest.fixture
def settled(ground: Ground) -> Ground:
    """The ground, with its guests as they are to be."""
    ground.settle()
    return ground


@pytest.mark.parametrize("line", LOOKS.strip().splitlines())
def test_what_only_looks_is_the_same(settled: Ground, line: str) -> None:
    words, ground = both(settled, line)
    assert seen(ground.virtup, words) == seen(ground.virsh, words)


ACTS = """
define @new.xml
define @off.xml --validate
-q define @new.xml
create @new.xml
create @new.xml --paused
create @new.xml --autodestroy
create @run.xml
create @off.xml
-q create @new.xml
start off
start off --paused
start off --force-boot
destroy run
destroy run --graceful
destroy off
-q destroy run
shutdown run
shutdown run --mode acpi
shutdown run --mode agent
shutdown run --mode acpi,agent
shutdown run --mode initctl
shutdown off
reboot run
reboot run --mode acpi
reboot run --mode agent
reboot off
reset run
reset off
suspend run
suspend hold
suspend off
resume hold
resume run
resume off
autostart off
autostart off --disable
-q autostart run
undefine off
undefine run
undefine off --managed-save --snapshots-metadata --checkpoints-metadata
undefine off --storage vda
undefine off --remove-all-storage
-q undefine off
"""


@pytest.mark.parametrize("line", ACTS.strip().splitlines())
def test_what_acts_is_the_same(ground: Ground, line: str) -> None:
    words, _ = both(ground, line)
    found = []
    for client in (ground.virsh, ground.virtup):
        ground.settle()
        said = seen(client, words)
        if "--autodestroy" in words:
            lab.eventually(lambda: ground.find("new") is None, "the guest went with its client")
        found.append((said, states(ground)))
    assert found[1] == found[0]


def states(ground: Ground) -> dict[str, tuple[int, int] | None]:
    """How every guest is now."""
    now: dict[str, tuple[int, int] | None] = {}
    for name in ("run", "hold", "off", "new"):
        handle = ground.find(name)
        if handle is None:
            now[name] = None
            continue
        reply = ground.conn.call("DOMAIN_GET_STATE", dom=handle, flags=0)
        now[name] = (reply["state"], reply["reason"])
    return now


def test_a_wrong_verb_or_option_is_told_with_the_nearest(settled: Ground) -> None:
    for line in ("lst --all", "list --al", "nodeinfo --daemon"):
        words = line.split()
        theirs, mine = seen(settled.virsh, words), seen(settled.virtup, words)
        assert (mine.status, mine.out) == (theirs.status, theirs.out)
        assert mine.err.startswith(theirs.err.rstrip("\n") + "; ")


def test_events_are_told_the_same_as_they_come(settled: Ground) -> None:
    words = ("event", "--all", "--loop", "--timestamp")
    waiting = [client.popen(*words) for client in (settled.virsh, settled.virtup)]
    said = [Reader(one) for one in waiting]
    run, hold = settled.find("run"), settled.find("hold")

    def both_listen() -> bool:
        settled.conn.call("DOMAIN_RESUME", dom=hold)
        settled.conn.call("DOMAIN_SUSPEND", dom=hold)
        return all("'hold': Suspended" in one.text for one in said)

    lab.eventually(both_listen, "both commands tell of events")
    settled.conn.call("DOMAIN_SUSPEND", dom=run)
    settled.conn.call("DOMAIN_RESUME", dom=run)
    settled.conn.call("DOMAIN_DESTROY", dom=run)
    lab.eventually(lambda: all("Stopped" in one.text for one in said), "both tell of the end")
    for one in waiting:
        one.send_signal(signal.SIGINT)
    assert [one.wait(lab.BOUND_S) for one in waiting] == [0, 0]
    theirs, mine = (of_guest(one.finish(), "run") for one in said)
    assert mine == theirs
    assert mine[0] == "TIME: event 'lifecycle' for domain 'run': Suspended Paused"
    assert mine[-2].endswith("Stopped Destroyed")
    assert mine[-1] == "event loop interrupted"


class Reader:
    """Reads what a command prints, beside the test; ``text`` is what came so far."""

    def __init__(self, command: subprocess.Popen[str]) -> None:
        assert command.stdout is not None
        self._lines: list[str] = []
        self._stdout = command.stdout
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        self._lines.extend(iter(self._stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def finish(self) -> str:
        """All of it, once the command has ended."""
        self._thread.join(lab.BOUND_S)
        self._stdout.close()
        return self.text


def of_guest(text: str, name: str) -> list[str]:
    """The lines about one guest, and what ended the wait."""
    kept = (f"domain '{name}'", "event loop")
    return [line for line in calm(text).splitlines() if any(word in line for word in kept)]

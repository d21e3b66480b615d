"""Every verb side by side: the same stock virsh on stock libvirtd and on virtupd.

Each daemon has a host of its own with the same paths in it, so that what they print can be held
against each other word for word. Where virtup's answer differs, `OURS` says why ours is better.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import lab
from tests.private import PrivateHost

pytestmark = [pytest.mark.e2e, pytest.mark.root]

ONE = "11111111-2222-4333-8444-555555555501"
DEVICES = """
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
  <source file='/var/lib/virtup/demo/disk.img'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>
<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>
<interface type='ethernet'><mac address='52:54:00:11:22:34'/><target dev='sidetap0'/>
  <model type='e1000'/></interface>
<graphics type='vnc' port='-1' autoport='yes' passwd='s3cret' passwdValidTo='2099-04-09T15:51:00'/>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
"""

SCRIPT = """
uri
version
version --daemon
hostname
nodeinfo
capabilities
domcapabilities
domcapabilities --machine q35
domcapabilities --machine bogus
domcapabilities --virttype xen
domcapabilities --arch armv7l
domcapabilities --emulatorbin /none
list
list --all
define /run/vm1.xml
define /run/vm1.xml
define /run/vm2.xml
define /run/none.xml
define /run/bad.xml
define /run/unknown.xml
undefine odd
define /run/clash-uuid.xml
define /run/clash-name.xml
define /run/noname.xml
define /run/badmachine.xml
define /run/badtype.xml
define /run/vm1.xml --validate
list --all
list --all --name
list --all --uuid
list --all --id
list --inactive
list --inactive --name
list --all --title
list --all --managed-save
list --all --persistent
list --all --transient
list --all --state-running
list --all --state-paused
list --all --state-shutoff
list --all --state-other
list --all --autostart
list --all --no-autostart
list --all --with-snapshot
list --all --without-snapshot
list --all --with-managed-save
list --all --without-managed-save
list --uuid --title
domstate vm1
domstate vm1 --reason
domstate none
dominfo vm1
dominfo none
domid vm1
domid none
domuuid vm1
domuuid none
domname 11111111-2222-4333-8444-555555555501
domname 11111111-2222-4333-8444-555555555599
domname 77
domblklist vm1
domblklist vm1 --details
domblklist none
domiflist vm1
domiflist none
dumpxml vm1
dumpxml vm1 --inactive
dumpxml vm1 --security-info
dumpxml --migratable vm1
dumpxml vm1 --migratable --inactive
dumpxml none
dumpxml vm2
autostart vm1
autostart vm1
list --all --autostart
dominfo vm1
autostart vm1 --disable
autostart none
vncdisplay vm1
ttyconsole vm1
console none
suspend vm1
resume vm1
reset vm1
reboot vm1
shutdown vm1
shutdown vm1 --mode agent
shutdown vm1 --mode bogus
reboot vm1 --mode bogus
destroy vm1
destroy vm1 --graceful
destroy none
qemu-monitor-command vm1 '{"execute":"query-status"}'
qemu-agent-command vm1 '{"execute":"guest-ping"}'
start none
start
start vm1 --bogus
domid
frob vm1
start vm1 --paused
list
list --all
list --state-paused
domstate vm1 --reason
start vm1
create /run/vm1.xml
create /run/clash-uuid.xml
create /run/clash-name.xml
create /run/clash-tap.xml
define /run/vm1.xml
resume vm1
resume vm1
domstate vm1 --reason
dominfo vm1
domid vm1
domname 1
domuuid 1
suspend vm1
suspend vm1
domstate vm1 --reason
resume vm1
domblklist vm1
domblklist vm1 --details
domblklist vm1 --inactive
domiflist vm1
domiflist vm1 --inactive
vncdisplay vm1
ttyconsole vm1
dumpxml vm1
dumpxml vm1 --inactive
dumpxml vm1 --security-info
dumpxml vm1 --migratable
dumpxml vm1 --migratable --inactive
qemu-monitor-command vm1 '{"execute":"query-status"}'
qemu-monitor-command vm1 --pretty '{"execute":"query-status"}'
qemu-monitor-command vm1 --return-value '{"execute":"query-status"}'
qemu-monitor-command vm1 '{"execute":"bogus"}'
qemu-monitor-command vm1 --pretty '{"execute":"bogus"}'
qemu-monitor-command vm1 --return-value '{"execute":"bogus"}'
qemu-monitor-command vm1 '{"execute":"query-kvm","id":"mine"}'
qemu-monitor-command vm1 '{bad'
qemu-monitor-command vm1 '{}'
qemu-monitor-command vm1 --hmp info status
qemu-monitor-command vm1 --hmp 'info status'
qemu-monitor-command vm1 --hmp bogus
qemu-monitor-command vm1 query-status
qemu-monitor-command none query-status
qemu-agent-command vm1 '{"execute":"guest-ping"}'
qemu-agent-command vm1 '{bad'
qemu-agent-command none '{"execute":"guest-ping"}'
dominfo vm1
reboot vm1 --mode agent
shutdown vm1 --mode agent
autostart vm1
reset vm1
undefine vm1
list --all
list --all --transient
dominfo vm1
autostart vm1
undefine vm1
destroy vm1 --graceful
domstate vm1
create /run/vm1.xml --paused
dominfo vm1
undefine vm1
define /run/vm1.xml
dominfo vm1
destroy vm1
domstate vm1 --reason
start vm1 --force-boot
domstate vm1 --reason
destroy vm1
start vm1 --autodestroy
@off vm1
domstate vm1 --reason
undefine vm1 --nvram --managed-save --snapshots-metadata --checkpoints-metadata
undefine vm1
define /run/nokernel.xml
start nokernel
domstate nokernel --reason
undefine nokernel
create /run/none.xml
create /run/bad.xml
create /run/nodisk.xml
domxml-to-native qemu-argv --xml /run/vm2.xml
domxml-to-native qemu-argv --domain vm2
domxml-to-native qemu-argv vm2
domxml-to-native bogus --xml /run/vm2.xml
domxml-to-native qemu-argv none
domxml-to-native qemu-argv
define /run/vm3.xml
start vm3 --paused
dumpxml vm3
ttyconsole vm3
qemu-agent-command vm3 '{"execute":"guest-ping"}'
qemu-agent-command vm3 --timeout -5 '{"execute":"guest-ping"}'
shutdown vm3 --mode agent
destroy vm3
undefine vm3
start vm2
qemu-agent-command vm2 --timeout -5 '{"execute":"guest-ping"}'
pool-define /run/pool.xml
pool-define-as other dir --target /run/volumes
pool-define-as volumes dir --target /run/elsewhere
pool-define-as bogus bogus --target /run/share
pool-define-as a/b dir --target /run/share
pool-list --all
pool-list --all --details
pool-info volumes
pool-dumpxml volumes
pool-name 11111111-2222-4333-8444-555555555509
pool-name 11111111-2222-4333-8444-555555555599
define /run/onvolume.xml
dumpxml onvolume
domblklist onvolume --details
pool-create /run/nodir.xml
start onvolume
pool-build volumes
pool-start volumes
pool-start volumes
pool-build volumes
pool-info volumes
pool-list
pool-dumpxml volumes
pool-autostart volumes
pool-refresh volumes
vol-create-as volumes a.qcow2 8M --format qcow2
vol-create-as volumes a.qcow2 8M
vol-create-as volumes b.img 4M --allocation 1M
vol-create-as volumes top.qcow2 8M --format qcow2 --backing-vol a.qcow2 --backing-vol-format qcow2
vol-create volumes /run/volume.xml
vol-list volumes
vol-list volumes --details
vol-info a.qcow2 --pool volumes
vol-info b.img volumes --bytes --physical
vol-info none --pool volumes
vol-info none
vol-path a.qcow2 --pool volumes
vol-key b.img --pool volumes
vol-pool /run/volumes/b.img
pool-refresh volumes
vol-dumpxml top.qcow2 --pool volumes
vol-resize b.img 1M --pool volumes
vol-resize b.img 5M --pool volumes
start onvolume --paused
domblklist onvolume --details
dumpxml onvolume
destroy onvolume
undefine onvolume --storage hdb
vol-delete b.img --pool volumes
vol-delete b.img --pool volumes
pool-undefine volumes
pool-delete volumes
pool-destroy volumes
pool-destroy volumes
vol-list volumes
vol-path top.qcow2 --pool volumes
vol-path /run/volumes/top.qcow2
pool-delete volumes
pool-undefine volumes
pool-create /run/pool.xml
pool-info volumes
pool-autostart volumes
pool-destroy volumes
pool-list --all
destroy vm2
event --list
event --timeout 1 --all
event --timeout 1 --event lifecycle
event --timeout 1 --event bogus
event --timeout 1 --domain none --all
event
""".strip().splitlines()
"""The verbs in their order: each builds on those before it. ``@off`` waits for a guest's end."""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"{self.out}-- errors:\n{self.err}-- exit status {self.status}\n"


@dataclass(frozen=True)
class Ours:
    """A difference that stays: why, what our answer has in it, and whether both fail or succeed."""

    why: str
    says: str
    status: int = 1


UNKNOWN = "says what is accepted, and the place"
FINDING = "names the cause and the fix as well"
PLACE = "names file, line and what is accepted"
OURS = {
    "capabilities": Ours("no feature is listed that no guest of virtup can have", "<host>", 0),
    "domcapabilities": Ours("only what virtup's guests can have is offered", "<machine>pc", 0),
    "domcapabilities --machine q35": Ours("as above", "<machine>pc-q35", 0),
    "domcapabilities --arch armv7l": Ours("names what can be had", "x86_64 are supported"),
    "domcapabilities --emulatorbin /none": Ours("quotes the path", "binary '/none'"),
    "define /run/bad.xml": Ours(FINDING, "line 2"),
    "define /run/unknown.xml": Ours("nothing is dropped silently", "element <frob> in <devices>"),
    "undefine odd": Ours("as above", "failed to get domain 'odd'"),
    "define /run/clash-uuid.xml": Ours(FINDING, "is already defined with uuid"),
    "define /run/clash-name.xml": Ours(FINDING, "already exists with uuid"),
    "create /run/clash-uuid.xml": Ours(FINDING, "is already defined with uuid"),
    "create /run/clash-name.xml": Ours(FINDING, "already exists with uuid"),
    "define /run/noname.xml": Ours(PLACE, "<domain> has no <name> (FILE, line 1"),
    "define /run/badmachine.xml": Ours(FINDING, "machine type 'pc-9.9'"),
    "define /run/badtype.xml": Ours(PLACE, "accepted is 'qemu' or 'kvm'"),
    "dumpxml vm2": Ours(
        "the order of controllers in later libvirts; 9.0 has it too once it starts anew",
        "<controller type='virtio-serial'",
        0,
    ),
    "dumpxml vm1 --migratable": Ours(
        "of a running guest the address stays: elsewhere the default may be another",
        "port='-1' autoport='yes'",
        0,
    ),
    "create /run/clash-tap.xml": Ours(FINDING, "sidetap0"),
    'qemu-monitor-command vm1 \'{"execute":"query-kvm","id":"mine"}\'': Ours(
        "the caller's id is kept", '"id":"mine"', 0
    ),
    "qemu-monitor-command vm1 '{}'": Ours("refused before QEMU is asked", "member 'execute'"),
    "start nokernel": Ours(FINDING, "'/nonexistent/vmlinuz' does not exist"),
    "create /run/bad.xml": Ours(FINDING, "line 2"),
    "create /run/nodisk.xml": Ours(FINDING, "nodisk.img"),
    "pool-create /run/nodir.xml": Ours("says what to do", "pool-build nodir"),
    "pool-define-as bogus bogus --target /run/share": Ours(
        UNKNOWN, "accepted is 'dir' (FILE, line"
    ),
    "pool-define-as a/b dir --target /run/share": Ours(UNKNOWN, "without '/' (FILE, line 2"),
    "start onvolume": Ours(FINDING, "[VU257]"),
    "domxml-to-native bogus --xml /run/vm2.xml": Ours("says what is known", "only 'qemu-argv'"),
    "domxml-to-native qemu-argv --xml /run/vm2.xml": Ours(
        "the words of later libvirts, and a PATH without the caller's own folders",
        "-name guest=vm2,debug-threads=on -S",
        0,
    ),
    "domxml-to-native qemu-argv --domain vm2": Ours(
        "as above", "-name guest=vm2,debug-threads=on -S", 0
    ),
}


def same_whoever_answers(text: str) -> str:
    """Drop what differs between two runs of one and the same daemon."""
    text = re.sub(r"/dev/pts/\d+", "/dev/pts/N", text)
    text = re.sub(r"\bpid \d+", "pid PID", text)
    # virtup knows which file it sent, virsh does not say
    text = re.sub(r"\((?:<xml>|/[^ ,]+), line", "(FILE, line", text)
    text = re.sub(r"CPU time: +[\d.]+s", "CPU time: Ts", text)
    text = re.sub(r'"id": ?"(libvirt|virtup)-\d+"', '"id":"ID"', text)
    text = re.sub(r"^[-\d]+ [:.\d]+\+0000: event", "TIME: event", text, flags=re.MULTILINE)
    text = re.sub(r"(<(memory|pages) unit='KiB'[^>]*>)\d+(</\2>)(?=\n {10})", r"\1N\3", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z qemu", "TIME qemu", text)
    text = re.sub(r"<([amcb]time)>[\d.]+</", r"<\1>TIME</", text)
    used, free = r"<allocation unit='bytes'>", r"<available unit='bytes'>"
    text = re.sub(rf"{used}\d+(</allocation>\n +{free})\d+<", rf"{used}N\1N<", text)
    text = re.sub(r"(Allocation: +).*(\nAvailable: +).*", r"\1N\2N", text)
    return re.sub(r"\bas process \d+", "as process PID", text)


LIVE = (
    (r"  <resource>\n.*\n  </resource>\n", "", "virtup puts guests into no cgroup of theirs"),
    (r"  <seclabel .*\n(    .*\n)*  </seclabel>\n", "", "virtup has no security driver"),
    (r"/channel/target/domain-(\d)", r"/channel/target/\1", "later libvirts name it so"),
    (r"check='full'", "check='none'", "the CPU that QEMU made is not read back"),
    (r"    <feature policy='require' name='[^']*'/>\n", "", "as before"),
    (r"(<source [^>]*) index='\d+'/>", r"\1/>", "block nodes have no number of their own"),
    (r"      <backingStore/>\n", "", "an image's chain is what the definition says"),
    (r"<driver name='qemu'/>", "<driver name='qemu' type='raw'/>", "an empty drive keeps its type"),
)
"""What stock libvirt tells of a running guest and virtup does not: pattern, without it, why."""


WATCHED = """
define /run/vm1.xml
start vm1 --paused
resume vm1
suspend vm1
resume vm1
reset vm1
domstate vm1
destroy vm1
start vm1
destroy vm1
create /run/vm1.xml
undefine vm1
destroy vm1
""".strip().splitlines()
"""What is done while the events are watched."""


def told_by_stock(words: str, text: str) -> str:
    """What stock libvirtd printed, without what only it tells of a running guest."""
    if words.startswith("dumpxml"):
        for pattern, without, _ in LIVE:
            text = re.sub(pattern, without, text)
    return without_memory(text) if words == "nodeinfo" else text


def told_by_virtup(words: str, text: str) -> str:
    """What virtup printed, without the watchdog that 9.0 does not know."""
    if words.startswith("dumpxml"):
        text = text.replace("    <watchdog model='itco' action='reset'/>\n", "")
        text = re.sub(r"(      <alias name='watchdog0'/>\n)", "", text)
    return without_memory(text) if words == "nodeinfo" else text


def without_memory(text: str) -> str:
    """Of a host's facts all but its memory: 9.0 leaves out what was plugged in, if anything was."""
    return re.sub(r"Memory size: .*\n", "", text)


def prepare(host: PrivateHost) -> None:
    """Put the documents of the script in place."""
    guest = host.guest()

    def xml(name: str, number: int, kernel: Path = guest, **more: str) -> str:
        text = lab.domain_xml(name, kernel, **more)
        return text.replace("<memory", f"<uuid>{ONE[:-1]}{number}</uuid>\n  <memory", 1)

    one = xml("vm1", 1, devices=DEVICES)
    documents = {
        "vm1": one,
        "vm2": xml("vm2", 2, machine="q35", agent=True),
        "vm3": xml("vm3", 9, agent=True),
        "bad": "<domain type='qemu'>\n <name>x</nam>\n</domain>",
        "unknown": xml("odd", 3, devices="<frob/>"),
        "clash-uuid": one.replace("vm1", "vm8"),
        "clash-name": one.replace(ONE, ONE[:-1] + "8"),
        "clash-tap": xml("taps", 4, devices="<interface type='ethernet'><target dev='sidetap0'/>"
                         "<mac address='52:54:00:11:22:35'/></interface>"),
        "noname": one.replace("<name>vm1</name>", ""),
        "badmachine": xml("aged", 5, machine="pc-9.9"),
        "badtype": one.replace("type='qemu'", "type='bogus'", 1),
        "nokernel": xml("nokernel", 6, Path("/nonexistent")),
        "onvolume": xml("onvolume", 0, devices="<disk type='volume' device='disk'><driver "
                        "name='qemu' type='qcow2'/><source pool='volumes' volume='a.qcow2'/>"
                        "<target dev='hdb' bus='ide'/></disk>"),
        "pool": f"<pool type='dir'><name>volumes</name><uuid>{ONE[:-1]}9</uuid>"
                "<target><path>/run/volumes//</path></target></pool>",
        "nodir": "<pool type='dir'><name>nodir</name><target><path>/run/nodir</path></target>"
                 "</pool>",
        "volume": "<volume><name>made.img</name><capacity unit='KiB'>64</capacity><target>"
                  "<permissions><mode>0640</mode></permissions></target></volume>",
        "nodisk": xml("nodisk", 7, devices="<disk type='file'><source file='/run/nodisk.img'/>"
                      "<target dev='vda'/></disk>"),
    }  # fmt: skip
    for name, text in documents.items():
        host.outside(f"/run/{name}.xml").write_text(text)


Answers = dict[str, list[Answer]]


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[PrivateHost]]:
    made = []
    try:
        for start in (PrivateHost.start_stock, PrivateHost.start_virtupd):
            made.append(PrivateHost())
            prepare(made[-1])
            start(made[-1])
        yield made
    finally:
        for host in made:
            host.close()


@pytest.fixture(scope="module")
def answers(hosts: list[PrivateHost]) -> Answers:
    """Run the script on both, and return their answers in its order."""

    def play(client: lab.Client) -> list[Answer]:
        given = []
        for words in SCRIPT:
            verb, *rest = shlex.split(words)
            if verb == "@off":
                name = rest[0]
                lab.eventually(
                    lambda: client("domstate", name).stdout.startswith("shut off"),  # noqa: B023
                    f"{name} is off",
                )
                given.append(Answer(0, "", ""))
                continue
            done = client(verb, *rest, check=False)
            given.append(
                Answer(
                    done.returncode,
                    same_whoever_answers(done.stdout),
                    same_whoever_answers(done.stderr),
                )
            )
        return given

    with ThreadPoolExecutor(2) as pool:
        played = list(pool.map(play, [host.virsh for host in hosts]))
    return dict(zip(("stock", "virtupd"), played, strict=True))


NUMBERED = [pytest.param(number, id=f"{number}-{words}") for number, words in enumerate(SCRIPT)]


@pytest.mark.parametrize("number", NUMBERED)
def test_virsh_is_told_the_same_by_virtupd(answers: Answers, number: int) -> None:
    words = SCRIPT[number]
    theirs, given = answers["stock"][number], answers["virtupd"][number]
    theirs = Answer(theirs.status, told_by_stock(words, theirs.out), theirs.err)
    given = Answer(given.status, told_by_virtup(words, given.out), given.err)
    ours = OURS.get(words)
    if ours is None:
        assert str(given) == str(theirs)
    else:
        assert given != theirs, f"no difference is left: {ours.why}"
        assert given.status == ours.status
        assert ours.says in given.out + given.err


def test_every_difference_is_one_that_is_made() -> None:
    assert set(OURS) <= set(SCRIPT)


def watch(host: PrivateHost) -> list[str]:
    """Play `WATCHED` and return what ``event --all --loop --timestamp`` prints of it."""
    host.virsh("destroy", "vm1", check=False)
    host.virsh("undefine", "vm1", check=False)
    words = ["event", "--all", "--loop", "--timestamp"]
    with lab.Terminal([*host.virsh.command, "-c", host.virsh.uri, *words]) as watcher:
        # nothing says that a watcher watches: the first event that is seen says it
        def woken() -> bool:
            host.virsh("define", "/run/nokernel.xml")
            host.virsh("undefine", "nokernel")
            return watcher.shows("nokernel", wait_s=0.2)

        lab.eventually(woken, "the watcher watches")
        for done in WATCHED:
            host.virsh(*done.split())
            if done.startswith("reset"):
                watcher.until("'reboot'")
        host.virsh("define", "/run/nodisk.xml")
        watcher.until("'nodisk'")
        host.virsh("undefine", "nodisk")
        seen = same_whoever_answers(watcher.seen.replace("\r\n", "\n"))
        # the firmware resets once more, sooner or later than the guest is destroyed
        seen = re.sub(r"(TIME: event 'reboot'.*\n)\1+", r"\1", seen)
    return [line for line in seen.splitlines() if "'vm1'" in line]


def test_events_are_told_alike(hosts: list[PrivateHost], answers: Answers) -> None:
    stock, ours = hosts
    theirs = watch(stock)
    # stock libvirt tells of a shutdown when it kills: a guest that is destroyed does not shut down
    killed = "TIME: event 'lifecycle' for domain 'vm1': Shutdown Finished after host request"
    theirs = [line for line in theirs if line != killed]
    assert watch(ours) == theirs


def console(host: PrivateHost) -> str:
    """Start vm2 with its console, look at it, leave it; what the terminal showed around it."""
    host.virsh("destroy", "vm2", check=False)
    command = [*host.virsh.command, "-c", host.virsh.uri, "start", "vm2", "--console"]
    with lab.Terminal(command) as screen:
        screen.until("GUEST-UP")
        screen.type("\x1d")
        screen.until("\r\n")
        screen.finish()
        shown = screen.seen
    lines = [line for line in shown.splitlines() if not line.startswith("Authorization not")]
    return "\n".join([*lines[:3], shown[-2:]])


def test_a_start_with_console_shows_alike(hosts: list[PrivateHost], answers: Answers) -> None:
    stock, ours = hosts
    theirs = console(stock)
    assert "Connected to domain 'vm2'" in theirs
    assert console(ours) == theirs


def test_virtup_leaves_a_stock_libvirtd_alone(hosts: list[PrivateHost], answers: Answers) -> None:
    stock = hosts[0]
    assert stock.virsh("list", "--all", "--name").stdout.split() == ["vm2"]
    done = stock.virtup("list", "--all", "--name")
    assert done.stdout.split() == []
    assert stock.virtup("uri").stdout == "qemu:///system\n\n"

"""Debian's own virsh against virtupd: its verbs, its tables, its exit codes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e


@pytest.fixture
def xml(daemon: lab.Daemon, guest_dir: Path) -> Path:
    """The definition of the guest 'vm1', as a file."""
    path = daemon.root / "vm1.xml"
    text = lab.domain_xml("vm1", guest_dir)
    path.write_text(text.replace("<memory", "<title>Mail</title><memory", 1))
    return path


def test_the_connection_and_the_host(daemon: lab.Daemon, virsh: lab.Client) -> None:
    assert virsh("uri").stdout.strip() == daemon.uri
    version = virsh("version").stdout.splitlines()
    assert "Using API: QEMU 9.0.0" in version
    assert re.fullmatch(r"Running hypervisor: QEMU \d+\.\d+\.\d+", version[3])
    assert virsh("hostname").stdout.strip()
    info = dict(line.split(":", 1) for line in virsh("nodeinfo").stdout.splitlines() if line)
    assert info["CPU model"].strip() == os.uname().machine
    assert virsh("capabilities").stdout.startswith("<capabilities>")
    assert virsh("domcapabilities").stdout.startswith("<domainCapabilities>")


@pytest.mark.parametrize(
    "verb",
    ["net-list", "pool-list", "secret-list", "nwfilter-list", "iface-list", "nodedev-list"],
)
def test_what_there_is_none_of_is_listed_empty(virsh: lab.Client, verb: str) -> None:
    assert len(virsh(verb).stdout.strip().splitlines()) in (0, 2)


def test_a_verb_that_is_not_served_says_so(virsh: lab.Client) -> None:
    done = virsh("sysinfo", check=False)
    assert done.returncode == 1
    assert "error: this function is not supported" in done.stderr


def test_the_life_of_a_defined_guest(virsh: lab.Client, xml: Path) -> None:
    assert virsh("define", xml).stdout == f"Domain 'vm1' defined from {xml}\n\n"
    assert virsh("domstate", "vm1", "--reason").stdout.startswith("shut off (")
    assert virsh("list", "--all", "--title").stdout.splitlines()[2].split() == [
        "-", "vm1", "shut", "off", "Mail",
    ]  # fmt: skip
    assert virsh("start", "vm1", "--paused").stdout == "Domain 'vm1' started\n\n"
    assert virsh("domstate", "vm1").stdout == "paused\n\n"
    assert virsh("resume", "vm1").stdout == "Domain 'vm1' resumed\n\n"
    assert virsh("domstate", "vm1", "--reason").stdout == "running (unpaused)\n\n"
    assert virsh("suspend", "vm1").stdout == "Domain 'vm1' suspended\n\n"
    assert virsh("domstate", "vm1", "--reason").stdout == "paused (user)\n\n"
    assert virsh("reset", "vm1").stdout == "Domain 'vm1' was reset\n\n"
    assert virsh("autostart", "vm1").stdout == "Domain 'vm1' marked as autostarted\n\n"
    assert virsh("list", "--autostart", "--name").stdout == "vm1\n\n"
    done = virsh("start", "vm1", check=False)
    assert (done.returncode, done.stderr) == (1, "error: Domain is already active\n")
    assert virsh("destroy", "vm1").stdout == "Domain 'vm1' destroyed\n\n"
    assert virsh("domstate", "vm1", "--reason").stdout == "shut off (destroyed)\n\n"
    assert virsh("undefine", "vm1").stdout == "Domain 'vm1' has been undefined\n\n"
    done = virsh("start", "vm1", check=False)
    assert (done.returncode, done.stderr) == (1, "error: failed to get domain 'vm1'\n")


def test_what_is_told_of_a_running_guest(virsh: lab.Client, xml: Path) -> None:
    virsh("create", xml)
    uuid = virsh("domuuid", "vm1").stdout.strip()
    number = virsh("domid", "vm1").stdout.strip()
    assert virsh("domname", uuid).stdout.strip() == "vm1"
    info = dict(line.split(":", 1) for line in virsh("dominfo", number).stdout.splitlines() if line)
    assert info["Name"].strip() == "vm1"
    assert info["State"].strip() == "running"
    assert info["Persistent"].strip() == "no"
    assert info["Max memory"].strip() == "131072 KiB"
    assert virsh("vcpucount", "vm1", "--maximum", "--live").stdout.strip() == "1"
    assert virsh("ttyconsole", "vm1").stdout.startswith("/dev/pts/")
    assert f"<domain type='qemu' id='{number}'>" in virsh("dumpxml", "vm1").stdout
    assert "id=" not in virsh("dumpxml", "vm1", "--inactive").stdout.splitlines()[0]
    assert virsh("qemu-monitor-command", "vm1", "--hmp", "info status").stdout.startswith(
        "VM status: running"
    )
    assert '"running":true' in virsh(
        "qemu-monitor-command", "vm1", '{"execute":"query-status"}'
    ).stdout.replace(" ", "")
    line = virsh("domxml-to-native", "qemu-argv", "--xml", xml).stdout
    assert "-name guest=vm1" in line
    assert virsh("domblklist", "vm1").stdout.splitlines()[1].startswith("---")
    virsh("destroy", "vm1")
    assert virsh("list", "--all", "--name").stdout.strip() == ""


def test_a_guest_goes_with_the_client_that_asked_for_that(
    daemon: lab.Daemon, virsh: lab.Client, xml: Path
) -> None:
    assert "created" in virsh("create", xml, "--autodestroy").stdout
    lab.eventually(lambda: not virsh("list", "--name").stdout.strip(), "the guest went")
    lab.eventually(lambda: not daemon.qemus(), "its QEMU went")


@pytest.fixture
def terminal() -> Iterator[Callable[..., int]]:
    """``terminal(client, "console", "vm1")``: run a verb on a terminal of its own; its fd."""
    children: list[tuple[int, int]] = []

    def start(client: lab.Client, *words: str) -> int:
        command = [*client.command, "-c", client.uri, *words]
        pid, fd = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, lab.environment())
        children.append((pid, fd))
        return fd

    yield start
    for pid, fd in children:
        os.close(fd)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def read_until(fd: int, text: str) -> str:
    """Read a terminal until *text* stands there, or it is closed."""
    seen, end = "", time.monotonic() + lab.BOUND_S
    while text not in seen:
        assert select.select([fd], [], [], max(0.0, end - time.monotonic()))[0], seen
        try:
            seen += os.read(fd, 65536).decode(errors="replace")
        except OSError:
            break
    assert text in seen, seen
    return seen


def test_the_console_shows_the_guest_and_lets_go_at_the_escape(
    virsh: lab.Client, xml: Path, terminal: Callable[..., int]
) -> None:
    virsh("create", xml)
    screen = terminal(virsh, "console", "vm1")
    read_until(screen, "Escape character is ^]")
    read_until(screen, "GUEST-UP")
    done = virsh("console", "vm1", check=False, stdin="")
    assert done.returncode == 1
    os.write(screen, b"\x1d")
    read_until(screen, "\r\n")
    second = terminal(virsh, "console", "vm1", "--force")
    read_until(second, "Escape character is ^]")
    third = terminal(virsh, "console", "vm1", "--force")
    read_until(third, "Escape character is ^]")
    virsh("destroy", "vm1")
    read_until(third, "\r\n")


def test_events_are_told_as_they_happen(virsh: lab.Client, xml: Path) -> None:
    other = xml.with_name("other.xml")
    other.write_text(xml.read_text().replace("vm1", "other"))
    virsh("define", xml)
    watcher = virsh.popen("event", "--all", "--loop")
    monitor = virsh.popen("qemu-monitor-event", "--loop", "--event", "RESUME")
    try:
        # nothing says that a watcher is registered: the first event that is seen says it
        def woken() -> bool:
            virsh("define", other)
            virsh("undefine", "other")
            assert watcher.stdout is not None
            return bool(select.select([watcher.stdout], [], [], 0.1)[0])

        lab.eventually(woken, "the watcher watches")
        virsh("start", "vm1")
        virsh("suspend", "vm1")
        virsh("resume", "vm1")
        virsh("destroy", "vm1")
        virsh("undefine", "vm1")
        assert watcher.stdout is not None
        seen = read_until(watcher.stdout.fileno(), "for domain 'vm1': Undefined")
    finally:
        watcher.terminate()
        monitor.terminate()
        watcher.communicate()
        told = monitor.communicate()[0]
    assert "event RESUME at" in told
    for wanted in ("Started Booted", "Suspended Paused", "Resumed Unpaused", "Stopped Destroyed"):
        assert f"event 'lifecycle' for domain 'vm1': {wanted}" in seen


def test_a_running_guest_outlives_the_daemon(
    daemon: lab.Daemon, virsh: lab.Client, xml: Path, terminal: Callable[..., int]
) -> None:
    virsh("define", xml)
    virsh("start", "vm1")
    daemon.kill()
    daemon.start()
    assert virsh("list", "--name").stdout.split() == ["vm1"]
    screen = terminal(virsh, "console", "vm1")
    read_until(screen, "tick")
    assert virsh("domstate", "vm1").stdout == "running\n\n"
    virsh("destroy", "vm1")
    assert virsh("domstate", "vm1").stdout == "shut off\n\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<domain", "vm1"),
        ("<domain type='qemu'><name>a</name><frob/></domain>", "frob"),
        ("\x00\x01", ""),
        ("", ""),
        ("<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>", ""),
        ("<a>" * 100000, ""),
        ("<?xml version='1.0' encoding='UTF-8'?><domain><name>\udcff</name></domain>", "line 1"),
    ],
)
def test_a_bad_document_is_one_clear_error(
    daemon: lab.Daemon, virsh: lab.Client, text: str, says: str
) -> None:
    path = daemon.root / "vm1.xml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = virsh("define", path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr + daemon.log
    assert virsh("list", "--all", "--name").stdout.strip() == ""


def test_a_name_that_would_be_a_path_is_refused(virsh: lab.Client, xml: Path) -> None:
    xml.write_text(xml.read_text().replace(">vm1<", ">../vm1<"))
    done = virsh("define", xml, check=False)
    assert done.returncode == 1
    assert "../vm1" in done.stderr


def test_many_clients_at_once(virsh: lab.Client, xml: Path) -> None:
    virsh("define", xml)
    running: list[subprocess.Popen[str]] = [virsh.popen("dominfo", "vm1") for _ in range(24)]
    answers = {process.communicate()[0] for process in running}
    assert len(answers) == 1
    assert {process.returncode for process in running} == {0}


UNDER_LIBVIRTS_NAMES = """
set -e
virtupd=$1 xml=$2
shift 2
for place; do
    mkdir -p "$place"
    mount -t tmpfs -o mode=755 tmpfs "$place"
done
cd /
mkfifo /run/ready
"$virtupd" --system --layout libvirt --ready-fd 9 9<>/run/ready &
daemon=$!
trap 'kill $daemon' EXIT
read -r word < /run/ready
test "$word" = ready
virsh -c qemu:///system create "$xml"
virsh -c qemu:///system list --name
virsh -r -c qemu:///system domstate vm1
virsh -c qemu:///system destroy vm1
trap - EXIT
kill $daemon
wait $daemon
ls /run/libvirt
"""


COVERED = (
    *("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt"),
    *("/etc/virtup", "/var/lib/virtup"),
)


@pytest.mark.root
def test_under_libvirts_own_names_the_plain_uri_reaches_virtupd(xml: Path) -> None:
    bare = re.sub("<(kernel|initrd|cmdline)>.*", "", xml.read_text())
    xml.write_text(bare)  # the guest's files may lie in what is covered there
    absent = [place for place in COVERED if not Path(place).exists()]
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", UNDER_LIBVIRTS_NAMES]
    done = subprocess.run(
        [*command, "sh", lab.PROGRAMS / "virtupd", xml, *COVERED],
        env=lab.environment(),
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        check=False,
    )
    for place in absent:
        Path(place).rmdir()
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line] == [
        f"Domain 'vm1' created from {xml}",
        "vm1",
        "running",
        "Domain 'vm1' destroyed",
        "qemu",
        "storage",
        "virtupd.lock",
    ]

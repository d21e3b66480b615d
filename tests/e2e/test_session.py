"""A user without rights and without a daemon: the first word to virtup starts what is needed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.private import PrivateHost

pytestmark = pytest.mark.e2e

VIRTUP = lab.PROGRAMS / "virtup"
NO_KVM = "mount --bind /dev/null /dev/kvm" if Path("/dev/kvm").exists() else ""
Do = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(scratch: Path) -> Iterator[Path]:
    """A user's home; whatever daemon and guest the user left running ends with it."""
    made = scratch / "home"
    made.mkdir(mode=0o700)
    yield made
    mark = f"HOME={made}\0".encode()
    left = [pid for pid in lab.processes("") if mark in lab._of_process(pid, "environ")]
    for pid in left + lab.processes(str(made)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    lab.eventually(lambda: not lab.processes(str(made)), "the user's processes are gone")


@pytest.fixture
def do(home: Path) -> Do:
    """``do(SCRIPT, guest=True)``: run shell text as that user, with ``virtup`` at hand."""

    def run(script: str, **options: object) -> subprocess.CompletedProcess[str]:
        text = f'PATH={lab.PROGRAMS}:$PATH\ncd "$HOME"\n{script}'
        return lab.run_as_user(["bash", "-c", text], home, **options)  # type: ignore[arg-type]

    return run


def write(home: Path, name: str, **more: str) -> None:
    """Put the definition of a guest with user networking into the user's home."""
    nic = "<interface type='user'><model type='virtio'/></interface>"
    place = home / ".cache" / "virtup" / "demo"
    uuid = "<uuid>11111111-2222-4333-8444-555555555501</uuid>"
    text = lab.domain_xml(name, place, devices=nic, **more)
    (home / f"{name}.xml").write_text(text.replace("<memory", f"{uuid}<memory", 1))


LIFE = """
set -e
virtup uri
virtup list --all
virtup create vm.xml
virtup domstate vm --reason
# the guest says its address, which only a working network gives it
mkfifo in
virtup console vm <in >seen 2>&1 &
exec 3>in
until grep -q "eth0: 10.0.2.15" seen; do sleep 0.1; done
printf '\\035' >&3
wait $!
exec 3>&-
virsh -c "qemu+unix:///session?socket=$SOCKET" list --name
virtup list --name
virtup define vm.xml >/dev/null
virtup destroy vm
virtup domstate vm
"""
SAID = """qemu:///session

 Id   Name   State
--------------------

Domain 'vm' created from vm.xml

running (booted)

vm

vm

Domain 'vm' destroyed

shut off

"""


@pytest.mark.parametrize(
    ("runtime", "socket"),
    [
        ("unset XDG_RUNTIME_DIR", ".cache/virtup/run/virtup-sock"),
        ("mkdir -m 700 run; export XDG_RUNTIME_DIR=$HOME/run", "run/virtup/virtup-sock"),
    ],
    ids=["without a runtime directory", "with one"],
)
def test_a_guest_lives_without_rights_kvm_or_a_daemon(
    home: Path, do: Do, runtime: str, socket: str
) -> None:
    write(home, "vm")
    hide = {"before": NO_KVM} if lab.IS_ROOT else {}
    done = do(f"{runtime}; SOCKET=$HOME/{socket}\n{LIFE}", guest=True, **hide)
    assert (done.returncode, done.stdout) == (0, SAID), done.stderr
    assert (home / socket).is_socket()
    assert (home / socket).parent.stat().st_mode & 0o077 == 0
    assert (home / ".config/virtup/qemu/vm.xml").is_file()
    assert (home / ".local/state/virtup/log/vm.log").is_file()
    unused = {".cache/virtup/run/virtup-sock", "run/virtup/virtup-sock"} - {socket}
    assert not any((home / one).exists() for one in unused)
    open_to_others = [
        path
        for top in (".config", ".local", ".cache/virtup/run", "run")
        for path in (home / top).rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


@pytest.mark.root
@pytest.mark.skipif(not NO_KVM, reason="no /dev/kvm")
def test_a_guest_of_type_kvm_is_told_why_it_cannot_have_it(home: Path, do: Do) -> None:
    write(home, "vm", virt="kvm")
    shut = "mkdir -p $KEEP/d; cp -a /dev/kvm $KEEP/d/; chmod 600 $KEEP/d/kvm; "
    done = do(
        "virtup create vm.xml; virtup list --name",
        guest=True,
        before=f"{shut} mount --bind $KEEP/d/kvm /dev/kvm",
    )
    assert "error: Failed to create domain from vm.xml" in done.stderr
    assert "/dev/kvm" in done.stderr
    assert "nobody" in done.stderr
    assert done.stdout.strip() == ""


CLOSED = """
virtup uri
chmod 500 "$HOME/.local/state/virtup/log"
virtup create vm.xml 2>said
cat said >&2
eval "$(sed -n 's/^fix: *//p' said)"
virtup create vm.xml --paused && virtup destroy vm
"""


def test_a_closed_directory_is_named_and_opened_by_the_fix(home: Path, do: Do) -> None:
    write(home, "vm")
    done = do(CLOSED, guest=True)
    said = " ".join(done.stderr.split())
    log = home / ".local/state/virtup/log"
    assert f"The daemon may not write the directory '{log}' (mode 0500, owner nobody" in said
    assert f"fix: chmod u+rwx {log}" in said
    assert "Domain 'vm' destroyed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("unset HOME", "a session needs HOME to be an absolute path"),
        ("HOME=here", "a session needs HOME to be an absolute path in the environment, and it is"),
        ("mkdir -m 500 shut; export XDG_RUNTIME_DIR=$HOME/shut", "shut/virtup.start-lock' cannot"),
        (
            "mkdir -m 500 shut; export XDG_CONFIG_HOME=$HOME/shut",
            "/shut/virtup': Permission denied",
        ),
        ("mkdir -m 500 shut; export XDG_STATE_HOME=$HOME/shut", "/shut/virtup': Permission denied"),
        ("mkdir -m 500 shut; export XDG_CACHE_HOME=$HOME/shut", "start-lock' cannot be made"),
        ("touch file; export XDG_RUNTIME_DIR=$HOME/file", "Not a directory"),
        (f"export XDG_RUNTIME_DIR=$HOME/{'long/' * 20}", "bytes, and a socket's has at most 107"),
        ("PATH=/usr/bin:/bin; export XDG_DATA_HOME=/proc/none", "/proc/none"),
    ],
)
def test_a_bad_situation_is_one_sentence(do: Do, setting: str, says: str) -> None:
    done = do(f"{setting}\n{VIRTUP} list")
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stdout
    assert lines[0] == "error: failed to connect to the hypervisor"
    assert len(lines) == 2, done.stderr
    assert says in lines[1]


def test_a_user_is_told_who_may_start_a_system_daemon(do: Do) -> None:
    hide = {"before": "mount -t tmpfs -o mode=755 none /run"} if lab.IS_ROOT else {}
    done = do("virtup -c qemu:///system list", **hide)
    assert done.returncode == 1
    assert "only root can start it: 'sudo virtupd --system'" in done.stderr


@pytest.mark.root
@pytest.mark.parametrize(
    ("group", "says"),
    [
        ("0", "open to root alone; qemu:///session needs no other rights"),
        ("daemon", "open to root and to members of the group 'daemon'"),
    ],
)
def test_a_user_is_told_whom_a_socket_is_open_to(do: Do, group: str, says: str) -> None:
    made = (
        "mount -t tmpfs -o mode=755 none /run; mkdir /run/virtup; "
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/virtup/virtup-sock\")'; "
        f"chown 0:{group} /run/virtup/virtup-sock; chmod 770 /run/virtup/virtup-sock"
    )
    done = do("virtup -c qemu:///system list", before=made)
    assert done.returncode == 1
    assert "Failed to connect socket to '/run/virtup/virtup-sock': Permission denied" in done.stderr
    assert says in done.stderr


@pytest.mark.root
def test_root_gets_a_system_daemon_and_a_guest_that_is_not_roots() -> None:
    host = PrivateHost()
    try:
        host.guest()
        example = lab.PROJECT / "examples" / "vm.xml"
        assert host.virtup("create", example).stdout == f"Domain 'vm' created from {example}\n\n"
        running = host.run("ps", "-C", "qemu-system-x86_64", "-o", "user:32=").stdout.split()
        assert running == ["virtup-qemu"]
        (daemon,) = [one for one in host.run("ps", "-eo", "args=").stdout.splitlines()
                     if "virtupd --system" in one]  # fmt: skip
        assert "--timeout" not in daemon
        socket = host.outside("/run/virtup/virtup-sock")
        assert socket.stat().st_mode & 0o007 == 0
        host.virtup("destroy", "vm")
    finally:
        host.close()

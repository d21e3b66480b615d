"""Failures of the real QEMU on the real host: the cause is named, proven, and mended.

Each test makes the fault, runs QEMU as an unprivileged account, hands what it said to the diagnosis
as the daemon would, and applies the fix of the finding where it is a command. "Started" means that
QEMU obeyed `quit` on its monitor.
"""

import errno
import json
import os
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab
from virtup.causes.catalogue import UNKNOWN_SLUG
from virtup.causes.finding import Certainty, Finding
from virtup.causes.render import lines
from virtup.machine.diagnose import diagnose
from virtup.model.evidence import Evidence

USER, UID = "nobody", 65534
"""An account that every host has, and that owns nothing."""
QUIT = '{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'
PLAIN = ("-S", "-nodefaults", "-no-user-config", "-display", "none", "-m", "32")

as_root = pytest.mark.root


class Host:
    """A folder open to QEMU's account, and a QEMU to fail in it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def image(self, name: str = "a.qcow2", *more: str, size: str = "8M") -> Path:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        words = ["qemu-img", "create", "-q", "-f", "qcow2", *more, str(path)]
        subprocess.run([*words, size] if "-b" not in more else words, check=True)
        path.chmod(0o666)
        return path

    def run(self, *options: str, emulator: str = lab.QEMU, plain: bool = True) -> Evidence:
        """Run QEMU to its end and return what a start would know."""
        argv = (emulator, *(PLAIN if plain else ()), "-qmp", "stdio", *options)
        account = {"user": UID, "group": UID, "extra_groups": []} if lab.IS_ROOT else {}
        known = Evidence(
            phase="monitor",
            argv=argv,
            emulator=emulator,
            guest="vm1",
            user=USER if lab.IS_ROOT else "",
            uid=UID if lab.IS_ROOT else os.getuid(),
            gids=(UID,) if lab.IS_ROOT else tuple(os.getgroups()),
        )
        try:
            done = subprocess.run(
                argv,
                input=QUIT,
                capture_output=True,
                text=True,
                timeout=lab.BOUND_S,
                check=False,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                cwd="/",
                **account,
            )
        except OSError as error:
            values = {**fields(known), "phase": "exec", "errno": error.errno, "path": emulator}
            return Evidence(**values)
        status = done.returncode
        ended = {"exit_status": status} if status >= 0 else {"signal": -status}
        return Evidence(**{**fields(known), **ended, "stderr": done.stderr})

    def starts(self, *options: str, emulator: str = lab.QEMU) -> bool:
        return self.run(*options, emulator=emulator).exit_status == 0


def fields(ev: Evidence) -> dict[str, object]:
    return {name: getattr(ev, name) for name in Evidence.__dataclass_fields__}


@pytest.fixture
def host(scratch: Path) -> Host:
    scratch.chmod(0o755)
    return Host(scratch)


def disk(path: Path | str, driver: str = "qcow2", *, readonly: bool = False) -> tuple[str, ...]:
    file = {
        "driver": "file",
        "filename": str(path),
        "node-name": "libvirt-1-storage",
        "auto-read-only": True,
    }
    form = {
        "node-name": "libvirt-1-format",
        "read-only": readonly,
        "driver": driver,
        "file": "libvirt-1-storage",
    }
    device = "virtio-blk-pci,drive=libvirt-1-format"
    return ("-blockdev", json.dumps(file), "-blockdev", json.dumps(form), "-device", device)


async def only(ev: Evidence) -> Finding:
    """The one finding, which stands on a look at this host."""
    found = await diagnose(ev)
    assert len(found) == 1, [(one.slug, one.sentence) for one in found]
    assert found[0].certainty is Certainty.PROVEN, found[0]
    assert len(lines(found)) <= 8
    return found[0]


def apply(finding: Finding) -> None:
    for command in finding.fixes[0].commands:
        subprocess.run(shlex.split(command), check=True)


def undo(finding: Finding) -> None:
    for command in finding.fixes[0].undo:
        subprocess.run(shlex.split(command), check=True)


def facl(path: Path) -> str:
    done = subprocess.run(["getfacl", "-p", path], capture_output=True, text=True, check=True)
    return done.stdout


# -- kernels -----------------------------------------------------------------------------------


async def test_kernel_and_initrd_gone_are_two_findings(host: Host) -> None:
    found = await diagnose(
        host.run("-kernel", f"{host.place}/vmlinuz", "-initrd", f"{host.place}/initrd.img")
    )
    assert [one.slug for one in found] == ["kernel-file-missing"] * 2
    assert [one.subject for one in found] == [f"{host.place}/vmlinuz", f"{host.place}/initrd.img"]
    assert all(one.certainty is Certainty.PROVEN for one in found)
    shown = "\n".join(lines(found))
    assert f"{host.place}/vmlinuz" in shown
    assert f"{host.place}/initrd.img" in shown


async def test_initrd_alone_is_missing_and_its_neighbour_is_named(
    host: Host, guest_dir: Path
) -> None:
    (host.place / "initrd.img").write_bytes(b"x")
    finding = await only(
        host.run("-kernel", str(guest_dir / "vmlinuz"), "-initrd", f"{host.place}/initrd.imgg")
    )
    assert finding.slug == "kernel-file-missing"
    assert f"{host.place}/initrd.img'" in finding.fixes[0].text


@as_root
@pytest.mark.parametrize("closed", ["file", "directory"])
async def test_unreadable_kernel_names_who_and_where_and_the_fix_holds(
    host: Host, guest_dir: Path, closed: str
) -> None:
    folder = host.place / "boot"
    folder.mkdir()
    kernel = folder / "vmlinuz"
    kernel.write_bytes((guest_dir / "vmlinuz").read_bytes())
    kernel.chmod(0o600 if closed == "file" else 0o644)
    folder.chmod(0o700 if closed == "directory" else 0o755)
    wall = kernel if closed == "file" else folder
    before = facl(wall)

    finding = await only(host.run("-kernel", str(kernel)))
    assert finding.slug == "kernel-file-unreadable"
    assert f"'{wall}'" in finding.sentence
    assert f"'{USER}' (uid {UID})" in finding.sentence
    assert str(kernel) in finding.sentence

    apply(finding)
    assert host.starts("-kernel", str(kernel))
    undo(finding)
    assert facl(wall) == before


@as_root
async def test_one_closed_directory_is_one_finding(host: Host, guest_dir: Path) -> None:
    image = host.image("in/a.qcow2")
    kernel = host.place / "in" / "vmlinuz"
    kernel.write_bytes((guest_dir / "vmlinuz").read_bytes())
    kernel.chmod(0o644)
    (host.place / "in").chmod(0o700)
    finding = await only(host.run(*disk(image), "-kernel", str(kernel)))
    assert f"'{host.place}/in'" in finding.sentence
    assert f"the same holds for '{kernel}'" in finding.evidence
    apply(finding)
    assert host.starts(*disk(image), "-kernel", str(kernel))


# -- disks -------------------------------------------------------------------------------------


async def test_disk_missing(host: Host) -> None:
    finding = await only(host.run(*disk(host.place / "gone" / "a.qcow2")))
    assert finding.slug == "disk-file-missing"
    assert f"there is no '{host.place}/gone'" in finding.sentence


@as_root
@pytest.mark.parametrize(
    ("wall", "slug"), [("", "disk-dac-file-mode"), ("shut", "disk-dac-parent-dir")]
)
async def test_disk_not_readable(host: Host, wall: str, slug: str) -> None:
    image = host.image(f"shut/{'in/' if wall else ''}a.qcow2")
    barrier = host.place / wall if wall else image
    barrier.chmod(0o700 if wall else 0o600)
    finding = await only(host.run(*disk(image)))
    assert finding.slug == slug
    assert str(barrier) in finding.sentence
    assert USER in finding.sentence
    apply(finding)
    assert host.starts(*disk(image))


@as_root
async def test_an_access_list_that_lets_pass_is_no_wall(host: Host) -> None:
    image = host.image("shut/a.qcow2")
    (host.place / "shut").chmod(0o700)
    subprocess.run(["setfacl", "-m", f"u:{USER}:--x", host.place / "shut"], check=True)
    assert host.starts(*disk(image))
    subprocess.run(["setfacl", "-m", "m::---", host.place / "shut"], check=True)
    finding = await only(host.run(*disk(image)))
    assert finding.slug == "disk-dac-parent-dir"


@pytest.fixture
def holder(host: Host) -> Iterator[Callable[[Path], int]]:
    running: list[subprocess.Popen[str]] = []

    def hold(image: Path) -> int:
        argv = [lab.QEMU, *PLAIN, "-name", "guest=other", "-qmp", "stdio", *disk(image)]
        made = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(made)
        assert made.stdout is not None
        assert "QMP" in made.stdout.readline()
        return made.pid

    yield hold
    for one in running:
        one.kill()
        one.communicate()


async def test_locked_disk_names_pid_and_guest(host: Host, holder: Callable[[Path], int]) -> None:
    image = host.image()
    pid = holder(image)
    finding = await only(host.run(*disk(image)))
    assert finding.slug == "disk-write-lock"
    assert finding.subject == str(image)
    assert f"guest 'other' (pid {pid}" in finding.sentence
    assert f"kill {pid}" in finding.fixes[0].commands


async def test_backing_file_missing(host: Host) -> None:
    base = host.image("base.qcow2")
    image = host.image("a.qcow2", "-b", str(base), "-F", "qcow2")
    base.unlink()
    finding = await only(host.run(*disk(image)))
    assert finding.slug == "disk-backing-missing"
    assert finding.subject == str(base)
    assert str(image) in finding.sentence


async def test_backing_file_of_the_backing_file_missing(host: Host) -> None:
    first = host.image("first.qcow2")
    middle = host.image("middle.qcow2", "-b", "first.qcow2", "-F", "qcow2")
    image = host.image("a.qcow2", "-b", str(middle), "-F", "qcow2")
    first.unlink()
    finding = await only(host.run(*disk(image)))
    assert (finding.slug, finding.subject) == ("disk-backing-missing", str(first))


def raw(path: Path) -> None:
    path.write_bytes(b"\xeb\x63\x90" + bytes(4093))


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flagged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[79] |= 2
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("harm", "slug"),
    [
        (raw, "disk-format-mismatch"),
        (zeroed, "disk-image-zeroed"),
        (emptied, "disk-image-empty"),
        (flagged, "disk-image-corrupt"),
        (cut, "disk-image-corrupt"),
    ],
)
async def test_image_that_is_not_what_it_is_declared(
    host: Host, harm: Callable[[Path], None], slug: str
) -> None:
    image = host.image()
    harm(image)
    finding = await only(host.run(*disk(image)))
    assert (finding.slug, finding.subject) == (slug, str(image))


async def test_declared_vmdk_is_qcow2_and_the_fix_holds(host: Host) -> None:
    image = host.image()
    finding = await only(host.run(*disk(image, "vmdk")))
    assert finding.slug == "disk-format-mismatch"
    assert "qcow2" in finding.sentence
    assert host.starts(*disk(image, "qcow2"))


async def test_symlink_loop(host: Host) -> None:
    (host.place / "a").symlink_to("b")
    (host.place / "b").symlink_to("a")
    finding = await only(host.run(*disk(host.place / "a")))
    assert finding.slug == "file-symlink-loop"


@as_root
async def test_read_only_filesystem(host: Host) -> None:
    image = host.image("mnt/a.qcow2")
    folder = str(image.parent)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        finding = await only(host.run(*disk(image)))
        assert finding.slug == "disk-readonly-filesystem"
        assert f"'{folder}'" in finding.sentence
        subprocess.run(["mount", "-o", "remount,bind,rw", folder], check=True)
        assert host.starts(*disk(image))
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_block_device_missing(host: Host) -> None:
    finding = await only(host.run(*disk("/dev/vg-none/vm1", "raw")))
    assert finding.slug == "disk-block-dev-missing"
    assert "lvchange -ay vg-none/vm1" in finding.fixes[0].commands


# -- the emulator ------------------------------------------------------------------------------


async def test_emulator_gone_and_another_is_there(host: Host) -> None:
    finding = await only(host.run(emulator=f"{host.place}/qemu-system-x86_64"))
    assert finding.slug == "emulator-path-stale"
    assert lab.QEMU in finding.sentence


async def test_no_emulator_for_the_architecture(host: Host) -> None:
    finding = await only(host.run(emulator="/usr/bin/qemu-system-frob"))
    assert finding.slug == "emulator-not-installed"


@as_root
async def test_emulator_not_executable_and_the_fix_holds(host: Host) -> None:
    copy = host.place / "qemu-system-x86_64"
    copy.write_text(f'#!/bin/sh\nexec {lab.QEMU} "$@"\n')
    copy.chmod(0o644)
    finding = await only(host.run(emulator=str(copy)))
    assert finding.slug == "emulator-not-executable"
    apply(finding)
    assert host.starts(emulator=str(copy))


@pytest.mark.parametrize("what", ["arm", "text", "empty"])
async def test_emulator_foreign(host: Host, what: str) -> None:
    data = bytearray(Path(lab.QEMU).read_bytes()[:4096])
    data[18:20] = (183).to_bytes(2, "little")
    content = {"arm": bytes(data), "text": b"hello\n", "empty": b""}[what]
    copy = host.place / "qemu-system-x86_64"
    copy.write_bytes(content)
    copy.chmod(0o755)
    finding = await only(host.run(emulator=str(copy)))
    assert finding.slug == "emulator-foreign"
    assert ("aarch64" in finding.sentence) == (what == "arm")


async def test_emulator_script_without_interpreter(host: Host) -> None:
    script = host.place / "qemu-system-x86_64"
    script.write_text(f"#!{host.place}/no-shell\n")
    script.chmod(0o755)
    finding = await only(host.run(emulator=str(script)))
    assert finding.slug == "emulator-library-missing"
    assert "no-shell" in finding.sentence


async def test_emulator_lacks_a_library(host: Host) -> None:
    data = Path(lab.QEMU).read_bytes()
    assert data.count(b"libpixman-1.so.0") == 1
    copy = host.place / "qemu-system-x86_64"
    copy.write_bytes(data.replace(b"libpixman-1.so.0", b"libpixmaN-1.so.0"))
    copy.chmod(0o755)
    ev = host.run(emulator=str(copy))
    assert ev.exit_status == 127
    finding = await only(ev)
    assert finding.slug == "emulator-library-missing"
    assert "libpixmaN-1.so.0" in finding.sentence


async def test_machine_type_unknown_and_the_nearest_starts(host: Host) -> None:
    finding = await only(host.run("-machine", "pc-q35-99.0"))
    assert finding.slug == "machine-type-unsupported"
    nearest = finding.fixes[0].text.split("'")[3]
    assert nearest.startswith("pc-q35-")
    assert host.starts("-machine", nearest)


async def test_cpu_model_unknown_and_the_nearest_starts(host: Host) -> None:
    finding = await only(host.run("-cpu", "Skylake-Sever"))
    assert finding.slug == "cpu-model-unknown"
    nearest = finding.fixes[0].text.split("'")[1]
    assert nearest == "Skylake-Server"
    assert host.starts("-cpu", nearest)


async def test_option_unknown(host: Host) -> None:
    finding = await only(host.run("-nodefalts"))
    assert finding.slug == "qemu-arg-typo"
    assert "did you mean '-nodefaults'" in finding.sentence


@pytest.mark.parametrize(
    ("options", "slug", "subject"),
    [
        (("-device", "virtio-blk-pc"), "qemu-device-not-built", "virtio-blk-pc"),
        (("-device", "e1000,bus=pci.7"), "qemu-bus-missing", "pci.7"),
        (("-device", "e1000,addr=1"), "pci-addr-conflict-qemu-arg", "slot 1"),
        (("-device", "e1000,frob=1"), "qemu-arg-typo", "-device"),
        (("-device", "e1000,romfile=no.rom"), "fw-rom-missing", "no.rom"),
        (("-smp", "300"), "config-vcpu-limit", "300"),
        (("-smp", "4,sockets=1,cores=1,threads=1"), "config-cpu-topology", "topology"),
        (("-cpu", "host"), "cpu-host-mode-without-kvm", "host-passthrough"),
        (("-bios", "/no/bios.bin"), "fw-loader-missing", "/no/bios.bin"),
        (("-vnc", "192.0.2.1:3"), "gfx-address-unavailable", "192.0.2.1"),
        (("-vnc", "none", "-k", "xx"), "qemu-data-file-missing", "xx"),
        (
            ("-chardev", "serial,id=c,path=/dev/ttyUSB99"),
            "host-device-node-missing",
            "/dev/ttyUSB99",
        ),
    ],
)
async def test_arguments(host: Host, options: tuple[str, ...], slug: str, subject: str) -> None:
    found = await diagnose(host.run("-machine", "pc,accel=tcg", *options))
    assert [(one.slug, one.subject) for one in found] == [(slug, subject)]


# -- memory, ports, sockets, interfaces --------------------------------------------------------


async def test_not_enough_memory(host: Host) -> None:
    finding = await only(host.run("-m", "900G"))
    assert finding.slug == "mem-host-ram-short"
    assert "900 GiB" in finding.sentence


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        (("-vnc", "127.0.0.1:{display}"), "gfx-port-in-use"),
        (
            ("-chardev", "socket,id=c,host=127.0.0.1,port={port},server=on,wait=off"),
            "tcp-port-in-use",
        ),
        (
            ("-netdev", "user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "e1000,netdev=n"),
            "net-hostfwd-port-in-use",
        ),
    ],
)
async def test_port_taken_names_the_holder(
    host: Host, port: int, options: tuple[str, ...], slug: str
) -> None:
    filled = [word.format(port=port, display=port - 5900) for word in options]
    finding = await only(host.run(*filled))
    assert (finding.slug, finding.subject) == (slug, str(port))
    assert f"process {os.getpid()}" in finding.sentence


async def test_socket_path_too_long(host: Host) -> None:
    path = f"{host.place}/{'x' * 120}"
    finding = await only(host.run("-chardev", f"socket,id=c,path={path},server=on,wait=off"))
    assert (finding.slug, finding.subject) == ("socket-path-too-long", path)


async def test_socket_directory_missing_and_the_fix_holds(host: Host) -> None:
    chardev = f"socket,id=c,path={host.place}/no/s,server=on,wait=off"
    finding = await only(host.run("-chardev", chardev))
    assert (finding.slug, finding.subject) == ("socket-directory-missing", f"{host.place}/no")
    apply(finding)
    assert host.starts("-chardev", chardev)


@as_root
async def test_socket_directory_closed_and_the_fix_holds(host: Host) -> None:
    chardev = f"socket,id=c,path={host.place}/s,server=on,wait=off"
    before = facl(host.place)
    finding = await only(host.run("-chardev", chardev))
    assert finding.slug == "socket-path-unwritable"
    apply(finding)
    assert host.starts("-chardev", chardev)
    undo(finding)
    assert facl(host.place) == before


# -- the process -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "slug", "subject"),
    [
        ("kill -KILL $$", "qemu-killed", "signal 9"),
        ("kill -SEGV $$", "qemu-crashed", "signal 11"),
        ("exit 0", "qemu-exit-silent", ""),
        ("exit 3", "qemu-exit-silent", ""),
    ],
)
async def test_process_that_ends_in_another_way(
    host: Host, script: str, slug: str, subject: str
) -> None:
    shim = host.place / "qemu"
    shim.write_text(f"#!/bin/sh\n{script}\n")
    shim.chmod(0o755)
    finding = await only(host.run(emulator=str(shim)))
    assert finding.slug == slug
    assert finding.subject == (subject or str(shim))


async def test_a_healthy_run_has_no_finding_but_unknown(host: Host) -> None:
    image = host.image()
    ev = host.run(*disk(image), "-vnc", "none")
    assert ev.exit_status == 0
    found = await diagnose(Evidence(**{**fields(ev), "exit_status": None, "phase": "cont"}))
    assert [one.slug for one in found] == [UNKNOWN_SLUG]


async def test_noise_is_never_the_cause(host: Host) -> None:
    ev = host.run(*disk(host.place / "a.qcow2"))
    noise = (
        "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.07H:EBX.rtm\n"
        "qemu-system-x86_64: -realtime mlock=off: warning: '-realtime mlock=...' is deprecated\n"
        "Failed to create /var/lib/x/.cache for shader cache (Permission denied)---disabling.\n"
    )
    found = await diagnose(Evidence(**{**fields(ev), "stderr": noise + ev.stderr}))
    assert [one.slug for one in found] == ["disk-file-missing"]


async def test_a_kernel_error_number_is_enough(host: Host) -> None:
    finding = await only(
        Evidence(phase="exec", errno=errno.ENOENT, path="/no/qemu-kvm", uid=os.getuid())
    )
    assert finding.slug == "emulator-path-stale"


@as_root
async def test_killed_for_memory_by_the_kernel(host: Host) -> None:
    """A control group that is too small for the guest's memory, which is touched at once."""
    old, new = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    shares = new / "cgroup.subtree_control"
    unified = shares.exists() and "memory" in shares.read_text().split()
    group = old if (old / "memory.limit_in_bytes").exists() else new if unified else None
    if group is None or not os.access("/dev/kmsg", os.R_OK):
        pytest.skip("no memory control group, or no kernel log, on this host")
    cell = group / f"virtup-test-{os.getpid()}"
    cell.mkdir()
    try:
        limit = cell / "memory.limit_in_bytes"
        (limit if limit.exists() else cell / "memory.max").write_text(str(64 << 20))
        inside = f"echo $$ >{cell}/cgroup.procs; exec {lab.QEMU} {' '.join(PLAIN[:-1])} 256 "
        inside += "-machine pc,accel=tcg -mem-prealloc"
        with subprocess.Popen(["sh", "-c", inside], stderr=subprocess.PIPE, text=True) as made:
            _, words = made.communicate(timeout=lab.BOUND_S)
        argv = (lab.QEMU, "-m", "256")
        known = Evidence(phase="monitor", argv=argv, stderr=words, uid=0, gids=(0,))
        ended = {"signal": -made.returncode, "pid": made.pid}
        finding = await only(Evidence(**{**fields(known), **ended}))
    finally:
        cell.rmdir()
    assert finding.slug == "qemu-oom-killed"
    assert f"pid {made.pid}" in finding.sentence
    assert "256 MiB" in finding.sentence


async def test_a_live_process_that_never_greets(host: Host) -> None:
    with subprocess.Popen(["sleep", "600"]) as made:
        try:
            known = Evidence(phase="monitor", silence="no greeting", waited_s=10, uid=os.getuid())
            finding = await only(Evidence(**{**fields(known), "pid": made.pid}))
        finally:
            made.kill()
    assert finding.slug == "qemu-hangs"
    assert f"pid {made.pid}" in finding.sentence

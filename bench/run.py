#!/usr/bin/env python3
"""How fast virtup is, beside bare QEMU and, where it is installed, stock libvirt, in one run.

    bench/run.py [-n ROUNDS] [--only create,refuse,client,parallel,save]
                 [--json FILE] [--no-libvirt]

create    an XML file on disk -> the guest runs; the whole life of the client process included
refuse    a kernel that is not readable, a device that QEMU lacks: QEMU's exit -> the client has ended
client    a client that needs no daemon: ``--version``
parallel  several guests created at once, each by a client of its own
save      1 and 4 GiB of random memory to a file, synced, and from it, not cached;
          the digests of virtup included

The rounds are interleaved: bare QEMU and every client once a round, so that what else the machine
does falls on all of them alike. A ratio is to bare QEMU of the same run, which gets a QMP monitor
on an inherited socket, negotiates and continues. The first round warms up and does not count.
libvirt runs in a mount namespace of its own (root only) with its directories and a /dev/kvm that
its user may open: nothing on the host changes, and its probing of QEMU is not what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import saves

from tests import lab

SECTIONS = ("create", "refuse", "client", "parallel", "save")
PARALLEL = 8
MEMORY_MIB = 256
SAVED_GIB = (1, 4)
SAVE_ROUNDS = 3
LIBVIRT = "virsh to libvirtd"
VIRSH = "virsh to virtupd"
VIRTUP = "virtup to virtupd"
BUDGET_RATIO = {("create", VIRSH): 2.0, ("create", VIRTUP): 3.5}
BUDGET_RATIO |= {(f"save {size} GiB", VIRSH): 1.2 for size in SAVED_GIB}
BUDGET_RATIO |= {(f"restore {size} GiB", VIRSH): 1.3 for size in SAVED_GIB}
GOAL_RATIO = {("parallel", VIRSH): 1.3}
BUDGET_REFUSE_MS = 100.0

STAMPED_QEMU = """#!/bin/sh
{qemu} "$@"
status=$?
date +%s%N >>{stamps}
exit $status
"""

NAMESPACE = """
set -e
for name in etc/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt; do
    mkdir -p "$R/private/$name"
    [ "$name" = var/log/libvirt ] || cp -a "/$name/." "$R/private/$name/"
    mount --bind "$R/private/$name" "/$name"
done
rm -rf /etc/libvirt/qemu/*.xml /etc/libvirt/qemu/autostart /etc/libvirt/qemu/networks/autostart
if [ -e /dev/kvm ]; then
    mknod -m 666 "$R/private/kvm" c 10 232
    mount --bind "$R/private/kvm" /dev/kvm
fi
mount -t tmpfs tmpfs /run
mkdir -p /run/libvirt /run/lock
cat >"$R/libvirtd.conf" <<CONF
unix_sock_dir = "$R/run"
auth_unix_rw = "none"
CONF
mkdir -p "$R/run"
virtlogd &
exec libvirtd --config "$R/libvirtd.conf"
"""


@dataclass
class Series:
    """What was measured: seconds by what and by whom."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, who: str, value: float) -> None:
        """Keep one value."""
        self.seconds.setdefault((what, who), []).append(value)

    def median(self, what: str, who: str) -> float:
        """Return the middle one."""
        return statistics.median(self.seconds[what, who])


def main() -> int:
    """Measure what was asked, print the table, and say whether the budgets hold."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-n", "--rounds", type=int, default=10, help="rounds that count")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas between")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    parser.add_argument("--no-libvirt", action="store_true", help="leave stock libvirt out")
    options = parser.parse_args()
    only = options.only.split(",")
    if unknown := set(only) - set(SECTIONS):
        parser.error(
            f"no section is called {', '.join(sorted(unknown))}; {', '.join(SECTIONS)} are"
        )
    series = Series()
    with contextlib.ExitStack() as stack:
        place = lab.scratch()
        stack.callback(lab.discard, place)
        clients = stack.enter_context(clients_of(place, libvirt=not options.no_libvirt))
        for section in only:
            SECTION[section](series, clients, place, options.rounds)
    lines, held = table(series)
    print("\n".join([*machine(), "", *lines, *series.notes, *series.failures]))
    if options.json:
        values = {f"{what}: {who}": v for (what, who), v in series.seconds.items()}
        options.json.write_text(json.dumps(values, indent=1) + "\n")
    ours = [text for text in series.failures if not text.startswith(LIBVIRT)]
    return 0 if held and not ours else 1


@contextlib.contextmanager
def clients_of(place: Path, *, libvirt: bool) -> Iterator[dict[str, lab.Client]]:
    """Start the daemons; their clients by label."""
    root = place / "virtup"
    root.mkdir(mode=0o711)
    daemon = lab.Daemon(root)
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.close)
        daemon.start()
        clients = {VIRSH: daemon.virsh, VIRTUP: daemon.virtup}
        if libvirt and lab.IS_ROOT and shutil.which("libvirtd"):
            uri = stack.enter_context(stock_libvirt(place / "libvirt"))
            clients[LIBVIRT] = lab.Client(["virsh"], uri)
        yield clients


@contextlib.contextmanager
def stock_libvirt(root: Path) -> Iterator[str]:
    """A libvirtd in namespaces of its own, which end with all that runs in them; its URI."""
    (root / "private").mkdir(parents=True)
    root.chmod(0o711)
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *["unshare", "-m", "--propagation", "private", "sh", "-c", NAMESPACE],
            ],
            env={**lab.environment(), "R": str(root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    uri = f"qemu+unix:///system?socket={root}/run/libvirt-sock"
    try:
        client = lab.Client(["virsh"], uri)
        lab.eventually(
            lambda: process.poll() is not None or client("version", check=False).returncode == 0,
            "libvirtd answers",
            bound_s=180,
        )
        assert process.poll() is None, f"libvirtd: {(root / 'log').read_text()}"
        yield uri
    finally:
        if process.poll() is None:
            end_namespace(process.pid)
        process.wait()


def end_namespace(pid: int) -> None:
    """Kill every process in the mount namespace of *pid*, which must not be our own."""
    theirs = os.stat(f"/proc/{pid}/ns/mnt").st_ino
    assert theirs != os.stat("/proc/self/ns/mnt").st_ino
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if os.stat(f"{entry}/ns/mnt").st_ino == theirs:
                os.kill(int(entry.name), signal.SIGKILL)


def definition(place: Path, name: str, *, kernel: Path | None = None, emulator: str = "") -> Path:
    """Write the XML of a guest and return its path."""
    guest = lab.guest_dir()
    text = lab.domain_xml(name, guest, memory_mib=MEMORY_MIB)
    if kernel:
        text = text.replace(f"{guest}/vmlinuz", str(kernel))
    if emulator:
        text = text.replace(lab.QEMU, emulator)
    path = place / f"{name}.xml"
    path.write_text(text)
    return path


def with_argument(xml: str, *words: str) -> str:
    """Return the definition *xml* with raw arguments for QEMU."""
    raw = "".join(f"<qemu:arg value='{word}'/>" for word in words)
    space = "http://libvirt.org/schemas/domain/qemu/1.0"
    return xml.replace(
        "</domain>", f"<qemu:commandline xmlns:qemu='{space}'>{raw}</qemu:commandline></domain>"
    )


def timed(client: lab.Client, *words: str | Path) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run one verb; the seconds that its process lived."""
    began = time.perf_counter()
    done = client(*words, check=False)
    return time.perf_counter() - began, done


def create(series: Series, clients: dict[str, lab.Client], place: Path, rounds: int) -> None:
    """XML file -> running."""
    path = definition(place, "bench-create")
    for number in range(rounds + 1):
        floor = bare_qemu()
        if number:
            series.add("create", "bare QEMU", floor)
        for who, client in clients.items():
            seconds, done = timed(client, "create", path)
            assert done.returncode == 0, f"{who}: {done.stderr}"
            client("destroy", "bench-create")
            if number:
                series.add("create", who, seconds)


def refuse(series: Series, clients: dict[str, lab.Client], place: Path, rounds: int) -> None:
    """QEMU's exit over a kernel that it may not read -> the client's end."""
    if not lab.IS_ROOT:
        return
    shut = place / "shut"
    shut.mkdir(mode=0o700)
    shutil.copy(lab.guest_dir() / "vmlinuz", shut)
    stamps, emulator = place / "stamps", place / "qemu"
    stamps.touch()
    stamps.chmod(0o666)
    emulator.write_text(STAMPED_QEMU.format(qemu=lab.QEMU, stamps=stamps))
    emulator.chmod(0o755)
    closed = definition(place, "bench-refuse", kernel=shut / "vmlinuz", emulator=str(emulator))
    unknown = definition(place, "bench-unknown", emulator=str(emulator))
    unknown.write_text(with_argument(unknown.read_text(), "-device", "virtio-blk-pc"))
    for number, (path, what) in product(
        range(rounds + 1), ((closed, "refuse"), (unknown, "unknown"))
    ):
        for who, client in clients.items():
            before = len(stamps.read_text().split())
            seconds, done = timed(client, "create", path)
            ended = time.time_ns()
            assert done.returncode == 1, f"{who} started what it should refuse"
            exits = stamps.read_text().split()[before:]
            if number:
                series.add(f"{what}, all of it", who, seconds)
                if exits:  # the start's own comes first: what is asked of QEMU is asked after it
                    series.add(f"{what}, after QEMU's exit", who, (ended - int(exits[0])) / 1e9)


def client_alone(series: Series, _clients: dict[str, lab.Client], _p: Path, rounds: int) -> None:
    """The start of a client and of what it imports."""
    programs = {
        "bare Python": [sys.executable, "-c", ""],
        "virsh --version": ["virsh", "--version"],
        "virtup --version": [str(lab.PROGRAMS / "virtup"), "--version"],
    }
    for number in range(rounds + 1):
        for who, command in programs.items():
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True, env=lab.environment())
            if number:
                series.add("client", who, time.perf_counter() - began)


def parallel(series: Series, clients: dict[str, lab.Client], place: Path, rounds: int) -> None:
    """Several guests at once, until the last one runs."""
    paths = [definition(place, f"bench-{number}") for number in range(PARALLEL)]
    for number in range(min(rounds, 3) + 1):
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(PARALLEL) as pool:
            began = time.perf_counter()
            runs = [pool.submit(run_bare_qemu, began, stack) for _ in paths]
            running = max(run.result() for run in runs)
        if number:
            series.add("parallel", "bare QEMU", running)
        for who, client in clients.items():
            began = time.perf_counter()
            started = [client.popen("create", path) for path in paths]
            said = [process.communicate()[0] for process in started]
            seconds = time.perf_counter() - began
            for path in paths:
                client("destroy", path.stem, check=False)
            failed = [
                text for text, process in zip(said, started, strict=True) if process.returncode
            ]
            if failed:
                words = " ".join(failed[0].split())
                series.failures.append(
                    f"{who}: {len(failed)} of {PARALLEL} at once failed: {words}"
                )
            elif number:
                series.add("parallel", who, seconds)


def save(series: Series, clients: dict[str, lab.Client], place: Path, rounds: int) -> None:
    """Memory to a file, and from it; a round takes long, so there are few."""
    (daemon,) = lab.processes(f"--root\0{place / 'virtup'}")
    by_virsh = {who: clients[who] for who in (VIRSH, LIBVIRT) if who in clients}
    for gib in SAVED_GIB:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            where = Path(folder)
            where.chmod(0o711)
            if lack := saves.lack(where, gib * 1024, len(by_virsh) + 1):
                series.notes.append(f"{gib} GiB are not saved: {lack}")
                continue
            saves.measure(
                series.add, where, by_virsh, mib=gib * 1024, rounds=min(rounds, SAVE_ROUNDS)
            )
        peak = saves.peak_mib(daemon)
        series.notes.append(f"most memory of virtupd after {gib} GiB: {peak:.0f} MiB")


SECTION = {
    "create": create,
    "refuse": refuse,
    "client": client_alone,
    "parallel": parallel,
    "save": save,
}


def bare_qemu() -> float:
    """Seconds from nothing to a running guest, with QEMU alone and a QMP monitor."""
    with contextlib.ExitStack() as stack:
        return run_bare_qemu(time.perf_counter(), stack)


def run_bare_qemu(began: float, stack: contextlib.ExitStack) -> float:
    """Start a bare QEMU that *stack* ends, and return the seconds from *began* to its running."""
    guest, place = lab.guest_dir(), lab.scratch()
    stack.callback(lab.discard, place)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as monitor:
        listening.bind(f"{place}/monitor")
        listening.listen(1)
        process = subprocess.Popen(
            bare_argv(guest, listening.fileno()),
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        monitor.connect(f"{place}/monitor")
        with monitor.makefile("rwb") as stream:
            stream.readline()
            for command in ("qmp_capabilities", "cont"):
                stream.write(json.dumps({"execute": command}).encode() + b"\n")
                stream.flush()
                while not {"return", "error"} & set(json.loads(stream.readline())):
                    continue
            return time.perf_counter() - began


def bare_argv(guest: Path, monitor: int) -> list[str]:
    """The least command line that boots the same guest with the devices that its XML brings."""
    return [
        *[lab.QEMU, "-S", "-no-user-config", "-nodefaults", "-nographic"],
        *["-machine", "pc", "-accel", "tcg", "-m", str(MEMORY_MIB)],
        *["-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/initrd.img"],
        *["-append", "console=ttyS0 quiet", "-serial", "null"],
        *["-chardev", f"socket,id=monitor,fd={monitor},server=on,wait=off"],
        *["-mon", "chardev=monitor,mode=control"],
        *["-device", "piix3-usb-uhci", "-device", "virtio-balloon-pci"],
    ]


def machine() -> list[str]:
    """What the figures were measured on."""

    def first_line(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.partition("\n")[0]

    return [
        f"{first_line(lab.QEMU, '--version')}",
        f"Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs",
    ]


def table(series: Series) -> tuple[list[str], bool]:
    """Return the lines of the table, and whether every budget holds."""
    lines = [
        f"{'what':<27}{'who':<20}{'median':>9}{'min':>9}{'max':>9}{'n':>4}{'ratio':>8}  budget"
    ]
    lines.append("-" * len(lines[0]))
    held = True
    for (what, who), values in series.seconds.items():
        median = series.median(what, who)
        floor = (what, "bare QEMU")
        ratio = median / series.median(*floor) if floor in series.seconds else None
        limit = BUDGET_RATIO.get((what, who))
        verdict = ""
        if limit is not None and ratio is not None:
            held &= ratio <= limit
            verdict = f"<= {limit:.1f} {'ok' if ratio <= limit else 'MISSED'}"
        if goal := GOAL_RATIO.get((what, who)):
            verdict = f"goal {goal:.1f}"
        if what.endswith("exit") and who != LIBVIRT:
            fast = median * 1000 <= BUDGET_REFUSE_MS
            held &= fast
            verdict = f"<= {BUDGET_REFUSE_MS:.0f} ms {'ok' if fast else 'MISSED'}"
        figures = "".join(f"{x * 1000:>6.0f} ms" for x in (median, min(values), max(values)))
        times = f"{ratio:.2f}" if ratio is not None else "-"
        lines.append(f"{what:<27}{who:<20}{figures}{len(values):>4}{times:>8}  {verdict}".rstrip())
    return lines, held


if __name__ == "__main__":
    sys.exit(main())

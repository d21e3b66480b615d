"""The tiny guest keeps what docs/guest.md says of it, on a bare QEMU without virtup."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e


class Bare:
    """A bare QEMU with the guest: its serial line is our pipe, its monitor and agent are sockets."""

    def __init__(self, guest: Path, place: Path, *, initrd: str, words: str) -> None:
        self.place = place
        self.seen = ""
        self.process = subprocess.Popen(
            [
                *[lab.QEMU, "-nodefaults", "-nographic", "-no-reboot", "-m", "192"],
                *["-accel", "tcg", "-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/{initrd}"],
                *["-append", f"console=ttyS0 quiet {words}", "-serial", "stdio"],
                *["-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n"],
                *["-drive", f"file={guest}/disk.img,format=raw,if=none,id=d,read-only=on"],
                *["-device", "virtio-blk-pci,drive=d", "-device", "virtio-serial-pci"],
                *["-chardev", f"socket,id=a,path={place}/agent,server=on,wait=off"],
                *["-device", "virtserialport,chardev=a,name=org.qemu.guest_agent.0"],
                *["-qmp", f"unix:{place}/monitor,server=on,wait=off"],
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def until(self, text: str) -> None:
        """Read the serial line until *text* stands there."""
        assert self.process.stdout is not None
        end = time.monotonic() + lab.BOUND_S
        while text not in self.seen:
            left = end - time.monotonic()
            assert select.select([self.process.stdout], [], [], max(0, left))[0], self.seen
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"QEMU ended before '{text}':\n{self.seen}"
            self.seen += data.decode(errors="replace").replace("\r", "")

    def type(self, text: str) -> None:
        """Type *text* on the serial line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ask(self, which: str, *commands: dict[str, object]) -> list[dict[str, object]]:
        """Send JSON lines to the "monitor" or the "agent" and return the answers with a result."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(lab.BOUND_S)
            link.connect(f"{self.place}/{which}")
            answers = []
            with link.makefile("rwb") as stream:
                for command in commands:
                    stream.write(json.dumps(command).encode() + b"\n")
                    stream.flush()
                    while command["execute"] != "guest-shutdown":
                        answer = json.loads(stream.readline())
                        if "return" in answer or "error" in answer:
                            answers.append(answer)
                            break
                if commands[-1]["execute"] == "guest-shutdown":
                    self.process.wait(lab.BOUND_S)
        return answers


Boot = Callable[..., Bare]


@pytest.fixture
def boot(guest_dir: Path, scratch: Path) -> Iterator[Boot]:
    made: list[Bare] = []

    def start(words: str = "", initrd: str = "initrd.img") -> Bare:
        made.append(Bare(guest_dir, scratch, initrd=initrd, words=words))
        return made[-1]

    yield start
    for bare in made:
        bare.process.kill()
        bare.process.communicate()


def test_it_ticks_has_its_devices_and_heeds_the_power_button(boot: Boot) -> None:
    bare = boot()
    bare.until("GUEST-UP")
    bare.until("GUEST-READY")
    bare.until("eth0: 10.0.2.15")
    bare.until("tick 2")
    bare.ask("monitor", {"execute": "qmp_capabilities"}, {"execute": "system_powerdown"})
    bare.until("Power down")
    assert bare.process.wait(lab.BOUND_S) == 0


def test_a_person_can_log_in(boot: Boot) -> None:
    bare = boot("guest=login fill=4")
    bare.until("virtup-guest login: ")
    bare.type("root\n")
    bare.until("# ")
    bare.type("cat /proc/partitions; ls -s /run/fill; echo se''en\n")
    bare.until("seen")
    assert "16384 vda" in bare.seen
    assert "4096 data" in bare.seen
    assert "tick" not in bare.seen


def test_the_agent_answers_and_shuts_down(boot: Boot) -> None:
    bare = boot("guest=quiet", "initrd-agent.img")
    bare.until("guest agent: on")
    answers = bare.ask(
        "agent",
        {"execute": "guest-ping"},
        {"execute": "guest-get-host-name"},
        {"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}},
    )
    assert answers == [{"return": {}}, {"return": {"host-name": "virtup-guest"}}]
    bare.until("Power down")

"""The guest agent for real: present, stopped, killed, replaced by noise, and after a restart."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

PING = '{"execute":"guest-ping"}'
UNRESPONSIVE = "error: Guest agent is not responding: "
FIND_AGENT = (
    "ga() { ps | grep '[q]emu-ga -m' | sed 's/^ *//; s/ .*//' | head -1; }; "
    "port=$(echo /dev/vport*p1); echo rea'dy'\n"
)


class Inside:
    """A running guest with an agent, and root's shell in it."""

    def __init__(self, daemon: lab.Daemon, screen: lab.Terminal) -> None:
        self.daemon = daemon
        self.screen = screen
        self.count = 0

    def do(self, line: str) -> None:
        """Run a line in the guest and wait until it is done."""
        self.count += 1
        self.screen.type(f"{line}\necho do'ne' {self.count}\n")
        self.screen.until(f"done {self.count}")

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask the agent from the host."""
        return self.daemon.virsh("qemu-agent-command", "vm", *words, check=False)

    def refusal(self, *words: str) -> str:
        """What virsh says when the agent cannot be asked."""
        done = self.ask(*words)
        assert (done.returncode, done.stdout) == (1, "\n"), done
        return done.stderr

    def wait(self, *, connected: bool) -> None:
        lab.eventually(
            lambda: (self.ask(PING).returncode == 0) is connected, f"agent connected: {connected}"
        )


@pytest.fixture
def inside(daemon: lab.Daemon, guest_dir: Path) -> Iterator[Inside]:
    path = daemon.root / "vm.xml"
    path.write_text(lab.domain_xml("vm", guest_dir, agent=True, cmdline="guest=login"))
    daemon.virsh("create", path)
    assert daemon.virsh("qemu-agent-command", "vm", PING, check=False).stderr == (
        f"{UNRESPONSIVE}QEMU guest agent is not connected\n"
    )
    with lab.Terminal([*daemon.virsh.command, "-c", daemon.uri, "console", "vm"]) as screen:
        screen.until("login: ")
        screen.type("root\n")
        screen.until("# ")
        screen.type(FIND_AGENT)
        screen.until("ready")
        made = Inside(daemon, screen)
        made.wait(connected=True)
        yield made


def test_an_agent_in_every_state(daemon: lab.Daemon, inside: Inside) -> None:
    watcher = ["event", "--event", "agent-lifecycle", "--loop"]
    with lab.Terminal([*daemon.virsh.command, "-c", daemon.uri, *watcher]) as events:
        _present(inside)
        _stopped(daemon, inside)

        inside.do("kill -9 $(ga)")
        inside.wait(connected=False)
        assert inside.refusal(PING) == f"{UNRESPONSIVE}QEMU guest agent is not connected\n"
        done = daemon.virsh("shutdown", "vm", "--mode", "agent", check=False)
        assert done.returncode == 1
        assert "QEMU guest agent is not connected" in done.stderr

        inside.do("(while :; do echo '{}'; done) >$port &")
        lab.eventually(lambda: "no answer" in inside.refusal(PING), "noise is said to be noise")
        inside.do("kill $!")
        inside.do("(cat /dev/urandom >$port) &")
        lab.eventually(lambda: "not connected" not in inside.refusal(PING), "noise comes")
        assert daemon.virsh("domstate", "vm").stdout == "running\n\n"
        inside.do("kill $(ps | grep '[c]at /dev/urandom' | sed 's/^ *//; s/ .*//')")
        inside.wait(connected=False)

        inside.do("(qemu-ga -m virtio-serial -p $port -t /run >/dev/null 2>&1) &")
        inside.wait(connected=True)
        events.until("state: 'connected' reason: 'channel event'")
        assert "'vm': state: 'disconnected' reason: 'channel event'" in events.seen

    daemon.kill()
    daemon.start()
    assert json.loads(inside.ask(PING).stdout) == {"return": {}}
    assert "Traceback" not in daemon.log


def _present(inside: Inside) -> None:
    """What a working agent answers and refuses, in the words that virsh's users know."""
    pretty = inside.ask("--pretty", '{"execute":"guest-get-host-name"}')
    assert pretty.stdout == '{\n  "return": {\n    "host-name": "virtup-guest"\n  }\n}\n\n\n'
    for words in (["--block"], ["--timeout", "20"]):
        assert inside.ask(*words, PING).stdout == '{"return":{}}\n\n'
    assert "not available for now" in inside.refusal("--async", PING)
    cannot = "error: internal error: unable to execute QEMU agent command"
    assert inside.refusal('{"execute":"bogus"}') == (
        f"{cannot} 'bogus': The command bogus has not been found\n"
    )
    assert inside.refusal('{"execute":"guest-ping","arguments":{"a":1}}') == (
        f"{cannot} 'guest-ping': Parameter 'a' is unexpected\n"
    )
    assert "the agent command is not JSON" in inside.refusal("guest-ping")
    info = inside.daemon.virsh("dominfo", "vm").stdout
    assert "Messages:       tainted: custom guest agent control commands issued\n" in info


def _stopped(daemon: lab.Daemon, inside: Inside) -> None:
    """An agent that does not answer holds up nobody but those who ask it."""
    inside.do("kill -STOP $(ga)")
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(inside.refusal, PING)
        down = pool.submit(daemon.virsh, "shutdown", "vm", "--mode", "agent", check=False)
        assert daemon.virsh("domstate", "vm").stdout == "running\n\n"
        daemon.virsh("qemu-monitor-command", "vm", '{"execute":"query-status"}')
        assert asked.result().startswith(f"{UNRESPONSIVE}Guest agent not available for now")
        assert "Guest agent not available for now" in down.result().stderr
    inside.do("kill -CONT $(ga)")
    inside.wait(connected=True)
    assert daemon.virsh("domstate", "vm").stdout == "running\n\n"


def test_a_reboot_by_the_agent_is_one_and_a_power_off_after_it_too(
    daemon: lab.Daemon, inside: Inside
) -> None:
    daemon.virsh("reboot", "vm", "--mode", "agent")
    inside.screen.until("GUEST-UP")
    inside.screen.until("login: ")
    inside.wait(connected=True)
    daemon.virsh("reboot", "vm", "--mode", "acpi")
    inside.screen.until("GUEST-UP")
    inside.screen.until("login: ")
    inside.screen.type("root\n")
    inside.screen.until("# ")
    inside.screen.type("poweroff -f\n")
    lab.eventually(lambda: not daemon.qemus(), "a guest that powers itself off is off")
    assert daemon.virsh("list", "--all", "--name").stdout.strip() == ""


def test_a_command_in_flight_ends_with_the_agent(daemon: lab.Daemon, inside: Inside) -> None:
    # guest-set-time runs this program and waits for its end
    inside.do("mkdir -p /sbin; printf '#!/bin/sh\\nexec sleep 1000\\n' >/sbin/hwclock")
    inside.do("/bin/busybox chmod 755 /sbin/hwclock")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(inside.refusal, "--block", '{"execute":"guest-set-time"}')
        inside.do("until ps | grep -q '[s]leep 1000'; do sleep 0.1; done")
        inside.do("kill -9 $(ga)")
        assert asked.result() == (
            f"{UNRESPONSIVE}Guest agent disappeared while executing command\n"
        )
    done = daemon.virsh("shutdown", "vm", "--mode", "acpi")
    assert done.stdout == "Domain 'vm' is being shutdown\n\n"
    lab.eventually(lambda: not daemon.qemus(), "the guest heeds the power button")

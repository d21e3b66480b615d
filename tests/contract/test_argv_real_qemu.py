"""The installed QEMU takes the command lines, and has the devices where the definition says."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from virtup.machine import probe
from virtup.model.domain import Domain, parse_domain
from virtup.model.domain.address import PciAddress
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.qemu.argv import build
from virtup.qemu.capabilities import Capabilities
from virtup.qemu.runtime import Runtime
from virtup.qemu.settle import commands

pytestmark = pytest.mark.skipif(not Path(lab.QEMU).exists(), reason=f"{lab.QEMU} is not installed")

DISKS = """
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
  <source file='{dir}/a,b.qcow2'/><target dev='{first}'/><boot order='1'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw' error_policy='stop' queues='2'/>
  <source file='{dir}/raw.img'/><target dev='vda' bus='virtio'/><serial>S-1</serial></disk>
<disk type='file' device='cdrom'><target dev='sdb' bus='sata' tray='open'/></disk>
<disk type='file' device='disk'><source file='{dir}/two.img'/><target dev='sdc' bus='scsi'/></disk>
<controller type='scsi' model='virtio-scsi'/>
"""
OTHERS = """
<interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>
<interface type='user'><model type='e1000'/><link state='down'/></interface>
<serial type='pty'/>
<serial type='file'><source path='{dir}/serial.log'/></serial>
<serial type='null'/>
<console type='pty'><target type='virtio'/></console>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<input type='tablet' bus='usb'/>
<input type='keyboard' bus='virtio'/>
<graphics type='vnc' keymap='en-gb'><listen type='socket' socket='{dir}/vnc.sock'/></graphics>
<video><model type='cirrus'/></video>
<watchdog model='i6300esb' action='pause'/>
<memballoon model='virtio' autodeflate='on'><stats period='5'/></memballoon>
<rng model='virtio'><rate bytes='1024' period='1000'/>
  <backend model='random'>/dev/urandom</backend></rng>
<panic model='isa'/>
"""
HEAD = """<domain type='qemu'><name>real,guest=1</name>
<uuid>ebfaadbe-e908-ba92-fdb8-3fa2db557a42</uuid><memory unit='MiB'>64</memory>
<currentMemory unit='MiB'>32</currentMemory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='{machine}'>hvm</type><bootmenu enable='yes' timeout='100'/></os>
<features><acpi/><apic/><vmcoreinfo/></features>
<cpu><topology sockets='1' cores='2' threads='1'/></cpu>
<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' present='no'/></clock>
<on_reboot>destroy</on_reboot><pm><suspend-to-mem enabled='no'/></pm><devices>
"""


@cache
def caps() -> Capabilities:
    return asyncio.run(probe.probe(lab.QEMU, None))


def image(path: Path, kind: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, str(path), "1M"], check=True)


def guest(folder: Path, machine: str, first: str) -> Domain:
    for name, kind in (("a,b.qcow2", "qcow2"), ("raw.img", "raw"), ("two.img", "raw")):
        image(folder / name, kind)
    text = (HEAD + DISKS + OTHERS).format(dir=folder, machine=machine, first=first)
    return with_aliases(
        complete(
            parse_domain(f"{text}</devices></domain>"),
            caps(),
            uuid=None,
            mac=lambda: "52:54:00:00:00:02",
            emulator=lab.QEMU,
        )
    )


class Qmp:
    """QEMU's monitor, a line at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._file = end.makefile("rw")
        assert "QMP" in json.loads(self._file.readline())
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: Any) -> Any:
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            reply = json.loads(self._file.readline())
            if "event" not in reply:
                assert "return" in reply, reply
                return reply["return"]


@contextmanager
def running(dom: Domain, folder: Path) -> Iterator[Qmp]:
    key = folder / "key"
    key.write_bytes(bytes(32))
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as end:
        server.bind(str(folder / "m"))
        server.listen(1)
        end.settimeout(lab.BOUND_S)
        end.connect(str(folder / "m"))
        made = build(
            dom,
            caps(),
            Runtime(
                lib_dir=str(folder),
                channel_dir=str(folder),
                monitor_fd=server.fileno(),
                master_key_path=str(key),
            ),
        )
        qemu = subprocess.Popen(
            made.argv,
            env=dict(made.env),
            pass_fds=[server.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.close()
        try:
            try:
                qmp = Qmp(end)
            except (ValueError, OSError) as exc:
                qemu.kill()
                words = qemu.communicate()[1]
                raise AssertionError(words) from exc
            yield qmp
        finally:
            qemu.kill()
            qemu.communicate()


@pytest.mark.parametrize(
    ("machine", "first"), [("pc", "hda"), ("q35", "sda' bus='sata"), ("pc-i440fx-5.2", "hda")]
)
def test_the_whole_guest_is_there(tmp_path: Path, machine: str, first: str) -> None:
    dom = guest(tmp_path, machine, first)

    with running(dom, tmp_path) as qmp:
        assert qmp("query-name")["name"] == "real,guest=1"
        assert qmp("query-status")["status"] == "prelaunch"
        assert qmp("query-uuid")["UUID"] == dom.uuid
        assert len(qmp("query-cpus-fast")) == 2
        assert qmp("query-memory-size-summary")["base-memory"] == 64 << 20
        present = {one["name"] for one in qmp("qom-list", path="/machine/peripheral")}
        labels = {one["label"] for one in qmp("query-chardev")}
        blocks = {one["qdev"] for one in qmp("query-block")}
        for command in commands(dom):
            assert qmp(command.name, **command.arguments) == {}

    assert {"net0", "net1", "serial0", "channel0", "balloon0", "rng0", "video0"} <= present
    assert {"charserial0", "charserial1", "charserial2", "charconsole1", "charchannel0"} <= labels
    assert len(blocks) == 4


def test_pci_devices_are_where_the_definition_says(tmp_path: Path) -> None:
    dom = guest(tmp_path, "pc", "hda")
    wanted = {
        (one.alias, one.address.slot)
        for one in (*dom.devices.interface, *dom.devices.video, *dom.devices.rng)
        if isinstance(one.address, PciAddress)
    }

    with running(dom, tmp_path) as qmp:
        found = {(one["qdev_id"], one["slot"]) for one in qmp("query-pci")[0]["devices"]}

    assert len(wanted) == 4
    assert wanted <= found

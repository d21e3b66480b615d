"""No field of the model is accepted and then forgotten.

Each is read by what makes the command line, by what is told to the monitor, or by what a start
does on the host; or it stands in one of the lists below, with the reason why it needs none of
them. Reads are counted while the definitions of the conformance cases are built.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from virtup.errors import VirtError
from virtup.machine import demands, files, start
from virtup.model.domain import Domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.model.field import Element, table
from virtup.qemu import argv, settle
from virtup.qemu.capabilities import Capabilities, parse_replies
from virtup.qemu.devices.interface import vhost_wanted
from virtup.qemu.runtime import Runtime

BESIDE = Path(__file__).parents[4] / "shared" / "conformance"
CASES = Path(os.environ.get("VIRTUP_CONFORMANCE", BESIDE)) / "domain-xml"
RECORDED = CASES / "_capabilities" / "10.0.0_x86_64.replies"
SOURCES = tuple(str(Path(str(module.__file__)).parent) + os.sep for module in (argv, start))

ELSEWHERE: dict[str, str] = {
    "Domain.on_poweroff": "what the machine does when the guest is down (test_life)",
    "Domain.on_crash": "what the machine does when the guest panics (test_life)",
    "Domain.iothreads": "becomes <iothreadids> when the definition is completed",
    "Vcpu.count": "read as Domain.vcpus",
    "Cpu.numa": "read as Domain.cells",
    "Loader.type": "read as Loader.is_flash",
    "Loader.stateless": "there is an <nvram> or none when the definition is completed",
    "Nvram.template": "the file is made of it (test_demands)",
    "MemoryBacking.hugepages": "read as MemoryBacking.page_kib",
    "HugePages.page": "read as MemoryBacking.page_kib",
    "HugePage.size_kib": "read as MemoryBacking.page_kib",
    "Os.arch": "chooses the emulator; others than x86 are refused",
    "DiskSource.file": "read as DiskSource.path",
    "DiskSource.dev": "read as DiskSource.path",
    "DiskSource.pool": "asked for the volume's file, which is DiskSource.path (test_volumes)",
    "DiskSource.volume": "looked up in its pool (test_volumes)",
    "Graphics.socket": "becomes <listen type='socket'> when the definition is completed",
    "PciAddress.domain": "must be 0",
    "DimmAddress.slot": "no device has such an address: refused",
    "DimmAddress.base": "no device has such an address: refused",
    "CcidAddress.slot": "a reader of QEMU's has one slot; two cards in it are QEMU's error",
    "Controller.acpi_index": "refused",
    "Parallel.address": "refused",
    "Iommu.address": "refused",
    "Interface.source_bridge": "the tap joins it (test_tap)",
    "Interface.script": "must be empty: no script is run",
    "Interface.downscript": "must be empty: no script is run",
    "Interface.target": "the tap that is opened (test_accepted)",
    "InterfaceTarget.dev": "the tap that is opened (test_accepted)",
    "InterfaceTarget.managed": "the tap is used as it is (test_accepted)",
    "Graphics.connected": "must be 'keep': with VNC no other is had",
    "CpuCache.level": "said once and for all by the mode, and checked against it",
}
"""Fields that other code brings about, or that have to be what they are anyway."""

NOTHING: dict[str, str] = {
    "Domain.id": "told of a running guest, not asked for",
    "Domain.title": "for people",
    "Domain.description": "for people",
    "Domain.metadata": "for programs other than QEMU",
    "Domain.partition": "only the default, /machine, is accepted",
    "Domain.seclabel": "only 'none' is accepted, and virtup confines by nothing but QEMU's user",
    "SecurityDriver.type": "as Domain.seclabel",
    "SecurityDriver.model": "as Domain.seclabel",
    "Vcpu.placement": "only 'static' is accepted",
    "NumaMemory.placement": "only 'static' is accepted",
    "Loader.format": "only 'raw' is accepted",
    "Nvram.format": "only 'raw' is accepted",
    "Nvram.template_format": "only 'raw' is accepted",
    "Os.type": "only 'hvm' is accepted",
    "Features.pae": "QEMU's x86 CPUs always have it",
    "Cpu.match": "only 'exact' is accepted",
    "CpuModel.fallback": "a model that QEMU lacks is an error, never replaced by another",
    "Timer.catchup": "QEMU goes its own way in catching up, and libvirt tells it nothing either",
    "Catchup.threshold": "as Timer.catchup",
    "Catchup.slew": "as Timer.catchup",
    "Catchup.limit": "as Timer.catchup",
    "DiskDriver.name": "only 'qemu' is accepted",
    "Filesystem.type": "only 'mount' is accepted",
    "Graphics.type": "only 'vnc' is accepted",
    "Hub.type": "only 'usb' is accepted",
    "Iommu.model": "only 'intel' is accepted",
    "VideoDriver.name": "only 'qemu' is accepted",
    "Serial.tty": "told of a running guest, not asked for",
    "Parallel.tty": "told of a running guest, not asked for",
    "Console.tty": "told of a running guest, not asked for",
    "Channel.tty": "told of a running guest, not asked for",
    "Channel.state": "told of a running guest, not asked for",
    "Parallel.port": "QEMU counts in the order of the definition, which libvirt keeps",
    "Console.port": "QEMU counts in the order of the definition, which libvirt keeps",
    "Panic.alias": "QEMU's panic devices are the machine's own and need no name",
}
"""Fields that need nothing done, each with the reason."""

OWN = """<domain type='qemu'><name>own</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
<maxMemory slots='2' unit='MiB'>256</maxMemory><memory unit='MiB'>64</memory><memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages>
</memoryBacking><iothreads>1</iothreads><cputune><vcpupin vcpu='0' cpuset='0'/>
<emulatorpin cpuset='0'/><iothreadpin iothread='1' cpuset='0'/></cputune>
<numatune><memory mode='strict' nodeset='0'/><memnode cellid='0' mode='strict' nodeset='0'/>
</numatune><cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>
<os><type arch='x86_64' machine='pc'>hvm</type><loader type='pflash' readonly='yes'>/code</loader>
<nvram template='/vars'>/store</nvram></os>
<features><acpi/><hyperv><spinlocks state='on' retries='4096'/><vendor_id state='on' value='me'/>
</hyperv></features><devices>
<controller type='pci' index='0' model='pci-root'/>
<controller type='pci' index='1' model='pci-expander-bus'><model name='pxb'/><target busNr='254'/>
</controller>
<interface type='user'><mac address='52:54:00:00:00:03'/><ip family='ipv4' address='10.1.0.0'
prefix='24'/><model type='virtio'/><rom enabled='yes' bar='on' file='/x.rom'/></interface>
<serial type='tcp'><source mode='connect' host='127.0.0.1' service='4'><reconnect enabled='yes'
timeout='2'/></source><protocol type='raw'/><log file='/x.log' append='on'/></serial>
<parallel type='tcp'><source mode='bind' host='127.0.0.1' service='5'/><protocol type='raw'/></parallel>
<channel type='tcp'><source mode='bind' host='127.0.0.1' service='6'/><protocol type='raw'/>
<target type='virtio' name='x'/></channel>
<console type='pty'/>
<console type='tcp'><source mode='bind' host='127.0.0.1' service='7'/><protocol type='raw'/>
<target type='virtio'/></console>
<sound model='ich6'><codec type='micro'/></sound>
<graphics type='vnc' port='5999' passwd='x' passwdValidTo='2030-01-02T03:04:05' connected='keep'/>
<video><driver name='qemu' iommu='on' ats='on' packed='on' page_per_vq='on'/><model type='virtio'/>
</video></devices></domain>"""
"""What the cases have only in definitions that are refused."""


def classes() -> dict[str, type[Element]]:
    """Every class of the model that a definition can hold, by name."""
    found: dict[str, type[Element]] = {}

    def walk(cls: type[Element]) -> None:
        if cls.__name__ in found:
            return
        found[cls.__name__] = cls
        for spec in table(cls).specs:
            for each in (spec.classes or {}).values():
                walk(each)

    walk(Domain)
    return found


def fields() -> Iterator[str]:
    """Every declared field of the model, as ``Class.field``."""
    for name, cls in classes().items():
        for spec in table(cls).specs:
            yield f"{name}.{spec.name}"


def guests(caps: Capabilities) -> Iterator[Domain]:
    def whole(text: str) -> Domain:
        parsed = parse_domain(text)
        done = complete(parsed, caps, uuid=None, mac=lambda: "52:54:00:00:00:01", emulator="/q")
        return with_aliases(done)

    yield whole(OWN)
    for case in sorted(CASES.glob("*/in.xml")):
        try:
            yield whole(case.read_text())
        except VirtError:
            continue


def use(dom: Domain, caps: Capabilities) -> None:
    """Do what a start does with a definition, without the host."""
    fds = {str(one.alias): 3 for one in dom.devices.interface}
    try:
        argv.build(dom, caps, replace(Runtime.example(dom), tap_fds=fds))
    except VirtError:
        return
    list(settle.commands(dom))
    settle.pins(dom)
    settle.checked_features(dom)
    [vhost_wanted(one) for one in dom.devices.interface]
    list(files.used(dom))
    list(files.labelled(dom))
    list(files.listening(dom))
    list(files.automatic_displays(dom))
    demands.refuse_labels(dom)
    [files.last_layer(disk) for disk in dom.devices.disk]
    files.agent_channel(dom)


@pytest.fixture(scope="module")
def read() -> set[str]:
    """The fields that were read, of every case, from the code that acts on them."""
    if not RECORDED.exists():
        pytest.skip(f"the conformance cases are not here ({CASES})")
    caps = parse_replies(RECORDED.read_text())
    doms = list(guests(caps))
    seen: set[str] = set()

    def traced(self: Any, name: str) -> Any:
        if sys._getframe(1).f_code.co_filename.startswith(SOURCES):
            seen.add(f"{type(self).__name__}.{name}")
        return object.__getattribute__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Element, "__getattribute__", traced, raising=False)
        for dom in doms:
            use(dom, caps)
    return seen


def test_every_field_is_brought_about(read: set[str]) -> None:
    told = ELSEWHERE.keys() | NOTHING.keys()
    assert [name for name in fields() if name not in read and name not in told] == []


def test_what_is_excused_is_not_done_after_all(read: set[str]) -> None:
    assert sorted((ELSEWHERE.keys() | NOTHING.keys()) & read) == []
    assert ELSEWHERE.keys() & NOTHING.keys() == set()


def test_what_is_excused_exists() -> None:
    assert (ELSEWHERE.keys() | NOTHING.keys()) <= set(fields())

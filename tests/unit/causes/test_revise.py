"""What a cause changes in the definition: worked out from it, applied to it, gone afterwards."""

import pytest

from virtup.causes import catalogue
from virtup.causes.finding import Finding, Safety
from virtup.model.evidence import Evidence
from virtup.model.probe import CpuModels, Machines, NamesFact
from virtup.model.repair import EditDefinition, SetSaveAside
from virtup.model.revision import revised

QEMU = "/usr/bin/qemu-system-x86_64"
PCI = "<address type='pci' domain='0x0000' bus='0x00' slot='0x{}' function='0x0'/>"


def xml(inner: str = "", *, devices: str = "", machine: str = "pc", virt: str = "qemu") -> str:
    return (
        f"<domain type='{virt}'><name>vm1</name><memory>65536</memory>"
        f"<os><type arch='x86_64' machine='{machine}'>hvm</type></os>{inner}"
        f"<devices><emulator>{QEMU}</emulator>{devices}</devices></domain>"
    )


def found(slug: str, ev: Evidence) -> Finding:
    return next(one for one in catalogue.diagnose(ev) if one.slug == slug)


def mended(slug: str, ev: Evidence) -> str:
    """Return the definition after the first fix of *slug* that virtup can do."""
    fix = next(one for one in found(slug, ev).fixes if one.repair)
    assert fix.safety is Safety.CONFIRM
    (repair,) = fix.repair
    assert isinstance(repair, EditDefinition)
    return revised(ev.definition, repair.changes)


NIC = "<interface type='user'>{}</interface>"
DISK = "<disk type='file'><target dev='{}' bus='{}'/>{}</disk>"
CASES = [
    (
        "xml-pci-addr-duplicate",
        "XML error: Attempted double use of PCI Address 0000:00:07.0",
        xml(devices=NIC.format(PCI.format("07")) + NIC.format(PCI.format("07"))),
        lambda text: text.count("<address") == 1,
    ),
    (
        "xml-pci-addr-duplicate",
        "XML error: Attempted double use of PCI Address 0000:00:01.0",
        xml(devices=NIC.format(PCI.format("01"))),
        lambda text: "<address" not in text,
    ),
    (
        "xml-disk-target-duplicate",
        "XML error: target 'vda' duplicated for disk sources '/a' and '/b'",
        xml(devices="".join(DISK.format(dev, "virtio", "") for dev in ("vda", "vdb", "vda"))),
        lambda text: [part[:3] for part in text.split('dev="')[1:]] == ["vda", "vdb", "vdc"],
    ),
    (
        "config-ide-on-q35",
        "IDE controllers are unsupported for this QEMU binary or machine type",
        xml(
            machine="q35",
            devices=DISK.format("hda", "ide", "<address type='drive'/>")
            + "<controller type='ide' index='0'/>",
        ),
        lambda text: "ide" not in text and "sata" in text and "<address" not in text,
    ),
    (
        "config-iothread-undefined",
        "unsupported configuration: iothread '5' is not defined",
        xml(),
        lambda text: "<iothreads>5</iothreads>" in text,
    ),
    (
        "config-vcpu-limit",
        "unsupported configuration: Maximum CPUs greater than specified machine type limit 255",
        xml("<vcpu current='280'>300</vcpu><cpu><topology cores='300'/></cpu>"),
        lambda text: "<vcpu>255</vcpu>" in text and "topology" not in text,
    ),
    (
        "host-numa-node-missing",
        "unsupported configuration: NUMA node 3 is unavailable",
        xml("<numatune><memory mode='strict' nodeset='3'/></numatune>"),
        lambda text: "numatune" not in text,
    ),
    (
        "host-cpu-not-online",
        "<vcpupin vcpu='0'> names the host's CPU 63, which is not there or off: online are 0-1",
        xml("<cputune><vcpupin vcpu='0' cpuset='63'/><vcpupin vcpu='1' cpuset='1'/></cputune>"),
        lambda text: text.count("<vcpupin") == 1 and "63" not in text,
    ),
    (
        "net-not-a-bridge",
        "the bridge 'eth0' is no bridge",
        xml(
            devices="<interface type='bridge'><source bridge='eth0'/><target dev='t'/></interface>"
        ),
        lambda text: '<interface type="user"/>' in text,
    ),
    (
        "disk-io-uring-unsupported",
        "-blockdev x: aio=io_uring was specified, but is not supported in this build.",
        xml(devices="<disk type='file'><driver io='io_uring'/></disk><disk type='file'/>"),
        lambda text: 'io="threads"' in text and "io_uring" not in text,
    ),
    (
        "xml-serial-port-duplicate",
        "XML error: target port '0' already allocated: two serial devices are ISA port 0",
        xml(devices="<serial type='pty'><target port='0'/></serial>" * 2),
        lambda text: text.count("port=") == 1,
    ),
    (
        "config-video-memory",
        "unsupported configuration: value for 'vgamem' must be power of two",
        xml(devices="<video><model type='qxl' vgamem='100'/></video>"),
        lambda text: "vgamem" not in text and "qxl" in text,
    ),
    (
        "virtiofs-shared-memory",
        "unsupported configuration: virtiofs requires shared memory",
        xml(),
        lambda text: 'type="memfd"' in text and '<access mode="shared"/>' in text,
    ),
]


@pytest.mark.parametrize(("slug", "error", "text", "is_right"), CASES)
def test_a_definition_is_mended(slug, error, text, is_right) -> None:
    after = mended(slug, Evidence(phase="validate", error=error, definition=text))
    assert is_right(after), after


@pytest.mark.parametrize(("slug", "error", "text", "is_right"), CASES)
def test_without_a_definition_the_sentence_is_all(slug, error, text, is_right) -> None:
    finding = found(slug, Evidence(phase="validate", error=error))
    assert not any(fix.repair for fix in finding.fixes)
    assert finding.fixes


def test_the_nearest_machine_takes_the_place_of_one_that_is_not_there() -> None:
    ev = Evidence(
        error=f"unsupported configuration: Emulator '{QEMU}' does not support machine type "
        "'pc-q35-99.0'",
        emulator=QEMU,
        uid=991,
        definition=xml(machine="pc-q35-99.0"),
        host={Machines(QEMU, 991): NamesFact(("pc", "pc-q35-7.2", "q35"))},
    )
    assert 'machine="pc-q35-7.2"' in mended("machine-type-unsupported", ev)


def test_the_nearest_cpu_takes_the_place_of_one_that_is_not_there() -> None:
    ev = Evidence(
        stderr="qemu-system-x86_64: unable to find CPU model 'Skylake-Sever'\n",
        emulator=QEMU,
        uid=991,
        definition=xml("<cpu mode='custom'><model>Skylake-Sever</model></cpu>"),
        host={CpuModels(QEMU, 991): NamesFact(("qemu64", "Skylake-Server"))},
    )
    assert "<model>Skylake-Server</model>" in mended("cpu-model-unknown", ev)


def test_an_argument_goes_with_its_value() -> None:
    raw = "xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'"
    words = "".join(f"<q:arg value='{one}'/>" for one in ("-snapshot", "-frobnicate", "on", "-s"))
    text = xml().replace("<domain", f"<domain {raw}", 1)
    text = text.replace("</domain>", f"<q:commandline>{words}</q:commandline></domain>")
    ev = Evidence(
        stderr="qemu-system-x86_64: -frobnicate: invalid option\n",
        argv=(QEMU, "-snapshot", "-frobnicate", "on", "-s"),
        definition=text,
    )
    after = mended("qemu-arg-typo", ev)
    assert "frobnicate" not in after
    assert 'value="on"' not in after
    assert 'value="-s"' in after
    assert 'value="-snapshot"' in after


def test_a_saved_state_is_set_aside_and_never_removed() -> None:
    known = next(one for one in catalogue.causes() if one.slug == "restore-image-zeroed")
    ev = known.positive[0]
    from dataclasses import replace

    fixes = [fix for one in known.find(replace(ev, guest="vm1")) for fix in one.fixes]
    assert not any("force-boot" in line for fix in fixes for line in fix.commands if fix.repair)
    assert all(fix.repair in {(), (SetSaveAside(),)} for fix in fixes)

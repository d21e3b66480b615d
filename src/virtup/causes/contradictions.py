"""Proofs that ask nothing: the definition or the command line contradicts itself."""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from virtup.causes import definition, usage
from virtup.causes.proof import Proof, Shown, stands
from virtup.model.evidence import Evidence

DEFINITION = "the definition"
COMMAND_LINE = "the command line"
_BUILT_IN = re.compile(
    r"^(?:pci(?:e)?\.0|ide\.\d|isa\.0|scsi\.\d|usb-bus\.\d|sysbus|floppy-bus\.\d)$"
)


def _same(ev: Evidence, tags: str, key: Callable[[etree._Element], str], wanted: str) -> str:
    """Return the devices of *tags* whose *key* is *wanted*, named, ``""`` unless there are two."""
    found: dict[str, list[etree._Element]] = {}
    for element in definition.devices(ev.definition, tags):
        found.setdefault(key(element), []).append(element)
    for value, elements in found.items():
        if value and len(elements) > 1 and wanted in {"", value}:
            return f"{' and '.join(map(definition.place, elements[:3]))} have {value}"
    return ""


def pci_address(element: etree._Element) -> str:
    """Return the PCI address of a device in the definition, ``0000:00:03.0``, or ``""``."""
    address = element.find("address")
    if address is None or address.get("type") != "pci":
        return ""
    return pci_numbers(address)


def pci_numbers(address: etree._Element) -> str:
    """Return the numbers of a PCI address as Linux writes them, or ``""``."""
    if address.get("slot") is None:
        return ""
    try:
        domain, bus, slot, function = (
            int(address.get(name, "0"), 0) for name in ("domain", "bus", "slot", "function")
        )
    except ValueError:
        return ""
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _source_address(element: etree._Element) -> str:
    source = element.find("source")
    if source is None:
        return ""
    return " ".join(
        f"{one.tag}: {', '.join(f'{name}={one.get(name)}' for name in sorted(map(str, one.keys())))}"
        for one in source
    )


def _drive_address(element: etree._Element) -> str:
    address, target = element.find("address"), element.find("target")
    if address is None or target is None or address.get("type") != "drive":
        return ""
    named = [f"{name}={address.get(name, '0')}" for name in ("controller", "bus", "target", "unit")]
    return f"{target.get('bus', '')} {' '.join(named)}".strip()


def _target(element: etree._Element) -> str:
    target = element.find("target")
    return str(target.get("dev", "")) if target is not None else ""


def _port(element: etree._Element) -> str:
    target = element.find("target")
    return f"port {target.get('port')}" if target is not None and target.get("port") else ""


def twice(tags: str, key: Callable[[etree._Element], str], *, named: bool = False) -> Proof:
    """Return the proof that two devices of *tags* have one *key*: the subject's, when *named*."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        seen = _same(ev, tags, key, subject if named else "")
        return stands(DEFINITION, seen) if seen else None

    return Proof(judges)


PCI_ADDRESS_TWICE = twice("*", pci_address)
"""Two devices have one PCI address."""
HOSTDEV_TWICE = twice("hostdev", _source_address)
"""One device of the host is assigned twice."""
TARGET_TWICE = twice("disk", _target, named=True)
"""Two disks have one target name."""
TAP_TWICE = twice("interface", _target, named=True)
"""Two interfaces have one tap."""
SERIAL_PORT_TWICE = twice("serial", _port)
"""Two serial devices have one port."""
DRIVE_ADDRESS_TWICE = twice("disk", _drive_address)
"""Two disks have one drive address."""


def by_definition(judge: Callable[[str, str], str]) -> Proof:
    """Return the proof that *judge*(definition, subject) words, ``""`` when it is not so."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        seen = judge(ev.definition, subject) if definition.tree(ev.definition) is not None else ""
        return stands(DEFINITION, seen) if seen else None

    return Proof(judges)


def by_command_line(judge: Callable[[tuple[str, ...], str], str]) -> Proof:
    """Return the proof that *judge*(command line, subject) words, ``""`` when it is not so."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        seen = judge(ev.argv, subject) if ev.argv else ""
        return stands(COMMAND_LINE, seen) if seen else None

    return Proof(judges)


def _relative(xml: str, subject: str) -> str:
    for disk in definition.devices(xml, "disk"):
        source = disk.find("source")
        if source is not None and source.get("file") == subject and not subject.startswith("/"):
            return f"<source file='{subject}'/> in {definition.place(disk)}"
    return ""


def _ide_on_q35(xml: str, _subject: str) -> str:
    machine = definition.machine(xml)
    if "q35" not in machine and machine not in {"virt", "microvm"}:
        return ""
    for element in definition.devices(xml):
        target = element.find("target")
        on_ide = target is not None and target.get("bus") == "ide"
        controller = element.tag == "controller" and element.get("type") == "ide"
        if on_ide or controller:
            return f"{definition.place(element)} is on IDE, and the machine type is '{machine}'"
    return ""


def _acpi_without_uefi(xml: str, _subject: str) -> str:
    firmware = definition.attribute(xml, "os", "firmware") == "efi"
    loader = definition.has(xml, "os/loader")
    arm = definition.architecture(xml) in {"aarch64", "armv7l"}
    acpi = definition.has(xml, "features/acpi")
    return (
        "<acpi/> and neither <loader> nor firmware='efi'"
        if arm and acpi and not (firmware or loader)
        else ""
    )


def _memory_hotplug(xml: str, _subject: str) -> str:
    most = definition.has(xml, "maxMemory")
    if most and not definition.attribute(xml, "maxMemory", "slots"):
        return "<maxMemory> without slots"
    if most and not definition.has(xml, "cpu/numa/cell"):
        return "<maxMemory>, and <cpu> has no <numa> with a <cell>"
    device = next(definition.devices(xml, "memory"), None)
    if device is not None and not most:
        return f"{definition.place(device)} without <maxMemory>"
    return ""


def _pci_root(xml: str, _subject: str) -> str:
    machine = definition.machine(xml)
    express = "q35" in machine or machine.startswith("virt")
    for element in definition.devices(xml, "controller"):
        if element.get("type") == "pci" and element.get("index") == "0":
            model = element.get("model", "")
            if (model == "pcie-root") != express and machine and model:
                return f"{definition.place(element)} is '{model}', the machine type '{machine}'"
    return ""


def _input_bus(xml: str, _subject: str) -> str:
    for element in definition.devices(xml, "input"):
        if element.get("bus") == "ps2" and not definition.is_x86(xml):
            architecture = definition.architecture(xml)
            return f"{definition.place(element)} is on ps2, and {architecture} has none"
    return ""


def _secure_boot(xml: str, _subject: str) -> str:
    if definition.attribute(xml, "os/loader", "secure") != "yes":
        return ""
    if definition.attribute(xml, "features/smm", "state") != "on":
        return "<loader secure='yes'> without <smm state='on'/>"
    machine = definition.machine(xml)
    return f"<loader secure='yes'> on machine type '{machine}'" if "q35" not in machine else ""


def _spice_port(xml: str, _subject: str) -> str:
    for element in definition.devices(xml, "graphics"):
        if element.get("type") == "spice" and element.get("autoport") != "yes":
            ports = (element.get("port", "-1"), element.get("tlsPort", "-1"))
            if ports == ("-1", "-1"):
                return f"{definition.place(element)} has no port, no tlsPort and no autoport='yes'"
    return ""


def _spice_channel(xml: str, _subject: str) -> str:
    if any(one.get("type") == "spice" for one in definition.devices(xml, "graphics")):
        return ""
    for element in definition.devices(xml):
        if (element.get("type") or "").startswith("spice") and element.tag != "graphics":
            return f"{definition.place(element)} is of type '{element.get('type')}', without SPICE"
    return ""


def _gl_off(xml: str, _subject: str) -> str:
    for one in definition.devices(xml, "graphics"):
        if one.get("type") == "egl-headless" or _inner(one, "gl", "enable") == "yes":
            return ""
    for element in definition.devices(xml, "video"):
        if _inner(element, "model/acceleration", "accel3d") == "yes":
            return f"{definition.place(element)} has accel3d='yes', and no <graphics> has <gl>"
    return ""


def _inner(element: etree._Element, path: str, name: str) -> str:
    found = element.find(path)
    return str(found.get(name, "")) if found is not None else ""


def _not_shared(xml: str, _subject: str) -> str:
    shared = (
        definition.attribute(xml, "memoryBacking/access", "mode"),
        definition.attribute(xml, "cpu/numa/cell", "memAccess"),
    )
    if "shared" in shared:
        return ""
    for one in definition.devices(xml):
        if _inner(one, "driver", "type") == "virtiofs" or one.get("type") == "vhostuser":
            return f"{definition.place(one)}, and <memoryBacking> has no <access mode='shared'/>"
    return ""


def _snp_flash(xml: str, _subject: str) -> str:
    snp = definition.attribute(xml, "launchSecurity", "type") == "sev-snp"
    flash = definition.attribute(xml, "os/loader", "type") == "pflash"
    return "<launchSecurity type='sev-snp'> with <loader type='pflash'>" if snp and flash else ""


_HYPERV = {
    "synic": ("vpindex",),
    "stimer": ("synic",),
    "tlbflush": ("vpindex",),
    "ipi": ("vpindex",),
    "evmcs": ("vapic",),
}
"""What an enlightenment needs (QEMU's docs/system/i386/hyperv.rst)."""


def _hyperv(xml: str, _subject: str) -> str:
    root = definition.tree(xml)
    features = root.find("features/hyperv") if root is not None else None
    if features is None or features.get("mode") == "passthrough":
        return ""
    switched = {one.tag for one in features if one.get("state", "on") == "on"}
    for name, needs in _HYPERV.items():
        missing = [one for one in needs if one not in switched]
        if name in switched and missing:
            return f"<hyperv> has <{name}> without <{missing[0]}>"
    return ""


def _topology(xml: str, _subject: str) -> str:
    root = definition.tree(xml)
    topology = root.find("cpu/topology") if root is not None else None
    vcpus = definition.text(xml, "vcpu")
    if topology is None or not vcpus.isdigit():
        return ""
    product, words = 1, []
    for name in ("sockets", "dies", "clusters", "cores", "threads"):
        number = topology.get(name, "")
        if number.isdigit():
            product *= int(number)
            words.append(f"{number} {name}")
    if product == int(vcpus):
        return ""
    return f"{' x '.join(words)} are {product}, and <vcpu> is {vcpus}"


def _iothread(xml: str, subject: str) -> str:
    count = definition.text(xml, "iothreads")
    root = definition.tree(xml)
    ids = (
        [one.get("id") for one in root.findall("iothreadids/iothread")] if root is not None else []
    )
    known = {str(number) for number in range(1, int(count or 0) + 1)} if not ids else set(ids)
    for disk in definition.devices(xml, "disk"):
        driver = disk.find("driver")
        if driver is not None and driver.get("iothread") == subject and subject not in known:
            return (
                f"{definition.place(disk)} has iothread='{subject}', <iothreads> is {count or '0'}"
            )
    return ""


def _numa_sum(xml: str, _subject: str) -> str:
    root = definition.tree(xml)
    cells = root.findall("cpu/numa/cell") if root is not None else []
    if len(cells) < 1 or any(one.get("unit", "KiB") != "KiB" for one in cells):
        return ""
    memory = definition.text(xml, "memory")
    sizes = [one.get("memory", "") for one in cells]
    if definition.attribute(xml, "memory", "unit") not in {"", "KiB"} or not all(
        one.isdigit() for one in (memory, *sizes)
    ):
        return ""
    total = sum(map(int, sizes))
    return (
        f"its NUMA cells have {total} KiB, and <memory> is {memory} KiB"
        if total != int(memory)
        else ""
    )


_CHARACTER = ("serial", "console")


def _no_console(xml: str, subject: str) -> str:
    there = [one for tag in _CHARACTER for one in definition.devices(xml, tag)]
    if subject or there:
        return ""
    return "it has neither <serial> nor <console>"


def _other_console(xml: str, _subject: str) -> str:
    for tag in _CHARACTER:
        for device in definition.devices(xml, tag):
            if device.get("type", "pty") != "pty":
                return f"the <{tag}> has type '{device.get('type')}'"
    return ""


def _written_read_only(xml: str, _subject: str) -> str:
    """QEMU: the disks of IDE and SATA write, CD-ROMs aside."""
    for disk in definition.devices(xml, "disk"):
        bus, kind = _inner(disk, "target", "bus"), disk.get("device", "disk")
        if kind == "disk" and bus in {"ide", "sata"} and disk.find("readonly") is not None:
            return f"the disk '{_target(disk)}' on bus {bus} is <readonly/>"
    return ""


def _not_migratable(xml: str, _subject: str) -> str:
    for tag, kinds in (("hostdev", {"pci", "mdev"}), ("interface", {"hostdev"})):
        for device in definition.devices(xml, tag):
            if device.get("type") in kinds:
                return (
                    f"it has a <{tag} type='{device.get('type')}'>, whose state only the device has"
                )
    return ""


def _native_cached(xml: str, _subject: str) -> str:
    """QEMU: aio=native needs cache.direct=on, which none and directsync give."""
    for disk in definition.devices(xml, "disk"):
        driver = disk.find("driver")
        if driver is None or driver.get("io") != "native":
            continue
        if driver.get("cache", "default") not in {"none", "directsync"}:
            return f"the disk '{_target(disk)}' has io='native' and cache='{driver.get('cache', 'default')}'"
    return ""


def _no_source(xml: str, _subject: str) -> str:
    for disk in definition.devices(xml, "disk"):
        if disk.get("device", "disk") in {"disk", "lun"} and disk.find("source") is None:
            return f"the disk '{_target(disk)}' has no <source>"
    return ""


RELATIVE_PATH = by_definition(_relative)
IDE_ON_Q35 = by_definition(_ide_on_q35)
ACPI_WITHOUT_UEFI = by_definition(_acpi_without_uefi)
MEMORY_HOTPLUG = by_definition(_memory_hotplug)
PCI_ROOT = by_definition(_pci_root)
INPUT_BUS = by_definition(_input_bus)
SECURE_BOOT = by_definition(_secure_boot)
SPICE_PORT = by_definition(_spice_port)
SPICE_CHANNEL = by_definition(_spice_channel)
GL_OFF = by_definition(_gl_off)
NOT_SHARED = by_definition(_not_shared)
SNP_FLASH = by_definition(_snp_flash)
HYPERV = by_definition(_hyperv)
TOPOLOGY = by_definition(_topology)
IOTHREAD = by_definition(_iothread)
NUMA_SUM = by_definition(_numa_sum)
NO_CONSOLE = by_definition(_no_console)
OTHER_CONSOLE = by_definition(_other_console)
WRITTEN_READ_ONLY = by_definition(_written_read_only)
NOT_MIGRATABLE = by_definition(_not_migratable)
NATIVE_CACHED = by_definition(_native_cached)
NO_SOURCE = by_definition(_no_source)


def _ids(argv: tuple[str, ...]) -> set[str]:
    return {str(option.fields().get("id", "")) for option in usage.options(argv)} - {""}


def _id_twice(argv: tuple[str, ...], subject: str) -> str:
    named = [
        option.name
        for option in usage.options(argv)
        if str(option.fields().get("id", "")) == subject
    ]
    twice = next((name for name in named if named.count(name) > 1), "")
    return f"two -{twice} have the id '{subject}'" if twice else ""


def _no_bus(argv: tuple[str, ...], subject: str) -> str:
    if not subject or _BUILT_IN.match(subject):
        return ""
    made = _ids(argv)
    if subject in made or subject.rpartition(".")[0] in made:
        return ""
    users = [
        str(option.fields().get("driver") or option.fields().get("") or "")
        for option in usage.options(argv)
        if option.name == "device" and option.fields().get("bus") == subject
    ]
    return f"{users[0]} is on bus '{subject}', and no device makes it" if users else ""


def _slot_twice(argv: tuple[str, ...], subject: str) -> str:
    slot = re.search(r"\d+", subject)
    there = []
    for option in usage.options(argv):
        fields = option.fields()
        address = re.match(
            r"(?:0x)?([\da-f]+)(?:\.0)?$", str(fields.get("addr", "")), re.IGNORECASE
        )
        if option.name == "device" and address and slot and int(address[1], 16) == int(slot[0]):
            bus = str(fields.get("bus", "pci.0"))
            there.append((bus, str(fields.get("driver") or fields.get("") or "")))
    for bus, name in there:
        both = [other for where, other in there if where == bus]
        if len(both) > 1:
            return f"{name} and {both[1]} have addr={slot[0] if slot else ''} of bus {bus}"
    return ""


def _vcpus(argv: tuple[str, ...], subject: str) -> str:
    fields = usage.value(argv, "smp")
    found = re.search(r"maxcpus=(\d+)", fields) or re.search(r"(?:^|cpus=)(\d+)", fields)
    return f"-smp {fields}" if found and subject.isdigit() and int(found[1]) == int(subject) else ""


def _smp_product(argv: tuple[str, ...], _subject: str) -> str:
    fields = usage.value(argv, "smp")
    numbers = {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", fields)}
    first = re.match(r"(\d+)", fields)
    most = numbers.get("maxcpus") or numbers.get("cpus") or (int(first[1]) if first else 0)
    given = [
        numbers[key]
        for key in ("sockets", "dies", "clusters", "cores", "threads")
        if key in numbers
    ]
    product = 1
    for number in given:
        product *= number
    whole = {"sockets", "cores", "threads"} <= set(numbers)
    return f"-smp {fields}: the product is {product}" if whole and product != most else ""


def _host_model(argv: tuple[str, ...], _subject: str) -> str:
    if usage.cpu_model(argv) == "host" and not usage.wants_kvm(argv):
        return "it has -cpu host and no KVM"
    return ""


def _no_thread(argv: tuple[str, ...], subject: str) -> str:
    name = f"iothread{subject}"
    used = any(option.fields().get("iothread") == name for option in usage.options(argv))
    return (
        f"a device has iothread={name}, and no object makes it"
        if used and name not in _ids(argv)
        else ""
    )


def _snp_flash_line(argv: tuple[str, ...], _subject: str) -> str:
    line = " ".join(argv)
    flash = "if=pflash" in line or "pflash0=" in line
    return "it has sev-snp-guest and firmware as flash" if "sev-snp-guest" in line and flash else ""


def _unshared_line(argv: tuple[str, ...], _subject: str) -> str:
    line = " ".join(argv)
    shares = "vhost-user-fs" in line or re.search(r"netdev vhost-user|type=vhost-user", line)
    if not shares or re.search(r"share[\"']?[=:] ?(?:on|yes|true)", line):
        return ""
    return "a vhost-user device, and no memory with share=on"


_NO_PCI = {"isapc", "none", "microvm"}


def _machine_without_pci(argv: tuple[str, ...], _subject: str) -> str:
    machine = usage.machine(argv)
    on = usage.sub(argv, "machine", "pcie")
    pci = [
        name
        for option in usage.options(argv)
        if option.name == "device"
        for name in [str(option.fields().get("driver") or option.fields().get("") or "")]
        if "pci" in name or name in {"e1000", "rtl8139", "VGA", "qxl-vga"}
    ]
    if machine in _NO_PCI and pci and on != "on":
        return f"machine type '{machine}' and the device {pci[0]}"
    return ""


ID_TWICE = by_command_line(_id_twice)
NO_BUS = by_command_line(_no_bus)
SLOT_TWICE = by_command_line(_slot_twice)
TOO_MANY_VCPUS = by_command_line(_vcpus)
SMP_PRODUCT = by_command_line(_smp_product)
HOST_MODEL = by_command_line(_host_model)
NO_THREAD = by_command_line(_no_thread)
SNP_FLASH_LINE = by_command_line(_snp_flash_line)
UNSHARED_LINE = by_command_line(_unshared_line)
MACHINE_WITHOUT_PCI = by_command_line(_machine_without_pci)

"""What a definition asks of the host beside QEMU's arguments, found out and refused at a start.

All of it touches the host: the functions wait for the file systems that a definition names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from virtup.errors import ConfigUnsupported, OperationFailed
from virtup.host import affinity, chain, media, nvram, tap
from virtup.host.evidence import resources
from virtup.machine import files
from virtup.machine.files import UsedFile
from virtup.model.document import Place
from virtup.model.domain import Domain
from virtup.model.domain.devices.disk import Disk
from virtup.model.domain.devices.interface import Interface
from virtup.model.field import Element
from virtup.model.scalar import format_cpuset, parse_cpuset
from virtup.qemu import settle
from virtup.qemu.devices.interface import VIRTIO, vhost_wanted


@dataclass(frozen=True)
class Dropped:
    """A disk that a start went on without; ``emptied`` when its drive stays, without a medium."""

    path: str
    alias: str
    target: str
    emptied: bool

    def __str__(self) -> str:
        """Say it in a line for logs."""
        what = "started without it, its drive is empty" if self.emptied else "left out of the guest"
        return f"disk '{self.target}': '{self.path}' is missing; {what} (startupPolicy)"


def _at(domain: Domain, element: Element) -> Place:
    return Place(domain.source, element.line or domain.line)


# -- firmware ----------------------------------------------------------------------------------


def make_nvram(domain: Domain, *, anew: bool) -> None:
    """Make the file of the firmware's variables from its template, if it is missing or *anew*.

    Raises OperationFailed when there is no template, or it cannot be copied.
    """
    template = nvram_template(domain, anew=anew)
    if not template:
        return
    assert domain.os.nvram is not None
    path = str(domain.os.nvram.path)
    try:
        nvram.make(path, template)
    except OSError as error:
        what = "open the NVRAM template" if error.filename == template else "make the NVRAM file"
        raise OperationFailed(f"Failed to {what} '{error.filename}': {error.strerror}") from error


def planned_nvram(domain: Domain) -> tuple[str, ...]:
    """Return the file that `make_nvram` would make, without making it; refuse what it would."""
    template = nvram_template(domain, anew=False)
    if not template or domain.os.nvram is None:
        return ()
    if not nvram.is_there(template):
        raise OperationFailed(
            f"Failed to open the NVRAM template '{template}': No such file or directory"
        )
    return (str(domain.os.nvram.path),)


def nvram_template(domain: Domain, *, anew: bool) -> str:
    """Return of what the file of the firmware's variables is to be made; "" for one that is there.

    Raises OperationFailed when neither the definition nor an installed descriptor names one.
    """
    store, loader = domain.os.nvram, domain.os.loader
    if store is None or loader is None or not store.path:
        return ""
    if nvram.is_there(store.path) and not anew:
        return ""
    template = store.template or nvram.template_of(str(loader.path))
    if not template:
        raise OperationFailed(f"unable to find any master var store for loader: {loader.path}")
    return template


# -- images ------------------------------------------------------------------------------------


def may_drop(domain: Domain, *, cold: bool) -> bool:
    """Whether *domain* has a disk that a start may go on without; asks nothing of the host."""
    return any(files.may_miss(disk, cold=cold) for disk in domain.devices.disk)


def without_missing(domain: Domain, *, cold: bool) -> tuple[Domain, tuple[Dropped, ...]]:
    """Return *domain* without the images that are missing and may be.

    A CD-ROM or floppy drive stays, empty; a hard disk goes.
    """
    kept: list[Disk] = []
    dropped: list[Dropped] = []
    for disk in domain.devices.disk:
        source = disk.source
        if source is None or not source.is_named or not files.may_miss(disk, cold=cold):
            kept.append(disk)
            continue
        if source.path is not None and media.present(source.path):
            kept.append(disk)
            continue
        path = source.path or f"{source.pool}/{source.volume}"
        is_drive = disk.device in ("cdrom", "floppy")
        dropped.append(Dropped(path, str(disk.alias), disk.target.dev, is_drive))
        if is_drive:
            kind = "file" if disk.type == "volume" else disk.type
            kept.append(replace(disk, type=kind, source=None, backing_store=None))
    if not dropped:
        return domain, ()
    return replace(domain, devices=replace(domain.devices, disk=tuple(kept))), tuple(dropped)


def below(domain: Domain) -> Iterator[UsedFile]:
    """Yield the files that images stand on by their own headers, as QEMU will find them.

    A chain that the definition spells out to its end is not looked into; nor is an image that it
    says is raw.
    """
    for disk in domain.devices.disk:
        last = files.last_layer(disk)
        if last is None or not last.lend:
            continue
        for found in chain.below(last.path, last.format):
            write = found.data and last.top and not files.is_read_only(disk)
            yield UsedFile(found.path, write=write, disk=True)


def host_cdroms(domain: Domain) -> frozenset[str]:
    """Return the drives of the host that the guest gets as they are."""
    nodes = {
        disk.source.path
        for disk in domain.devices.disk
        if disk.device == "cdrom" and disk.type == "block" and disk.source is not None
    }
    return frozenset(node for node in nodes if node and media.is_cdrom_drive(node))


# -- interfaces --------------------------------------------------------------------------------


def open_vhost(domain: Domain, nic: Interface) -> int | None:
    """Open the kernel's queues for *nic*; None when it does without them.

    Raises ConfigUnsupported when the definition asks for them by name and they are not to be had.
    """
    asked = nic.driver is not None and nic.driver.name == "vhost"
    if not vhost_wanted(nic):
        if asked:
            raise ConfigUnsupported(
                f"interface '{nic.alias}' asks for <driver name='vhost'/>, which needs a tap and a "
                f"virtio model ({', '.join(VIRTIO)}): it is of type '{nic.type}' and model "
                f"'{nic.model}' ({_at(domain, nic)})"
            )
        return None
    fd = tap.open_vhost()
    if fd is None and asked:
        raise ConfigUnsupported(
            f"interface '{nic.alias}' asks for <driver name='vhost'/>, and '/dev/vhost-net' cannot "
            f"be opened here; without the name it starts either way ({_at(domain, nic)})"
        )
    return fd


# -- processors --------------------------------------------------------------------------------


def check_cpus(domain: Domain) -> None:
    """Refuse a pin to processors which this host does not have."""
    online = affinity.online()
    for words, wanted in settle.pins(domain).named():
        missing = tuple(sorted(set(wanted) - online))
        if missing:
            noun, verb = ("CPU", "is") if len(missing) == 1 else ("CPUs", "are")
            raise ConfigUnsupported(
                f"{words} names the host's {noun} {format_cpuset(missing)}, which {verb} not there "
                f"or off: online are {format_cpuset(tuple(sorted(online)))} "
                f"({_at(domain, domain.cputune or domain.vcpu or domain)})"
            )


def check_nodes(domain: Domain) -> None:
    """Refuse to have the guest's memory on NUMA nodes which this host does not have."""
    tune = domain.numatune
    for one in (tune.memory, *tune.memnode) if tune else ():
        if one is not None and one.nodeset is not None:
            _check_nodes(domain, one, set(parse_cpuset(one.nodeset)))


def _check_nodes(domain: Domain, element: Element, wanted: set[int]) -> None:
    nodes = affinity.nodes()
    absent = tuple(sorted(wanted - nodes))
    if absent:
        raise ConfigUnsupported(
            f"NUMA node {format_cpuset(absent)} is unavailable: <numatune> names it, and this host "
            f"has node {format_cpuset(tuple(sorted(nodes)))} ({_at(domain, element)})"
        )


# -- huge pages --------------------------------------------------------------------------------


def hugetlbfs(domain: Domain) -> str:
    """Return where the hugetlbfs is mounted whose pages the guest's memory is of; "" for none.

    Raises ConfigUnsupported when there is none with pages of that size.
    """
    backing = domain.memory_backing
    asked = backing.page_kib if backing is not None else None
    if backing is None or asked is None:
        return ""
    size_kib = asked or resources.huge_page_kib()
    for pool in resources.huge_pages():
        if pool.size_kib == size_kib and pool.mounts:
            return pool.mounts[0]
    raise ConfigUnsupported(
        f"Unable to find any usable hugetlbfs mount for {size_kib} KiB "
        f"({_at(domain, backing.hugepages or backing)})"
    )


# -- labels ------------------------------------------------------------------------------------


def refuse_labels(domain: Domain) -> None:
    """Refuse an owner or label that the definition gives a file: virtup sets none but QEMU's user.

    Raises ConfigUnsupported; asks nothing of the host.
    """
    for source in files.labelled(domain):
        for one in source.seclabel:
            if one.label:
                raise ConfigUnsupported(
                    f"<seclabel> with the label '{one.label}' is not supported: a file is lent to "
                    f"QEMU's user, or left as it is with relabel='no' ({_at(domain, one)})"
                )

"""Rows of causes that lie in what the guest is made of: disks, QEMU, the definition."""

from __future__ import annotations

from tests.proofs.row import (
    NO_LSM,
    QEMU,
    UID,
    Row,
    denied,
    domain,
    line,
    os,
)
from virtup.model.probe import (
    BlockDrivers,
    ImageFact,
    ImageInfo,
    ImageLink,
    NamesFact,
    NetDrivers,
    Options,
    PathAccess,
    PathFact,
)
from virtup.model.probe_files import (
    KernelImage,
    KernelImageFact,
    Run,
    RunFact,
)
from virtup.model.probe_network import (
    Pool,
    PoolFact,
)
from virtup.model.probe_system import (
    IoUring,
    IoUringFact,
    Open,
    OpenFact,
    Setting,
    SettingFact,
)

ROWS = (
    # storage
    Row(
        "disk-o-direct-unsupported",
        "lies on tmpfs at '/nfs', which refuses O_DIRECT",
        {
            Open("/nfs/v.qcow2"): OpenFact("", "tmpfs", "/nfs"),
            Open("/nfs/v.qcow2", direct=True): OpenFact("EINVAL", "tmpfs", "/nfs"),
        },
        {
            Open("/nfs/v.qcow2"): OpenFact(),
            Open("/nfs/v.qcow2", direct=True): OpenFact(),
        },
    ),
    Row(
        "disk-backing-format-unset",
        "names '/img/b.img' (qcow2) without a format",
        {
            ImageInfo("/img/a.qcow2"): ImageFact(
                "qcow2", chain=(ImageLink("/img/b.img", True, "qcow2"),)
            )
        },
        {
            ImageInfo("/img/a.qcow2"): ImageFact(
                "qcow2", chain=(ImageLink("/img/b.img", True, "raw", "raw"),)
            )
        },
    ),
    Row(
        "disk-io-uring-unsupported",
        "/proc/sys/kernel/io_uring_disabled says '2'",
        {IoUring(): IoUringFact(disabled="2")},
    ),
    Row(
        "disk-nfs-squash",
        "lies on nfs4 at '/mnt/nfs', and root itself may not open it",
        {Open("/mnt/nfs/a.qcow2"): OpenFact("EACCES", "nfs4", "/mnt/nfs", by_root=True)},
        {Open("/mnt/nfs/a.qcow2"): OpenFact("", "ext4", "/", by_root=True)},
    ),
    Row(
        "disk-not-a-block-device",
        "'/dev/vfio/vfio' is a char device",
        {PathAccess("/dev/vfio/vfio"): PathFact(exists=True, kind="char")},
        {PathAccess("/dev/vfio/vfio"): PathFact(exists=True, kind="block")},
        words="qemu-img: '/dev/vfio/vfio' is not a block device",
    ),
    Row(
        "disk-relative-path",
        "<source file='vm.qcow2'/>",
        definition=domain("<disk><source file='vm.qcow2'/></disk>"),
    ),
    Row(
        "disk-transient-overlay-exists",
        "'/img/a.qcow2.TRANSIENT' is there",
        {PathAccess("/img/a.qcow2.TRANSIENT"): PathFact(exists=True)},
        {PathAccess("/img/a.qcow2.TRANSIENT"): PathFact()},
    ),
    Row(
        "storage-pool-missing",
        "no storage pool 'default' is defined; it has none",
        {Pool("default"): PoolFact()},
        {Pool("default"): PoolFact(defined=True)},
    ),
    Row(
        "storage-pool-inactive",
        "the pool 'default' is defined and not active",
        {Pool("default"): PoolFact(defined=True)},
        {Pool("default"): PoolFact(defined=True, active=True)},
    ),
    Row(
        "storage-volume-missing",
        "there is no '/img/a.qcow2'",
        {PathAccess("/img/a.qcow2"): PathFact()},
        {PathAccess("/img/a.qcow2"): PathFact(exists=True)},
        words="Storage volume not found: no storage vol with matching path '/img/a.qcow2'",
    ),
    Row(
        "kernel-file-invalid",
        "'/srv/vmlinuz' (9 bytes) begins like no kernel",
        {KernelImage("/srv/vmlinuz"): KernelImageFact("", 9)},
        {KernelImage("/srv/vmlinuz"): KernelImageFact("PE", 9)},
        at=1,
    ),
    # QEMU
    Row(
        "qemu-bus-missing",
        "e1000 is on bus 'pci.7', and no device makes it",
        argv=line("-device", "e1000,bus=pci.7"),
    ),
    Row(
        "pci-addr-conflict-qemu-arg",
        "e1000 and rtl8139 have addr=1 of bus pci.0",
        argv=line("-device", "e1000,addr=1", "-device", "rtl8139,bus=pci.0,addr=0x1"),
    ),
    Row(
        "qemu-seccomp-kernel",
        "there is no /proc/sys/kernel/seccomp",
        {Setting("/proc/sys/kernel/seccomp/actions_avail"): SettingFact()},
    ),
    Row(
        "qemu-data-file-missing",
        "there is no '/usr/share/qemu/keymaps/xx'",
        {PathAccess("/usr/share/qemu/keymaps/xx"): PathFact()},
        {PathAccess("/usr/share/qemu/keymaps/xx"): PathFact(exists=True)},
    ),
    Row(
        "machine-no-pci",
        "machine type 'isapc' and the device virtio-blk-pci",
        argv=line("-machine", "isapc", "-device", "virtio-blk-pci"),
    ),
    Row(
        "emulator-probe-failed",
        "--version' ends with status 127 and says: cannot open shared object file",
        {Run(QEMU, UID): RunFact(True, 127, "cannot open shared object file")},
    ),
    Row(
        "emulator-apparmor-exec",
        'the log has apparmor="DENIED"',
        denied("apparmor", "qemu-system-x86_64"),
        NO_LSM,
    ),
    Row(
        "qemu-block-driver-missing",
        "does not list the block driver 'rbd'",
        {BlockDrivers(QEMU, UID): NamesFact(("qcow2", "raw"))},
        {BlockDrivers(QEMU, UID): NamesFact(("qcow2", "rbd"))},
    ),
    Row(
        "qemu-too-old",
        f"{QEMU} does not list the option 'audiodev'",
        {Options(QEMU, UID): NamesFact(("machine", "display"))},
        {Options(QEMU, UID): NamesFact(("audiodev",))},
        words="qemu-system-x86_64: -audiodev none,id=a: invalid option",
    ),
    Row(
        "qemu-arg-syntax-changed",
        f"{QEMU} does not list the option 'soundhw'",
        {Options(QEMU, UID): NamesFact(("machine", "audio"))},
        {Options(QEMU, UID): NamesFact(("soundhw",))},
    ),
    Row(
        "qemu-arg-file-apparmor",
        'the log has apparmor="DENIED"',
        denied("apparmor", "a.iso"),
    ),
    # the definition
    Row(
        "xml-pci-addr-duplicate",
        "<disk> (line 1) and <interface> (line 1) have 0000:00:03.0",
        definition=domain(
            "".join(
                f"<{tag}><address type='pci' slot='0x03'/></{tag}>" for tag in ("disk", "interface")
            )
        ),
    ),
    Row(
        "config-ide-on-q35",
        "<disk> (line 1) is on IDE, and the machine type is 'q35'",
        definition=domain("<disk><target dev='hda' bus='ide'/></disk>"),
    ),
    Row(
        "config-acpi-needs-uefi",
        "<acpi/> and neither <loader> nor firmware='efi'",
        definition=domain("", "virt", "aarch64", top="<features><acpi/></features>"),
    ),
    Row(
        "config-memory-hotplug",
        "<maxMemory> without slots",
        definition=domain("", top="<maxMemory>9</maxMemory>"),
    ),
    Row(
        "config-numa-unsupported",
        "its NUMA cells have 8 KiB, and <memory> is 9 KiB",
        definition=domain(
            "", top="<memory>9</memory><cpu><numa><cell cpus='0' memory='8'/></numa></cpu>"
        ),
    ),
    Row(
        "config-pci-root-model",
        "is 'pcie-root', the machine type 'pc'",
        definition=domain("<controller type='pci' index='0' model='pcie-root'/>", "pc"),
    ),
    Row(
        "xml-disk-target-duplicate",
        "have sda",
        definition=domain("<disk><target dev='sda'/></disk>" * 2),
    ),
    Row(
        "xml-serial-port-duplicate",
        "<serial> (line 1) and <serial> (line 1) have port 0",
        definition=domain("<serial type='pty'><target port='0'/></serial>" * 2),
    ),
    Row(
        "xml-drive-addr-duplicate",
        "sata controller=0 bus=0 target=0 unit=0",
        definition=domain(
            "<disk><target dev='sda' bus='sata'/><address type='drive' unit='0'/></disk>"
            "<disk><target dev='sdb' bus='sata'/><address type='drive'/></disk>"
        ),
    ),
    Row(
        "disk-read-only",
        "the disk 'sda' on bus sata is <readonly/>",
        definition=domain("<disk><target dev='sda' bus='sata'/><readonly/></disk>"),
    ),
    Row(
        "console-device-missing",
        "it has neither <serial> nor <console>",
        definition=domain("<disk/>"),
    ),
    Row(
        "console-not-a-pty",
        "the <serial> has type 'file'",
        definition=domain("<serial type='file'/>"),
    ),
    Row(
        "save-device-not-migratable",
        "it has a <hostdev type='pci'>",
        definition=domain("<hostdev type='pci'/>"),
    ),
    Row(
        "disk-aio-native-cache",
        "the disk 'vda' has io='native' and cache='default'",
        definition=domain("<disk><driver io='native'/><target dev='vda'/></disk>"),
    ),
    Row(
        "disk-source-missing",
        "the disk 'sda' has no <source>",
        definition=domain("<disk device='disk'><target dev='sda'/></disk>"),
    ),
    Row(
        "qemu-id-duplicate",
        "two -device have the id 'net0'",
        argv=line("-device", "e1000,id=net0", "-device", "virtio-net-pci,id=net0"),
    ),
    Row(
        "net-backend-missing",
        "does not list the network backend 'user'",
        {NetDrivers(QEMU, UID): NamesFact(("tap", "bridge"))},
        {NetDrivers(QEMU, UID): NamesFact(("tap", "user"))},
    ),
    Row(
        "config-input-bus-unsupported",
        "is on ps2, and aarch64 has none",
        definition=domain("<input bus='ps2'/>", "virt", "aarch64"),
    ),
    Row(
        "config-secboot-smm",
        "<loader secure='yes'> without <smm state='on'/>",
        definition=domain("", top=os("<loader secure='yes'>/f</loader>")),
    ),
    Row(
        "config-vcpu-limit",
        "-smp 300",
        argv=line("-smp", "300"),
    ),
    Row(
        "config-cpu-topology",
        "2 sockets x 2 cores x 1 threads are 4, and <vcpu> is 3",
        definition=domain(
            "",
            top="<vcpu>3</vcpu><cpu><topology sockets='2' cores='2' threads='1'/></cpu>",
        ),
    ),
    Row(
        "config-iothread-undefined",
        "has iothread='5', <iothreads> is 2",
        definition=domain("<disk><driver iothread='5'/></disk>", top="<iothreads>2</iothreads>"),
    ),
)

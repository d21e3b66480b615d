"""Rows of causes that lie in the host: networks, daemons, processor, devices."""

from __future__ import annotations

from tests.proofs.row import (
    PCI,
    Row,
    domain,
    line,
    os,
    path,
    program,
)
from virtup.model.probe import (
    Emulator,
    EmulatorFact,
    Holder,
    Link,
    LinkFact,
    PathAccess,
    PathFact,
    PortFact,
    PortHolder,
)
from virtup.model.probe_devices import (
    GroupFact,
    IommuGroup,
    PciDevice,
    PciFact,
    PciNeighbour,
    Usb,
    UsbDevice,
    UsbFact,
    Vfio,
    VfioFact,
)
from virtup.model.probe_network import (
    Addresses,
    AddressesFact,
    Carried,
    CarriedFact,
    Network,
    NetworkFact,
)
from virtup.model.probe_system import (
    CgroupFact,
    Cgroups,
    Cpu,
    CpuFact,
    KernelSays,
    KernelSaysFact,
    KvmOffer,
    KvmOfferFact,
    Limits,
    LimitsFact,
    Listener,
    ListenerFact,
    Module,
    ModuleFact,
    OpenFiles,
    OpenFilesFact,
    Program,
    ProgramFact,
    Setting,
    SettingFact,
    System,
    SystemFact,
)

ROWS = (
    # networks
    Row(
        "net-network-inactive",
        "defined and not active, and the next boot does not start it",
        {Network("default"): NetworkFact(defined=True)},
        {Network("default"): NetworkFact(defined=True, active=True)},
    ),
    Row(
        "net-network-undefined",
        "no network 'lab' is defined; it has: 'lan'",
        {Network("lab"): NetworkFact(others=("lan",))},
        {Network("lab"): NetworkFact(defined=True)},
    ),
    Row(
        "net-bridge-name-taken",
        "the interface 'virbr0' is there (a bridge)",
        {Link("virbr0"): LinkFact(True, "bridge")},
        {Link("virbr0"): LinkFact()},
    ),
    Row(
        "net-subnet-conflict",
        "the subnet 10.1.0.0/16 is on 'virbr1'",
        {Addresses(): AddressesFact(routes=(("10.1.0.0/16", "virbr1"),))},
    ),
    Row(
        "net-firewall-backend",
        "no iptables in any of the usual directories",
        program("iptables", ""),
    ),
    Row(
        "net-dnsmasq-failed",
        "port 53 of 0.0.0.0 is taken by named (pid 9)",
        {PortHolder(53): PortFact(True, "0.0.0.0", (Holder(9, "named"),))},
        {PortHolder(53): PortFact()},
    ),
    Row(
        "net-bridge-helper-acl",
        "/etc/qemu/bridge.conf does not allow 'virbr0'",
        {
            Program("qemu-bridge-helper"): ProgramFact("/usr/lib/qemu/h", executable=True),
            Setting("/etc/qemu/bridge.conf"): SettingFact(True, "allow br0\ndeny virbr0"),
        },
    ),
    Row(
        "net-macvtap-dev-missing",
        "no network device 'eth7'; like it: eth0",
        {Carried("eth7"): CarriedFact(nearby=("eth0",))},
        {Carried("eth7"): CarriedFact(exists=True)},
    ),
    Row(
        "net-macvtap-busy",
        "'eth0' belongs to 'br0'",
        {Carried("eth0"): CarriedFact(exists=True, master="br0")},
        {Carried("eth0"): CarriedFact(exists=True)},
    ),
    Row(
        "net-vhost-net-unavailable",
        "'/dev/vhost-net' does not exist",
        {path("/dev/vhost-net"): PathFact(missing="/dev/vhost-net")},
    ),
    Row(
        "net-hostfwd-privileged-port",
        "only root opens ports below 1024",
        {
            PortHolder(80): PortFact(),
            Setting("/proc/sys/net/ipv4/ip_unprivileged_port_start"): SettingFact(True, "1024"),
        },
    ),
    # daemons
    Row(
        "daemon-virtlogd-down",
        "no '/var/run/libvirt/virtlogd-sock'",
        {Listener("/var/run/libvirt/virtlogd-sock"): ListenerFact()},
        {Listener("/var/run/libvirt/virtlogd-sock"): ListenerFact(True, listening=True)},
    ),
    Row(
        "net-filter-missing",
        "there is no '/etc/libvirt/nwfilter/clean-traffic.xml'",
        {PathAccess("/etc/libvirt/nwfilter/clean-traffic.xml"): PathFact()},
        {PathAccess("/etc/libvirt/nwfilter/clean-traffic.xml"): PathFact(exists=True)},
    ),
    Row(
        "usb-device-ambiguous",
        "the USB devices 46d:c52b are at 1:4, 1:7 (bus:device)",
        {Usb(): UsbFact((UsbDevice("046d", "c52b", 1, 4), UsbDevice("046d", "c52b", 1, 7)))},
        {Usb(): UsbFact((UsbDevice("046d", "c52b", 1, 4),))},
    ),
    Row(
        "net-ovs-unreachable",
        "no '/run/openvswitch/db.sock'",
        {Listener("/run/openvswitch/db.sock"): ListenerFact()},
        {Listener("/run/openvswitch/db.sock"): ListenerFact(True, listening=True)},
    ),
    Row(
        "tpm-device-busy",
        "'/dev/tpm0' is open in process 77 (tpm2-abrmd)",
        {OpenFiles("/dev/tpm0"): OpenFilesFact(True, (Holder(77, "tpm2-abrmd"),))},
        {OpenFiles("/dev/tpm0"): OpenFilesFact(True)},
    ),
    Row(
        "usb-device-closed",
        "'/dev/bus/usb/001/004' has mode 0664, owner root:root",
        {
            path("/dev/bus/usb/001/004", "write"): PathFact(
                exists=True,
                blocked="/dev/bus/usb/001/004",
                lacks="write",
                owner="root",
                group="root",
                mode="0664",
            )
        },
        {path("/dev/bus/usb/001/004", "write"): PathFact(exists=True, allowed=True)},
    ),
    Row(
        "daemon-not-running",
        "is there, and nobody listens",
        {Listener("/var/run/libvirt/libvirt-sock"): ListenerFact(exists=True)},
        {Listener("/var/run/libvirt/libvirt-sock"): ListenerFact(True, listening=True)},
    ),
    Row(
        "cgroup-layout",
        "no control groups are mounted",
        {Cgroups(): CgroupFact()},
    ),
    Row(
        "cgroup-swap-accounting",
        "no control group has memory.memsw.limit_in_bytes",
        {Cgroups(): CgroupFact(1, ("memory",))},
        {Cgroups(): CgroupFact(1, ("memory",), swap=True)},
    ),
    Row(
        "hook-script-failed",
        "names '/bin/bosh', which is not there",
        {
            Emulator("/etc/libvirt/hooks/qemu"): EmulatorFact(
                exists=True, kind="script", interpreter="/bin/bosh", interpreter_exists=False
            )
        },
    ),
    Row(
        "hook-script-not-executable",
        "'/etc/libvirt/hooks/qemu' is not executable",
        {Program("/etc/libvirt/hooks/qemu"): ProgramFact("/etc/libvirt/hooks/qemu")},
        {Program("/etc/libvirt/hooks/qemu"): ProgramFact("/etc/libvirt/hooks/qemu", True)},
    ),
    Row(
        "machined-stale-entry",
        "'/run/systemd/machines/qemu-1-vm1' is there",
        {PathAccess("/run/systemd/machines/qemu-1-vm1"): PathFact(exists=True)},
        {PathAccess("/run/systemd/machines/qemu-1-vm1"): PathFact()},
    ),
    # processor and KVM
    Row(
        "cpu-feature-missing-on-host",
        "its processor (X) has no svm",
        {Cpu(): CpuFact("GenuineIntel", "X", ("vmx", "sse2"))},
    ),
    Row(
        "cpu-hyperv-flag-dependency",
        "<hyperv> has <synic> without <vpindex>",
        definition=domain("", top="<features><hyperv><synic state='on'/></hyperv></features>"),
    ),
    Row(
        "kvm-smm-not-in-kernel",
        "KVM answers that it has no KVM_CAP_X86_SMM",
        {KvmOffer(117): KvmOfferFact(0)},
        {KvmOffer(117): KvmOfferFact(1)},
    ),
    Row(
        "libvirt-cpu-map-mismatch",
        "'/usr/share/libvirt/cpu_map' does not exist",
        {
            path("/usr/share/libvirt/cpu_map/index.xml"): PathFact(
                missing="/usr/share/libvirt/cpu_map"
            )
        },
    ),
    Row(
        "arch-mismatch",
        "it is x86_64, the guest aarch64",
        {Cpu(): CpuFact(architecture="x86_64")},
        {Cpu(): CpuFact(architecture="aarch64")},
    ),
    Row(
        "sev-platform-not-ready",
        "/sys/module/kvm_amd/parameters/sev says 'N'",
        {
            Setting("/sys/module/kvm_amd/parameters/sev"): SettingFact(True, "N"),
            Cpu(): CpuFact(flags=("sev",)),
        },
    ),
    Row(
        "sev-snp-firmware-pflash",
        "<loader type='pflash'>",
        definition=domain(
            "", top=os("<loader type='pflash'>/f</loader>") + "<launchSecurity type='sev-snp'/>"
        ),
    ),
    Row(
        "sev-kernel-qemu-mismatch",
        "its kernel is 6.1.0-13-amd64",
        {System(): SystemFact(kernel="6.1.0-13-amd64")},
    ),
    Row(
        "cpu-host-mode-without-kvm",
        "it has -cpu host and no KVM",
        argv=line("-machine", "pc,accel=tcg", "-cpu", "host"),
    ),
    Row(
        "kvm-msr-rejected",
        "unhandled wrmsr: 0x38d",
        {
            KernelSays(("unhandled rdmsr", "unhandled wrmsr")): KernelSaysFact(
                True, ("kvm [7]: vcpu0 unhandled wrmsr: 0x38d",)
            )
        },
    ),
    # devices of the host
    Row(
        "vfio-group-not-viable",
        "in group 1 on drivers of the host: 0000:01:00.1 (snd_hda_intel)",
        {
            IommuGroup("1"): GroupFact(
                True,
                (
                    PciNeighbour(PCI, "vfio-pci"),
                    PciNeighbour("0000:00:01.0", "pcieport", bridge=True),
                    PciNeighbour("0000:01:00.1", "snd_hda_intel"),
                ),
            )
        },
        {IommuGroup("1"): GroupFact(True, (PciNeighbour(PCI, "vfio-pci"),))},
    ),
    Row(
        "vfio-group-split",
        "group 1 holds 0000:01:00.0 and 0000:01:00.1",
        {IommuGroup("1"): GroupFact(True, (PciNeighbour(PCI), PciNeighbour("0000:01:00.1")))},
        argv=line("-device", "vfio-pci,host=01:00.0", "-device", "vfio-pci,host=0000:01:00.1"),
    ),
    Row(
        "vfio-memlock-limit",
        "64 KiB may be locked, and the guest has 1048576 KiB",
        {Limits(): LimitsFact(locked_bytes=65536)},
        {Limits(): LimitsFact()},
        argv=line("-m", "1024"),
    ),
    Row(
        "vfio-iommu-off",
        "/sys/kernel/iommu_groups is empty",
        {Vfio(): VfioFact(node=True, module=True)},
    ),
    Row(
        "vfio-unsupported-by-host",
        "no driver vfio-pci, no /dev/vfio/vfio, no IOMMU group",
        {Vfio(): VfioFact()},
        {Vfio(): VfioFact(node=True, module=True, groups=3)},
    ),
    Row(
        "vfio-mdev-vendor-refused",
        "[nvidia-vgpu-vfio] start failed",
        {
            KernelSays(("nvidia-vgpu", "vgpu-vfio", "gvt:")): KernelSaysFact(
                True, ("[nvidia-vgpu-vfio] start failed",)
            )
        },
    ),
    Row(
        "vfio-mdev-module-missing",
        "no device of it offers mediated devices",
        {Vfio(): VfioFact()},
    ),
    Row(
        "vfio-not-bound",
        "no /dev/vfio/1; its devices: 0000:01:00.0 (nouveau)",
        {IommuGroup("1"): GroupFact(True, (PciNeighbour(PCI, "nouveau"),))},
        {IommuGroup("1"): GroupFact(True, node=True)},
    ),
    Row(
        "vfio-unmanaged-not-detached",
        "0000:c3:1b.1 is bound to ixgbe",
        {PciDevice("0000:c3:1b.1"): PciFact(True, "ixgbe")},
        {PciDevice("0000:c3:1b.1"): PciFact(True, "vfio-pci")},
    ),
    Row(
        "hostdev-driver-busy",
        "the module nvidia_drm is in use 4 times, by nvidia_modeset",
        {Module("nvidia_drm"): ModuleFact(True, True, 4, ("nvidia_modeset",))},
        {Module("nvidia_drm"): ModuleFact(True, True, 0)},
    ),
    Row(
        "hostdev-gone-from-bus",
        "the configuration of 0000:01:00.0 reads as all ones",
        {PciDevice(PCI): PciFact(True, answers=False)},
        {PciDevice(PCI): PciFact(True)},
    ),
    Row(
        "hostdev-in-use",
        "/dev/vfio/7 is open in guest 'vm2' (pid 9, qemu-system-x86)",
        {
            PciDevice(PCI): PciFact(True, "vfio-pci", "7"),
            IommuGroup("7"): GroupFact(True, (), True, (Holder(9, "qemu-system-x86", "vm2"),)),
        },
        {PciDevice(PCI): PciFact(True, "vfio-pci", "7"), IommuGroup("7"): GroupFact(True)},
    ),
    Row(
        "hostdev-reset-impossible",
        "0000:05:00.2 has no 'reset' in sysfs",
        {PciDevice("0000:05:00.2"): PciFact(True)},
        {PciDevice("0000:05:00.2"): PciFact(True, resets=True)},
    ),
    Row(
        "usb-node-missing",
        "no USB device 046d:c52b; it has: 1d6b:0002 xHCI",
        {Usb(): UsbFact((UsbDevice("1d6b", "0002", 1, 1, "xHCI"),))},
        {Usb(): UsbFact((UsbDevice("046d", "c52b", 1, 4),))},
    ),
    Row(
        "xml-hostdev-duplicate",
        "address: bus=1, slot=0",
        definition=domain("<hostdev><source><address bus='1' slot='0'/></source></hostdev>" * 2),
    ),
)

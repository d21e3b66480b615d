"""Rows of causes around the guest: displays, firmware, memory, helpers, guards, saved states."""

from __future__ import annotations

from tests.proofs.row import (
    APT,
    ASIDE,
    NEW,
    NO_LSM,
    OLD,
    QEMU,
    SNAPSHOTS,
    UID,
    Row,
    denied,
    domain,
    line,
    os,
    path,
    program,
    state,
)
from virtup.model.probe import (
    Account,
    AccountFact,
    AudioDrivers,
    Devices,
    Displays,
    HugePages,
    ImageFact,
    ImageInfo,
    Memory,
    MemoryFact,
    NamesFact,
    PathAccess,
    PathFact,
    SpiceSettings,
)
from virtup.model.probe_files import (
    Certificate,
    CertificateFact,
    Descriptor,
    Firmware,
    FirmwareFact,
)
from virtup.model.probe_network import (
    Addresses,
    AddressesFact,
)
from virtup.model.probe_system import (
    Label,
    LabelFact,
    LogTail,
    LogTailFact,
    System,
    SystemFact,
)

ROWS = (
    # displays and sound
    Row(
        "gfx-address-unavailable",
        "its addresses are 192.0.2.2",
        {Addresses(): AddressesFact(("192.0.2.2", "fe80::1"))},
        {Addresses(): AddressesFact(("10.9.9.9",))},
    ),
    Row(
        "config-video-model-missing",
        "does not list the device 'qxl-vga'",
        {Devices(QEMU, UID): NamesFact(("VGA", "cirrus-vga"))},
        {Devices(QEMU, UID): NamesFact(("VGA", "qxl-vga"))},
    ),
    Row(
        "gfx-egl-init",
        "'/dev/dri' does not exist",
        {path("/dev/dri"): PathFact(missing="/dev/dri")},
    ),
    Row(
        "gfx-gl-not-enabled",
        "has accel3d='yes', and no <graphics> has <gl>",
        definition=domain(
            "<graphics type='vnc'/><video><model><acceleration accel3d='yes'/></model></video>"
        ),
    ),
    Row(
        "gfx-no-display",
        "does not list the display 'gtk'",
        {Displays(QEMU, UID): NamesFact(("none", "dbus"))},
        {Displays(QEMU, UID): NamesFact(("none", "gtk"))},
        words="display type 'gtk' is not available",
    ),
    Row(
        "gfx-tls-cert-expired",
        "'/etc/pki/qemu/server-cert.pem' was valid until 2020-01-01",
        {
            Certificate("/etc/pki/qemu/server-cert.pem"): CertificateFact(
                "expired", "2019-01-01", "2020-01-01"
            )
        },
        {Certificate("/etc/pki/qemu/server-cert.pem"): CertificateFact("valid", "2019", "2999")},
    ),
    Row(
        "gfx-tls-key-unreadable",
        "'/pki/server-key.pem' has mode 0600, owner root:root",
        {
            path("/pki/server-key.pem"): PathFact(
                exists=True,
                blocked="/pki/server-key.pem",
                lacks="read",
                owner="root",
                group="root",
                mode="0600",
            )
        },
        {path("/pki/server-key.pem"): PathFact(missing="/pki")},
        argv=line("-spice", "x509-dir=/pki,tls-port=1"),
    ),
    Row(
        "audio-backend-unreachable",
        "'/run/user/991' does not exist, so QEMU's user (uid 991) has no audio server",
        {path("/run/user/991/pulse/native", "write"): PathFact(missing="/run/user/991")},
        {AudioDrivers(QEMU, UID): NamesFact(("none", "pa"))},
    ),
    Row(
        "config-spice-channel-no-spice",
        "is of type 'spicevmc', without SPICE",
        definition=domain("<channel type='spicevmc'/><graphics type='vnc'/>"),
    ),
    Row(
        "config-spice-not-built",
        "it is built without it",
        {SpiceSettings(QEMU, UID): NamesFact()},
        {SpiceSettings(QEMU, UID): NamesFact(("addr",))},
    ),
    Row(
        "config-spice-no-port",
        "has no port, no tlsPort and no autoport='yes'",
        definition=domain("<graphics type='spice' autoport='no'/>"),
    ),
    # firmware
    Row(
        "fw-nvram-template-unknown",
        "none of its 1 firmware descriptors is about '/opt/OVMF_CODE.fd'",
        {Firmware(): FirmwareFact((Descriptor("60.json", executable="/other.fd"),))},
        {
            Firmware(): FirmwareFact(
                (Descriptor("60.json", executable="/opt/OVMF_CODE.fd", template="/v.fd"),)
            )
        },
    ),
    Row(
        "fw-no-efi-descriptor",
        "none of its 0 firmware descriptors is for UEFI on x86_64",
        {Firmware(): FirmwareFact(), **APT},
        {
            Firmware(): FirmwareFact(
                (Descriptor("60.json", ("uefi",), ("x86_64",), ("pc-q35-*",), executable="/f"),)
            )
        },
    ),
    Row(
        "fw-nvram-template-missing",
        "'/fw/VARS.fd' does not exist",
        {path("/fw/VARS.fd"): PathFact(missing="/fw/VARS.fd")},
        {path("/fw/VARS.fd"): PathFact(exists=True)},
    ),
    Row(
        "fw-nvram-dir-missing",
        "'/srv/nvram' does not exist",
        {PathAccess("/srv/nvram/vm1_VARS.fd", "create"): PathFact(missing="/srv/nvram")},
        {PathAccess("/srv/nvram/vm1_VARS.fd", "create"): PathFact(blocked="/srv/nvram")},
    ),
    Row(
        "fw-nvram-format-mismatch",
        "the template '/t.fd' is qcow2, the store is to be raw",
        {ImageInfo("/t.fd"): ImageFact("qcow2")},
        {ImageInfo("/t.fd"): ImageFact("raw")},
        definition=domain("", top=os("<nvram template='/t.fd' format='raw'/>")),
    ),
    Row(
        "fw-rom-unreadable",
        "'/home/me' has mode 0700, owner me:me",
        {
            path("/home/me/vbios.rom"): PathFact(
                blocked="/home/me", lacks="search", owner="me", group="me", mode="0700"
            )
        },
        {path("/home/me/vbios.rom"): PathFact(missing="/home/me/vbios.rom"), **NO_LSM},
    ),
    Row(
        "fw-selinux-denied",
        "the log has avc:  denied",
        denied("selinux", "OVMF_CODE.fd"),
        NO_LSM,
    ),
    # memory
    Row(
        "mem-phys-bits-limit",
        "which 36 bits do not reach",
        argv=line("-m", "128G"),
    ),
    Row(
        "mem-hugepages-perm",
        "'/dev/hugepages' has mode 0700, owner root:root",
        {
            path("/dev/hugepages/libvirt/qemu/1-vm", "write"): PathFact(
                blocked="/dev/hugepages", lacks="search", owner="root", group="root", mode="0700"
            )
        },
        {path("/dev/hugepages/libvirt/qemu/1-vm", "write"): PathFact(allowed=True)},
    ),
    Row(
        "mem-hugetlbfs-not-mounted",
        "no hugetlbfs is mounted for pages of 1048576 KiB",
        {Memory(): MemoryFact(huge=(HugePages(1048576, 4, 4),))},
        {Memory(): MemoryFact(huge=(HugePages(1048576, 4, 4, ("/dev/huge1G",)),))},
    ),
    # TPM and shares
    Row(
        "tpm-swtpm-missing",
        "no program 'swtpm' in any of the usual directories",
        program("swtpm", ""),
        {**program("swtpm", "/usr/bin/swtpm"), **program("swtpm_setup", "/usr/bin/swtpm_setup")},
    ),
    Row(
        "tpm-swtpm-state-perm",
        "the account 'tss' may not write it",
        {
            Account("tss"): AccountFact(True, 105, 111),
            PathAccess("/var/lib/swtpm-localca", "write", 105, (111,)): PathFact(
                blocked="/var/lib/swtpm-localca",
                lacks="write",
                owner="root",
                group="root",
                mode="0755",
            ),
        },
    ),
    Row(
        "tpm-swtpm-selinux",
        "the log has avc:  denied",
        denied("selinux", "swtpm"),
        NO_LSM,
    ),
    Row(
        "tpm-swtpm-apparmor",
        'the log has apparmor="DENIED"',
        denied("apparmor", "swtpm"),
        NO_LSM,
    ),
    Row(
        "tpm-12-tools-missing",
        "no program 'tcsd' in any of the usual directories",
        program("tcsd", ""),
        program("tcsd", "/usr/sbin/tcsd"),
    ),
    Row(
        "tpm-swtpm-state-incompatible",
        "its log ends: libtpms/tpm2: Unsupported state",
        {
            LogTail("/var/log/swtpm/libvirt/qemu/g-swtpm.log"): LogTailFact(
                True, ("libtpms/tpm2: Unsupported state",)
            )
        },
    ),
    Row(
        "virtiofs-shared-memory",
        "and <memoryBacking> has no <access mode='shared'/>",
        definition=domain("<filesystem><driver type='virtiofs'/></filesystem>"),
    ),
    Row(
        "virtiofsd-died",
        "its log ends: Error: No such file",
        {
            LogTail("/var/log/libvirt/qemu/g-fs0-virtiofsd.log"): LogTailFact(
                True, ("started", "Error: No such file")
            )
        },
    ),
    Row(
        "virtiofsd-missing",
        "no program 'virtiofsd' in any of the usual directories",
        program("virtiofsd", ""),
        program("virtiofsd", "/usr/libexec/virtiofsd"),
    ),
    Row(
        "external-helper-socket-perm",
        "'/run/vhost.sock' has mode 0600, owner root:root",
        {
            path("/run/vhost.sock", "write"): PathFact(
                exists=True,
                blocked="/run/vhost.sock",
                lacks="write",
                owner="root",
                group="root",
                mode="0600",
            )
        },
        {path("/run/vhost.sock", "write"): PathFact(exists=True, allowed=True)},
    ),
    # security modules
    Row(
        "apparmor-profile-load",
        "no program 'apparmor_parser' in any of the usual directories",
        program("apparmor_parser", ""),
    ),
    Row(
        "dac-label-in-use",
        "trusted.libvirt.security.ref_dac of '/img/VARS.fd' counts a guest",
        {Label("/img/VARS.fd"): LabelFact(True, remembered=(("dac", 1),))},
        {Label("/img/VARS.fd"): LabelFact(True)},
    ),
    Row(
        "selinux-label-in-use",
        "trusted.libvirt.security.ref_selinux of '/img/base.qcow2' counts 2 guests",
        {Label("/img/base.qcow2"): LabelFact(True, remembered=(("selinux", 2),))},
        {Label("/img/base.qcow2"): LabelFact(True)},
    ),
    Row(
        "dev-cgroup-acl",
        "",
        against={
            path("/dev/input/event3", "write"): PathFact(
                exists=True, blocked="/dev/input/event3", lacks="write", mode="0660"
            )
        },
    ),
    Row(
        "selinux-log-dir-label",
        "'/var/log/libvirt' has the label system_u:object_r:var_log_t:s0",
        {
            System(): SystemFact(lsm=("selinux",)),
            Label("/var/log/libvirt"): LabelFact(True, "system_u:object_r:var_log_t:s0"),
        },
        {
            System(): SystemFact(lsm=("selinux",)),
            Label("/var/log/libvirt"): LabelFact(True, "system_u:object_r:virt_log_t:s0"),
        },
    ),
    Row(
        "selinux-seclabel-unavailable",
        "SELinux is not among its security modules (apparmor)",
        {System(): SystemFact(lsm=("apparmor",))},
        {System(): SystemFact(selinux="enforcing")},
    ),
    # saved guests
    Row(
        "restore-snapshot-missing",
        "no snapshot 'suspend' in 1 images; they have: clean",
        {ImageInfo("/img/a.qcow2"): ImageFact("qcow2", snapshots=("clean", "1"))},
        {ImageInfo("/img/a.qcow2"): ImageFact("qcow2", snapshots=("suspend", "1"))},
        argv=SNAPSHOTS,
    ),
    Row(
        "restore-image-empty-or-incomplete",
        "'/save/g.save' (9 bytes): incomplete",
        state(damage="incomplete"),
        state(damage="zero-filled"),
    ),
    Row(
        "restore-image-cut",
        "'/save/g.save.x' (9 bytes): cut in",
        state(ASIDE, damage="cut in the XML"),
    ),
    Row("restore-image-zeroed", "(9 bytes): zero-filled", state(ASIDE, damage="zero-filled")),
    Row(
        "restore-image-changed",
        "(9 bytes): changed bytes",
        state(ASIDE, damage="changed bytes"),
        at=1,
    ),
    Row(
        "restore-image-foreign",
        "(9 bytes): not a saved guest",
        state(ASIDE, damage="not a saved guest"),
    ),
    Row("restore-image-newer", "newer version", state(ASIDE, damage="made by a newer version")),
    Row("restore-image-unreadable", "unreadable", state(damage="unreadable")),
    Row(
        "restore-image-consumed",
        "has the mark of a restore",
        state(consumed=True),
        state(),
    ),
    Row(
        "restore-other-guest",
        "'/save/g.save' is of the guest 'other', uuid 2",
        state(name="other", uuid="2"),
        state(name="g"),
    ),
    Row(
        "restore-disks-changed",
        "of '/img/a.img' there changed since the save: its size",
        state(disks=(("/img/a.img", "its size"),)),
        state(disks=(("/img/a.img", ""),)),
    ),
    Row(
        "restore-device-set-changed",
        "only here: 1 x <interface>",
        state(xml=OLD),
        definition=NEW,
    ),
    Row(
        "restore-ram-size-mismatch",
        "the image has memory of 1048576, the definition 2097152",
        state(xml=OLD),
        state(xml=NEW),
        definition=NEW,
    ),
    Row(
        "restore-machine-type-mismatch",
        "the image has machine type pc-i440fx-2.11, the definition pc-i440fx-4.2",
        state(xml=OLD),
        state(xml=NEW),
        definition=NEW,
    ),
    Row(
        "restore-not-a-stream",
        "cut in the memory",
        state(damage="cut in the memory"),
        state(damage="incomplete"),
    ),
)

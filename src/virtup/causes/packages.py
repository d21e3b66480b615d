"""Which package of a distribution holds what a guest needs, and the command that installs it."""

from __future__ import annotations

from collections.abc import Iterator

from virtup.causes.finding import Fix, Safety
from virtup.model.evidence import Evidence
from virtup.model.probe_system import System

_COMMANDS = {
    "apt": "apt-get install",
    "dnf": "dnf install",
    "zypper": "zypper install",
    "pacman": "pacman -S",
    "apk": "apk add",
}
_PACKAGES: dict[str, dict[str, str]] = {
    "qemu": {
        "apt": "qemu-system-x86",
        "dnf": "qemu-kvm",
        "zypper": "qemu-x86",
        "pacman": "qemu-system-x86",
        "apk": "qemu-system-x86_64",
    },
    "swtpm": {
        "apt": "swtpm swtpm-tools",
        "dnf": "swtpm swtpm-tools",
        "zypper": "swtpm",
        "pacman": "swtpm",
        "apk": "swtpm",
    },
    "tcsd": {"apt": "trousers", "dnf": "trousers", "zypper": "trousers", "pacman": "trousers"},
    "virtiofsd": dict.fromkeys(_COMMANDS, "virtiofsd"),
    "passt": dict.fromkeys(_COMMANDS, "passt"),
    "ovmf": {
        "apt": "ovmf",
        "dnf": "edk2-ovmf",
        "zypper": "qemu-ovmf-x86_64",
        "pacman": "edk2-ovmf",
        "apk": "ovmf",
    },
    "aavmf": {
        "apt": "qemu-efi-aarch64",
        "dnf": "edk2-aarch64",
        "zypper": "qemu-uefi-aarch64",
        "pacman": "edk2-aarch64",
        "apk": "aavmf",
    },
    "roms": {
        "apt": "ipxe-qemu seabios",
        "dnf": "ipxe-roms-qemu seabios-bin seavgabios-bin",
        "zypper": "qemu-ipxe qemu-seabios qemu-vgabios",
        "pacman": "qemu-system-x86-firmware",
    },
    "dnsmasq": {
        "apt": "dnsmasq-base",
        "dnf": "dnsmasq",
        "zypper": "dnsmasq",
        "pacman": "dnsmasq",
        "apk": "dnsmasq",
    },
    "nft": dict.fromkeys(_COMMANDS, "nftables"),
    "iptables": dict.fromkeys(_COMMANDS, "iptables"),
    "firewall-cmd": dict.fromkeys(_COMMANDS, "firewalld"),
    "apparmor_parser": {"apt": "apparmor", "zypper": "apparmor-parser", "pacman": "apparmor"},
    "virtlogd": {
        "apt": "libvirt-daemon-system",
        "dnf": "libvirt-daemon-log",
        "zypper": "libvirt-daemon-log",
        "pacman": "libvirt",
        "apk": "libvirt-daemon",
    },
    "block drivers": {
        "apt": "qemu-block-extra",
        "dnf": "qemu-block-{name}",
        "zypper": "qemu-block-{name}",
        "pacman": "qemu-block-{name}",
        "apk": "qemu-block-{name}",
    },
    "audio": {
        "apt": "qemu-system-gui",
        "dnf": "qemu-audio-{name}",
        "zypper": "qemu-audio-{name}",
        "pacman": "qemu-audio-{name}",
        "apk": "qemu-audio-{name}",
    },
    "display": {
        "apt": "qemu-system-gui",
        "dnf": "qemu-ui-{name}",
        "zypper": "qemu-ui-{name}",
        "pacman": "qemu-ui-{name}",
        "apk": "qemu-ui-{name}",
    },
}


def system(ev: Evidence) -> Iterator[System]:
    """Ask which operating system the host runs, where it is this one."""
    if ev.uid is not None:
        yield System()


def install(ev: Evidence, what: str, text: str = "install it", *, name: str = "") -> Fix:
    """Return the fix that installs *what* by the host's own packager.

    *name* is that of the one driver, where a package holds just one. Of a host that is not known
    the fix names the packages of Debian and of Fedora, the two from which the others come.
    """
    packages = {key: one.replace("{name}", name) for key, one in _PACKAGES[what].items()}
    fact = ev.fact(System())
    packager = fact.packager if fact else ""
    if packager in packages:
        command = f"{_COMMANDS[packager]} {packages[packager]}"
        return Fix(text, (command,), Safety.CONFIRM)
    if fact is not None:
        return Fix(f"{text} (Debian calls it {packages['apt']})", (), Safety.MANUAL)
    elsewhere = f" ({packages['dnf']} on Fedora)" if packages.get("dnf", "") else ""
    commands = (f"{_COMMANDS['apt']} {packages['apt']}",)
    return Fix(f"{text}{elsewhere}", commands, Safety.CONFIRM)

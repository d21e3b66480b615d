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
_AGAIN = {
    "apt": "apt-get install --reinstall",
    "dnf": "dnf reinstall",
    "zypper": "zypper install --force",
    "pacman": "pacman -S",
    "apk": "apk fix",
}
_PACKAGES: dict[str, dict[str, str]] = {
    "qemu": {
        "apt": "qemu-system-{family}",
        "dnf": "qemu-system-{name}",
        "zypper": "qemu-{family}",
        "pacman": "qemu-system-{name}",
        "apk": "qemu-system-{name}",
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

_FAMILIES = {
    "x86_64": "x86",
    "i386": "x86",
    "aarch64": "arm",
    "arm": "arm",
    "ppc64": "ppc",
    "ppc": "ppc",
}
"""Packages of QEMU that hold more than one architecture."""


def system(ev: Evidence) -> Iterator[System]:
    """Ask which operating system the host runs, where it is this one."""
    if ev.uid is not None:
        yield System()


def install(
    ev: Evidence, what: str, text: str = "install it", *, name: str = "", again: bool = False
) -> Fix:
    """Return the fix that installs *what* by the host's own packager.

    *name* is that of the one driver or architecture, where a package holds just one; *again*: it
    is there already, and broken. Of a host that is not known
    the fix names the packages of Debian and of Fedora, the two from which the others come.
    """
    family = _FAMILIES.get(name, "misc")
    packages = {
        key: one.replace("{name}", name).replace("{family}", family)
        for key, one in _PACKAGES[what].items()
    }
    fact = ev.fact(System())
    packager = fact.packager if fact else ""
    if packager in packages:
        verbs = _AGAIN if again else _COMMANDS
        command = f"{verbs[packager]} {packages[packager]}"
        return Fix(text, (command,), Safety.CONFIRM)
    if fact is not None:
        return Fix(f"{text} (Debian calls it {packages['apt']})", (), Safety.MANUAL)
    elsewhere = f" ({packages['dnf']} on Fedora)" if packages.get("dnf", "") else ""
    commands = (f"{(_AGAIN if again else _COMMANDS)['apt']} {packages['apt']}",)
    return Fix(f"{text}{elsewhere}", commands, Safety.CONFIRM)

"""What libvirt's own pages on trouble are about: `virtup explain` has an answer to each.

The messages are the titles and the quoted words of the troubleshooting pages of libvirt's wiki and
of the list of common errors in Red Hat's guide, as far as they concern a start, a restore, a
network, a console or the way to the daemon.
"""

import pytest

from virtup.causes import catalogue

TOPICS = {
    "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied": (
        "daemon-socket-permission"
    ),
    "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory": (
        "daemon-not-running"
    ),
    "Unable to initialize network sockets": "daemon-tls-certificate",
    "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory": (
        "daemon-tls-certificate"
    ),
    "unable to connect to server at 'host:16509': Connection refused": "daemon-remote-refused",
    "Cannot resolve address host port '49155': Name or service not known": (
        "daemon-remote-unresolved"
    ),
    "authentication unavailable: no polkit agent available": "daemon-polkit-denied",
    "internal error guest CPU is not compatible with host CPU": "cpu-feature-missing-on-host",
    "monitor socket did not show up": "qemu-hangs",
    "Failed to create domain from vm.xml error: monitor socket did not show up.: Connection refused": (
        "kvm-device-permission"
    ),
    "internal error cannot find character device (null)": "console-device-missing",
    "No boot device": "disk-not-bootable",
    "internal error: Failed to initialize a valid firewall backend": "net-firewall-backend",
    "Requested operation is not valid: network 'default' is not active": "net-network-inactive",
    "internal error Network is already in use by interface virbr0": "net-subnet-conflict",
    "PXE-E51: No DHCP or proxyDHCP offers were received": "net-guest-no-dhcp",
    "guest can reach outside network, but can't reach host": "net-macvtap-host-unreachable",
    "Could not add rule to fixup DHCP response checksums on network 'default'": (
        "net-checksum-rule"
    ),
    "Unable to add bridge br0 port vnet0: No such device": "net-bridge-missing",
    "warning: could not open /dev/net/tun: no virtual network emulation": "net-tap-permission",
    "Unable to allow access for disk path /img/a.img: No such file or directory": (
        "disk-file-missing"
    ),
    "No guest virtual machines are present": "domain-not-found",
    "could not find capabilities for domaintype=kvm": "kvm-unavailable",
    "(domain_definition):6: Opening and ending tag mismatch: domain line 1 and name": (
        "xml-malformed"
    ),
    "Setting different SELinux label on /a.iso which is already in use": "selinux-label-in-use",
    "unable to set security context 'system_u:object_r:svirt_image_t:s0' on '/nfs/a': "
    "Operation not supported": "disk-nfs-squash",
    "unsupported machine type 'pc-q35-99.0'": "machine-type-unsupported",
    "early end of file from monitor, possible problem": "vfio-group-not-viable",
    "cannot acquire state change lock": "domain-busy",
    "Active console session exists for this domain": "console-in-use",
}


@pytest.mark.parametrize("message", TOPICS)
def test_a_topic_has_a_cause(message: str) -> None:
    assert TOPICS[message] in catalogue.page(message)

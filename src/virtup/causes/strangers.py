"""Words of programs that run no guest, or guests of another kind: they name none of our causes.

Many of them say of a port, a bridge, a certificate or a kernel module what QEMU and libvirt say of
theirs. Where nothing in a text speaks of QEMU or libvirt, and another program signed it, a cause
that its words fit is possible at most.
"""

from __future__ import annotations

import re

from virtup.model.evidence import Evidence

_KIN = re.compile(
    r"(?i:qemu|\bkvm\b|libvirt|virsh|virt-\w+|\bvirt\w*d-sock|virtiofs|\bvirbr\d|\bvnet\d|swtpm"
    r"|\bovmf|\bedk2|\bspice\b|\bvfio-pci\b|vagrant|proxmox|kubevirt|nova[.-]compute)|\bvir[A-Z]\w+"
)
"""Who runs guests as virtup does, and what is theirs alone."""
_SIGNED = re.compile(
    r"(?:^|\n)(?:\S+ \| )?(?:apache2|ceph|cloud-hypervisor|containerd|crun|curl|dnf|docker\w*|dpkg|EAL"
    r"|firecracker|firewalld|git|httpd|kubelet|lxc-\w+|lxd|modprobe|mount|mysqld?|NetworkManager"
    r"|nginx|pip|podman|postgres|psql|rmmod|rsync|runc|scp|smbd|snap|sshd?|umount|vboxdrv|VBoxManage"
    r"|vm-bhyve|bhyve|libxl|xl|yum|zfs|zpool)(?:\[\d+\])?: "
    r"|\bVERR_[A-Z]|VirtualBox|/dev/vmmon|vmmon\b|\bpodman\b|\bdocker(?:d|:|\b)|\blibxl_\w+"
)
"""How others sign what they say."""


def is_of_another(ev: Evidence) -> bool:
    """Is all that was said the words of a program that has nothing to do with these guests?"""
    texts = (ev.error, ev.stderr)
    if ev.definition or ev.argv or any(_KIN.search(text) for text in (*texts, ev.notes)):
        return False
    return any(_SIGNED.search(text) for text in texts)

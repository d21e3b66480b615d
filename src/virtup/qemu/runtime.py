"""What only a start knows: directories, descriptors that QEMU inherits, chosen ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from virtup.model.domain.guest import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One start's own values; mappings go by alias.

    *lib_dir* is the guest's private directory and QEMU's home. *char_fds* are listening sockets
    of unix character devices and files opened for output, *log_fds* those that get a copy. *vhost_fds* switches vhost-net on for
    its interface. *host_cdroms* are device nodes that the host knows to be CD-ROM drives. *user_runtime_dir* is
    where the user's PipeWire listens, *memory_dir* the guest's own directory on a hugetlbfs.
    """

    lib_dir: str
    channel_dir: str = ""
    monitor_fd: int | None = None
    master_key_path: str | None = None
    tap_fds: Mapping[str, int] = field(default_factory=dict)
    vhost_fds: Mapping[str, int] = field(default_factory=dict)
    char_fds: Mapping[str, int] = field(default_factory=dict)
    log_fds: Mapping[str, int] = field(default_factory=dict)
    vnc_ports: Mapping[str, int] = field(default_factory=dict)
    memory_dir: str | None = None
    vnc_listen: str = "127.0.0.1"
    host_cdroms: frozenset[str] = frozenset()
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    home: str | None = None
    user_runtime_dir: str | None = None
    sandbox: bool = True
    incoming: str | None = None
    log_timestamp: bool = True

    @classmethod
    def example(
        cls, dom: Domain, *, lib_dir: str = "/var/lib/virtup/qemu", channel_dir: str | None = None
    ) -> Runtime:
        """Values for showing the command line of a guest that is not being started."""
        base = f"{lib_dir}/domain--1-{dom.name[:20]}"
        channels = channel_dir or f"{lib_dir}/channel"
        taps = [one for one in dom.devices.interface if one.type in ("ethernet", "bridge")]
        return cls(
            lib_dir=base,
            channel_dir=f"{channels}/-1-{dom.name[:20]}",
            monitor_fd=3,
            master_key_path=f"{base}/master-key.aes",
            tap_fds={str(one.alias): 4 + number for number, one in enumerate(taps)},
            memory_dir=f"/dev/hugepages/virtup/qemu/-1-{dom.name[:20]}",
        )

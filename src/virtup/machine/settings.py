"""What an administrator can set about guests; the daemon's configuration file fills it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of the guests of one daemon; times in seconds, sizes in bytes.

    ``qemu_user`` is the account QEMU runs as when the daemon is root; ``""`` means the layout's
    default. A session daemon runs QEMU as its own user and ignores it. ``monitor_timeout_s``
    bounds each answer of a QEMU that starts, ``command_timeout_s`` of one that runs.
    """

    qemu_user: str = ""
    qemu_group: str = ""
    dynamic_ownership: bool = True
    monitor_timeout_s: float = 10.0
    command_timeout_s: float = 30.0
    agent_timeout_s: float = 5.0
    job_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    log_max_bytes: int = 2 * 1024 * 1024
    log_backups: int = 3
    attempts_kept: int = 20
    vnc_port_min: int = 5900
    vnc_port_max: int = 65535
    vnc_listen: str = "127.0.0.1"
    sandbox: bool = True
    save_image_format: str = "raw"

"""The cgroup hierarchy of the host does not fit libvirt.

## What it means
libvirt puts each guest into a control group of its own. Controllers that are mounted together by
hand, a container without a writable /sys/fs/cgroup, or a controller that is not delegated keep
it from that.

## How to confirm
`mount | grep cgroup`; `cat /sys/fs/cgroup/cgroup.controllers`.

## What to do
Use the layout that the distribution mounts; in a container, pass a writable cgroup namespace; or
`cgroup_controllers = [ ]` in `/etc/libvirt/qemu.conf`.

## Strings it goes by
- `Unable to initialize /machine cgroup: Invalid argument`
- `Failed to create v1 controller cpu for group: No such file or directory`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU215"
SLUG = "cgroup-layout"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host's control groups do not fit libvirt ({subject}).",
    subject="cgroups",
    phrases=(
        r"unable to initiali[sz]e (?P<subject>/\S*) cgroup",
        r"failed to create (?P<subject>v[12] controller \S+)[^\n]*",
        r"(?:unable|failed|cannot)(?: to)? create cgroup[^\n]*",
        r"(?:unable to|cannot) find (?P<subject>'?\w+'? cgroups? controller mount)",
        r"cgroups? controller '?(?P<subject>[\w,]+)'? (?:is )?not (?:mounted|available|found|enabled)",
        r"(?:unable|failed) to (?:write to|open|create) '?(?P<subject>/sys/fs/cgroup/(?!\S*(?:memsw|swap))[^'\s]*)'?: (?:device or resource busy|invalid argument|no such file|operation not (?:permitted|supported)|permission denied|read-only)",
        r"unknown (?:cgroups? )?controller '?(?P<subject>(?:cpu|cpuacct|cpuset|memory|devices|freezer|blkio|io|pids|net_cls|perf_event)\b)'?",
        r"unable to find cgroup for (?P<subject>\S+)",
        r"unable to (?:set|get|modify)[^\n]*cgroup[^\n]*",
        r"operation '(?P<subject>(?:set|get|allow|deny)(?:Cpu|Mem|Blkio|Freezer|Device|AllDevices)\w*)' not supported",
        r"at least one cgroup controller is required",
    ),
    fixes=(Fix("see what is mounted", ("mount -t cgroup,cgroup2",)),),
    proof=hosts.NO_CONTROLLER,
)
POSITIVE = (
    Evidence(error="Unable to initialize /machine cgroup: Invalid argument"),
    Evidence(
        error="Unable to write to '/sys/fs/cgroup/machine.slice/machine-qemu.scope/cgroup.subtree_control': Device or resource busy"
    ),
    Evidence(error="Operation not supported: operation 'setBlkioWeight' not supported"),
)
NEGATIVE = (
    Evidence(stderr="lxc: cannot find cgroup mount point for freezer\n"),
    Evidence(error="XML error: Unknown controller type 'nvme'"),
    Evidence(
        error="Unable to write to '/sys/fs/cgroup/memory/machine/memory.memsw.limit_in_bytes': No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find

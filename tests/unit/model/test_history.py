"""What is different between two starts, and in which order it is told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from virtup.model import history
from virtup.model.history.change import AREAS, about, moment, shown, size

DISK = "/srv/a.qcow2"
KERNEL = "/boot/vmlinuz"
QEMU = "/usr/bin/qemu-system-x86_64"
DEFINITION = f"""<domain type='kvm'>
  <name>db</name>
  <memory unit='KiB'>131072</memory>
  <currentMemory unit='KiB'>131072</currentMemory>
  <devices>
    <emulator>{QEMU}</emulator>
    <disk type='file' device='disk'>
      <source file='{DISK}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/srv/b.raw'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='br0'/>
    </interface>
  </devices>
</domain>
"""


def file(use: str, *, write: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "use": use,
        "write": write,
        "kind": "file",
        "size": 4096,
        "mtime_ns": 1_700_000_000_000_000_000,
        "inode": 7,
        "device": 65024,
        "mode": "0644",
        "uid": 0,
        "gid": 0,
        "owner": "root",
        "group": "root",
        **more,
    }


IMAGE = {"format": "qcow2", "virtual_size": 1 << 30, "backing": "base.qcow2"}
GOOD: dict[str, Any] = {
    "number": 1,
    "began": "2026-01-02T03:04:05.678Z",
    "verdict": "running",
    "virt": "kvm",
    "memory_kib": 131072,
    "image": "",
    "definition": DEFINITION,
    "given": "",
    "emulator": QEMU,
    "qemu_version": "7.2.0",
    "qemu_package": "Debian 1",
    "virtup": "0.1",
    "kernel": "6.1",
    "findings": [],
    "files": {
        QEMU: file("emulator"),
        KERNEL: file("file"),
        DISK: file("disk", write=True, image=IMAGE, read_only=False, free_kib=1 << 20),
        "/srv": file("directory", kind="directory", mode="0755"),
        "/dev/kvm": file("device", write=True, kind="char", mode="0660"),
        "/run/s": file("file", write=True, kind="socket"),
    },
    "network": {"br0": {"exists": True, "kind": "bridge", "up": True, "mtu": 1500, "owner": ""}},
    "host": {
        "boot_id": "b1",
        "booted_s": 1_700_000_000,
        "cpu": {"model": "EPYC", "microcode": "1", "flags": "avx fpu svm"},
        "kvm": {"module": "kvm_amd", "nested": "on"},
        "memory": {
            "total_kib": 8 << 20,
            "available_kib": 4 << 20,
            "swap_free_kib": 0,
            "overcommit": 0,
            "group_limit_kib": -1,
            "transparent_huge": "madvise",
            "huge": {"2048": [64, 64]},
        },
        "security": {"modules": "apparmor", "apparmor": {"virtup-qemu": "complain"}},
        "limits": {"memlock": [8 << 20, 8 << 20], "nofile": [1024, 4096]},
    },
    "user": {"name": "virtup-qemu", "uid": 998, "gids": [998, 108]},
    "settings": {"sandbox": True, "qemu_user": ""},
}


def after(*keys: str, value: Any) -> dict[str, Any]:
    """Return a later, failed start in which what *keys* lead to is *value*."""
    record = copy.deepcopy(GOOD)
    record |= {"number": 2, "verdict": "failed"}
    place: Any = record
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return record


def lines(record: dict[str, Any], *subjects: str, before: dict[str, Any] = GOOD) -> list[str]:
    found = history.changes(before, record, subjects=subjects)
    return [f"{one.what}: {one.was} -> {one.now}" for one in found]


ONE_CHANGE = [
    (("emulator",), "/opt/q", "QEMU's binary: /usr/bin/qemu-system-x86_64 -> /opt/q"),
    (("qemu_version",), "8.2.0", "QEMU's version: 7.2.0 -> 8.2.0"),
    (("qemu_package",), "Debian 2", "QEMU's package: Debian 1 -> Debian 2"),
    (
        ("files", QEMU, "mtime_ns"),
        1_700_000_060_000_000_000,
        (
            "QEMU's binary contents: 4096 bytes of 2023-11-14 22:13:20 -> "
            "4096 bytes of 2023-11-14 22:14:20"
        ),
    ),
    (("files", QEMU, "inode"), 8, "QEMU's binary the file itself: inode 7 -> inode 8"),
    (("kernel",), "6.2", "the host's kernel: 6.1 -> 6.2"),
    (("files", DISK, "mode"), "0000", f"'{DISK}' mode: 0644 -> 0000"),
    (("files", DISK, "owner"), "alice", f"'{DISK}' owner: root:root -> alice:root"),
    (("files", DISK, "acl"), "user:q:r--", f"'{DISK}' access list: - -> user:q:r--"),
    (("files", DISK, "label"), "virt_t", f"'{DISK}' SELinux label: - -> virt_t"),
    (("files", DISK, "real"), "/x", f"'{DISK}' leads to: {DISK} -> /x"),
    (("files", DISK, "inode"), 9, f"'{DISK}' the file itself: inode 7 -> inode 9"),
    (("files", DISK, "device"), 9, f"'{DISK}' the file itself: device 65024 -> device 9"),
    (("files", DISK, "size"), 1024, f"'{DISK}' size: 4 KiB -> 1 KiB"),
    (("files", DISK, "kind"), "block", f"'{DISK}' kind: file -> block"),
    (("files", DISK, "read_only"), True, f"'{DISK}' file system: writable -> read-only"),
    (("files", DISK, "free_kib"), 512, f"'{DISK}' room left: 1.0 GiB -> 512.0 KiB"),
    (
        ("files", DISK, "image", "format"),
        "raw",
        f"'{DISK}' image format: qcow2 -> raw",
    ),
    (
        ("files", DISK, "image", "virtual_size"),
        1 << 20,
        f"'{DISK}' virtual size: 1 GiB -> 1 MiB",
    ),
    (("files", DISK, "image", "corrupt"), True, f"'{DISK}' marked corrupt: - -> yes"),
    (
        ("files", DISK),
        {"use": "disk", "write": True, "error": "No such file or directory"},
        f"'{DISK}': there -> missing",
    ),
    (
        ("files", "/srv"),
        {"use": "directory", "write": False, "error": "no answer within 2 s"},
        "'/srv': there -> no answer within 2 s",
    ),
    (("files", "/srv", "mode"), "0700", "'/srv' mode: 0755 -> 0700"),
    (("files", "/dev/kvm", "mode"), "0600", "'/dev/kvm' mode: 0660 -> 0600"),
    (("network", "br0"), {"exists": False}, "interface 'br0': there -> missing"),
    (("network", "br0", "up"), False, "interface 'br0' state: up -> down"),
    (("network", "br0", "mtu"), 9000, "interface 'br0' MTU: 1500 -> 9000"),
    (("network", "br0", "kind"), "bond", "interface 'br0' kind: bridge -> bond"),
    (
        ("host", "limits", "memlock"),
        [65536, 65536],
        "limit of memory that may be locked (memlock): 8 MiB -> 64 KiB",
    ),
    (
        ("host", "limits", "nofile"),
        [256, 256],
        "limit of open files (nofile): 1024 / 4096 -> 256",
    ),
    (
        ("host", "limits", "memlock"),
        [-1, -1],
        "limit of memory that may be locked (memlock): 8 MiB -> none",
    ),
    (
        ("host", "memory", "group_limit_kib"),
        65536,
        "memory limit of virtupd's control group: none -> 64 MiB",
    ),
    (("host", "memory", "total_kib"), 4 << 20, "memory of the host: 8.0 GiB -> 4.0 GiB"),
    (("host", "memory", "available_kib"), 1024, "memory that is free: 4.0 GiB -> 1.0 MiB"),
    (
        ("host", "memory", "overcommit"),
        2,
        "memory overcommit (vm.overcommit_memory): 0 -> 2",
    ),
    (("host", "kvm", "nested"), "off", "KVM nested: on -> off"),
    (("host", "cpu", "flags"), "avx fpu", "processor's features: svm -> -"),
    (("host", "cpu", "model"), "Xeon", "processor's model: EPYC -> Xeon"),
    (("host", "security", "selinux"), "enforcing", "SELinux: - -> enforcing"),
    (
        ("host", "security", "apparmor"),
        {"virtup-qemu": "enforce"},
        "AppArmor's profile 'virtup-qemu': complain -> enforce",
    ),
    (
        ("host", "boot_id"),
        "b2",
        "the host's boot: of 2023-11-14 22:13:20 -> of 2023-11-14 22:13:20",
    ),
    (("user", "uid"), 1000, "QEMU's user: virtup-qemu (998) -> virtup-qemu (1000)"),
    (("user", "gids"), [998], "groups of QEMU's user: 108, 998 -> 998"),
    (("settings", "sandbox"), False, "virtupd's setting sandbox: yes -> no"),
    (("virtup",), "0.2", "virtup: 0.1 -> 0.2"),
    (("image",), "/s", "it started from: its disks -> the saved state '/s'"),
    (
        ("definition",),
        DEFINITION.replace("vda", "sda"),
        "disk sda <target>: dev='vda' -> dev='sda'",
    ),
]


@pytest.mark.parametrize(("keys", "value", "line"), ONE_CHANGE, ids=[one[2] for one in ONE_CHANGE])
def test_one_change_is_one_line(keys: tuple[str, ...], value: Any, line: str) -> None:
    assert lines(after(*keys, value=value)) == [line]


NO_CHANGE = [
    (("number",), 9),
    (("uuid",), "another"),
    (("argv",), ["q", "fd=30"]),
    (("began",), "2027-01-01T00:00:00.000Z"),
    (("files", DISK, "mtime_ns"), 5),
    (("files", DISK, "free_kib"), 1 << 19),
    (("files", "/srv", "mtime_ns"), 5),
    (("files", "/srv", "inode"), 5),
    (("files", "/run/s", "inode"), 5),
    (("files", "/new"), file("file")),
    (("host", "memory", "available_kib"), 1 << 20),
    (("host", "memory", "huge"), {"2048": [0, 64]}),
    (("host", "memory"), {}),
    (("host", "cpu"), {}),
    (("host", "limits"), {}),
    (("host", "security"), {}),
    (("host",), {}),
    (("network",), {}),
    (("files",), {}),
    (("user",), {}),
    (("settings",), {}),
    (("emulator",), ""),
    (("qemu_version",), ""),
    (("kernel",), ""),
    (("virtup",), ""),
    (("definition",), ""),
]


@pytest.mark.parametrize(("keys", "value"), NO_CHANGE, ids=[".".join(one[0]) for one in NO_CHANGE])
def test_what_differs_anyway_or_is_not_known_is_no_change(
    keys: tuple[str, ...], value: Any
) -> None:
    assert lines(after(*keys, value=value)) == []
    assert lines(GOOD, before=after(*keys, value=value)) == []


def test_a_disk_that_grew_is_no_change() -> None:
    assert lines(after("files", DISK, "size", value=1 << 20)) == []


def test_a_guest_on_huge_pages_wants_them() -> None:
    text = DEFINITION.replace("<name>", "<memoryBacking><hugepages/></memoryBacking><name>")
    before = {**copy.deepcopy(GOOD), "definition": text}
    failed = after("host", "memory", "huge", value={"2048": [3, 64]})
    failed["definition"] = text
    assert lines(failed, before=before) == ["huge pages of 2 MiB free: 64 pages -> 3 pages"]


def test_kvm_tells_nothing_of_a_guest_that_does_without() -> None:
    before = {**copy.deepcopy(GOOD), "virt": "qemu"}
    assert (
        lines({**after("host", "kvm", "nested", value="off"), "virt": "qemu"}, before=before) == []
    )


def test_another_boot_numbers_its_devices_anew() -> None:
    later = after("files", DISK, "device", value=9)
    later["host"]["boot_id"] = "b2"
    assert [one.what for one in history.changes(GOOD, later)] == ["the host's boot"]


def test_a_directory_that_is_gone_takes_what_is_in_it_along() -> None:
    gone = {"use": "directory", "write": False, "error": "No such file or directory"}
    later = after("files", "/srv", value=gone)
    later["files"][DISK] = {**gone, "use": "disk"}
    assert lines(later) == ["'/srv': there -> missing"]


def test_a_file_system_is_told_of_once() -> None:
    later = after("files", DISK, "read_only", value=True)
    before = copy.deepcopy(GOOD)
    before["files"]["/srv"]["read_only"] = False
    later["files"]["/srv"]["read_only"] = True
    assert lines(later, before=before) == [f"'{DISK}' file system: writable -> read-only"]


def test_areas_have_their_order_and_the_subject_comes_first() -> None:
    later = after("files", DISK, "mode", value="0600")
    later["kernel"] = "6.2"
    later["qemu_version"] = "8"
    later["network"]["br0"]["up"] = False
    later["host"]["limits"]["nofile"] = [1, 1]
    later["user"]["uid"] = 5
    later["definition"] = DEFINITION.replace(">131072<", ">262144<")
    found = history.changes(GOOD, later)
    assert [one.area for one in found] == ["definition", "definition", *AREAS[1:]]
    assert history.changes(GOOD, later, subjects=[DISK])[0].subject == DISK
    assert history.changes(GOOD, later, subjects=["br0"])[0].subject == "br0"
    later["files"]["/srv"]["mode"] = "0700"
    first, second, *_ = history.changes(GOOD, later, subjects=[DISK])
    assert {first.subject, second.subject} == {DISK, "/srv"}


def test_the_subject_finds_its_place_in_the_definition() -> None:
    text = DEFINITION.replace(">131072<", ">262144<").replace(DISK, "/gone.qcow2")
    found = history.changes(GOOD, after("definition", value=text), subjects=["/gone.qcow2"])
    assert found[0].what == "disk vda <source>"
    assert [one.was for one in found[1:]] == ["128 MiB", "128 MiB"]


def test_the_last_good_start_is_one_before() -> None:
    starts = [
        {"number": n, "verdict": v} for n, v in enumerate(("running", "failed", "running"), 1)
    ]
    assert history.last_good(starts, 3) == starts[0]
    assert history.last_good(starts, 4) == starts[2]
    assert history.last_good(starts, 1) is None


def test_records_of_an_earlier_form_are_compared_as_far_as_they_go() -> None:
    old = {
        "size": 1,
        "mtime_ns": 1,
        "inode": 7,
        "device": 65024,
        "mode": "0600",
        "uid": 9,
        "gid": 9,
    }
    before = {**copy.deepcopy(GOOD), "files": {DISK: old, KERNEL: {**old, "inode": 8}}}
    before |= {"host": {}, "network": {}, "user": {}, "settings": {}, "virt": "", "virtup": ""}
    later = after("kernel", value="6.1")
    later["files"][KERNEL] = {**old, "use": "file", "write": False, "inode": 9}
    assert lines(later, before=before) == [
        f"'{DISK}' mode: 0600 -> 0644",
        f"'{KERNEL}' the file itself: inode 8 -> inode 9",
    ]


# -- definitions -------------------------------------------------------------------------------


def unified(was: str, now: str) -> list[str]:
    before, later = {**GOOD, "definition": was}, {**GOOD, "definition": now}
    return history.unified(history.compared(before, later))


def test_lines_stand_under_their_elements_and_beside_their_target() -> None:
    assert unified(DEFINITION, DEFINITION.replace("/srv/b.raw", "/srv/c.raw")) == [
        "   <devices>",
        "     <disk type='file' device='disk'>",
        "-      <source file='/srv/b.raw'/>",
        "+      <source file='/srv/c.raw'/>",
        "       <target dev='vdb' bus='virtio'/>",
    ]
    assert unified(DEFINITION, DEFINITION) == []


def test_a_device_that_came_or_went_is_one_change() -> None:
    start = DEFINITION.index("    <disk type='file' device='disk'>\n      <source file='/srv/b")
    end = DEFINITION.index("    <interface")
    without = DEFINITION[:start] + DEFINITION[end:]
    (gone,) = history.changes(GOOD, after("definition", value=without))
    assert (gone.what, gone.now) == ("disk vdb", "-")
    assert gone.was == "<disk type='file' device='disk'>"
    (new,) = history.changes({**GOOD, "definition": without}, after("image", value=""))
    assert (new.what, new.was) == ("disk vdb", "-")
    assert [line[0] for line in unified(without, DEFINITION)] == [" ", *"++++"]


def test_devices_without_a_target_are_counted() -> None:
    more = DEFINITION.replace(
        "  </devices>", "    <interface type='user'>\n    </interface>\n  </devices>"
    )
    changed = more.replace("bridge='br0'", "bridge='br1'")
    (change,) = history.changes({**GOOD, "definition": more}, after("definition", value=changed))
    assert (change.what, change.was, change.now) == (
        "interface 1 <source>",
        "bridge='br0'",
        "bridge='br1'",
    )


def test_the_pair_of_texts_that_differs_least_counts() -> None:
    other_mac = DEFINITION.replace("00:00:01", "00:00:02")
    given = DEFINITION.replace("      <mac address='52:54:00:00:00:01'/>\n", "")
    before = {**GOOD, "given": given}
    assert lines({**after("definition", value=other_mac), "given": given}, before=before) == []
    edited = given.replace("br0", "br1")
    assert lines({**after("definition", value=other_mac), "given": edited}, before=before) == [
        "interface <source>: bridge='br0' -> bridge='br1'"
    ]
    # one that was refused before it was completed is like what was given, or like what was stored
    refused = {**after("definition", value=given), "given": ""}
    assert lines(refused, before=before) == []


def test_another_qemu_in_the_definition_is_told_once() -> None:
    later = after("emulator", value="/opt/q")
    later["definition"] = DEFINITION.replace(QEMU, "/opt/q")
    assert lines(later) == [f"<emulator>: {QEMU} -> /opt/q"]


def test_a_comparison_of_long_texts_is_bounded() -> None:
    many = "".join(f"  <e n='{n}'/>\n" for n in range(5000))
    other = "".join(f"  <e n='{n}x'/>\n" for n in range(5000))
    shown_lines = unified(f"<domain>\n{many}</domain>\n", f"<domain>\n{other}</domain>\n")
    assert len(shown_lines) == 121
    assert shown_lines[-1] == " ... and 9880 more lines"


def test_values_are_told_as_people_read_them() -> None:
    assert [size(n) for n in (0, 1000, 1024, 1 << 30)] == [
        "0 bytes",
        "1000 bytes",
        "1 KiB",
        "1 GiB",
    ]
    assert [about(n) for n in (0, 1536, 3 << 30)] == ["0 bytes", "1.5 KiB", "3.0 GiB"]
    assert moment(1e30).endswith(" s")
    assert [shown(one) for one in (True, False, None, "", [1, 2], 5)] == [
        "yes",
        "no",
        "-",
        "-",
        "1, 2",
        "5",
    ]


def test_what_a_start_chose_for_a_display_is_no_change_of_a_saved_guest() -> None:
    stored = "    <graphics type='vnc' port='-1' autoport='yes'>\n      <listen type='address'/>\n"
    chosen = (
        "    <graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1'>\n"
        "      <listen type='address' address='127.0.0.1'/>\n"
    )
    texts = [
        DEFINITION.replace("  </devices>", f"{one}    </graphics>\n  </devices>")
        for one in (stored, chosen)
    ]
    before, later = ({**GOOD, "definition": text} for text in texts)
    assert [one.what for one in history.changes(before, later)] == ["graphics", "graphics <listen>"]
    saved = {**later, "image": "/s"}
    assert lines(saved, before=before) == ["it started from: its disks -> the saved state '/s'"]

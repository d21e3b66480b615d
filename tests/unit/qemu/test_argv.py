"""Command lines of small guests; libvirt's own cases are in tests/golden."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.caps import AnyQemu
from tests.unit.model.test_complete import MAC, UUID, xml
from virtup.errors import ConfigUnsupported
from virtup.model.domain import parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.qemu.argv import CommandLine, build
from virtup.qemu.runtime import Runtime

RUN = Runtime(lib_dir="/lib/vm", channel_dir="/chan", monitor_fd=9, master_key_path="/lib/vm/key")


def line(text: str, run: Runtime = RUN) -> CommandLine:
    dom = complete(
        parse_domain(text), AnyQemu(), uuid=UUID, mac=lambda: MAC, emulator="/usr/bin/qemu"
    )
    return build(with_aliases(dom), AnyQemu(), run)


def values(text: str, option: str, run: Runtime = RUN) -> list[str]:
    argv = line(text, run).argv
    return [argv[n + 1] for n, word in enumerate(argv) if word == option]


def devices(text: str, driver: str, run: Runtime = RUN) -> list[dict[str, Any]]:
    found = [json.loads(value) for value in values(text, "-device", run)]
    return [one for one in found if one["driver"] == driver]


def test_the_monitor_is_inherited() -> None:
    assert values(xml(), "-chardev")[0] == "socket,id=charmonitor,fd=9,server=on,wait=off"
    assert values(xml(), "-mon") == ["chardev=charmonitor,id=monitor,mode=control"]


def test_environment_is_complete_and_clean() -> None:
    env = dict(line(xml()).env)

    assert env["LC_ALL"] == "C"
    assert env["HOME"] == "/lib/vm"
    assert set(env) == {
        "LC_ALL",
        "PATH",
        "HOME",
        *(f"XDG_{n}_HOME" for n in ("DATA", "CACHE", "CONFIG")),
    }


def test_names_and_paths_cannot_add_options() -> None:
    text = xml(
        "<disk><source file='/a,readonly=on\"}'/><target dev='vda'/></disk>"
        "<serial type='dev'><source path='/dev/x,mux=on'/></serial>"
    ).replace("<name>vm", "<name>vm,process=evil")

    assert values(text, "-name") == ["guest=vm,,process=evil,debug-threads=on"]
    assert json.loads(values(text, "-blockdev")[0])["filename"] == '/a,readonly=on"}'
    assert values(text, "-chardev")[1] == "serial,id=charserial0,path=/dev/x,,mux=on"


def test_a_kernel_is_loaded_directly_with_its_words_as_they_stand() -> None:
    text = xml().replace(
        "</os>", "<kernel>/k</kernel><initrd>/i</initrd><cmdline>a=b,c  d</cmdline></os>"
    )

    assert (values(text, "-kernel"), values(text, "-initrd")) == (["/k"], ["/i"])
    assert values(text, "-append") == ["a=b,c  d"]


def test_memory_is_whole_mebibytes() -> None:
    text = xml().replace("<memory unit='MiB'>64<", "<memory unit='KiB'>65537<")

    assert values(text, "-m") == ["size=66560k"]


@pytest.mark.parametrize(("type_", "accel"), [("qemu", "tcg"), ("kvm", "kvm")])
def test_the_accelerator_is_the_domains_type(type_: str, accel: str) -> None:
    assert values(xml(type=type_), "-accel") == [accel]


def test_taps_and_vhost_are_descriptors() -> None:
    card = "<interface type='{}'><source bridge='br0'/><model type='virtio'/></interface>"
    run = Runtime(lib_dir="/l", tap_fds={"net0": 21}, vhost_fds={"net0": 22})

    netdev = json.loads(values(xml(card.format("bridge")), "-netdev", run)[0])

    assert netdev == {"type": "tap", "fd": "21", "vhost": True, "vhostfd": "22", "id": "hostnet0"}


def test_user_networking_with_its_addresses() -> None:
    card = (
        "<interface type='user'><ip family='ipv4' address='10.1.0.0' prefix='16'/>"
        "<ip family='ipv6' address='fd00::' prefix='64'/></interface>"
    )

    assert json.loads(values(xml(card), "-netdev")[0]) == {
        "type": "user",
        "net": "10.1.0.0/16",
        "ipv6-prefix": "fd00::",
        "ipv6-prefixlen": 64,
        "id": "hostnet0",
    }


def test_boot_order_of_devices() -> None:
    text = xml(
        "<disk><source file='/a'/><target dev='vda'/><boot order='2'/></disk>"
        "<interface type='user'><model type='virtio'/><boot order='1'/></interface>"
    )

    assert devices(text, "virtio-blk-pci")[0]["bootindex"] == 2
    assert devices(text, "virtio-net-pci")[0]["bootindex"] == 1


def test_boot_order_of_kinds_takes_the_first_of_each() -> None:
    text = xml(
        "<disk><source file='/a'/><target dev='vda'/></disk>"
        "<disk><source file='/b'/><target dev='vdb'/></disk>"
    )

    assert [one.get("bootindex") for one in devices(text, "virtio-blk-pci")] == [1, None]


def test_a_channel_without_a_path_gets_one_in_the_guests_own_directory() -> None:
    text = xml(
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    )

    by_path = values(text, "-chardev")[1]
    by_fd = values(text, "-chardev", Runtime(lib_dir="/l", monitor_fd=9, char_fds={"channel0": 30}))

    assert by_path == (
        "socket,id=charchannel0,path=/chan/org.qemu.guest_agent.0,server=on,wait=off"
    )
    assert by_fd[1] == "socket,id=charchannel0,fd=30,server=on,wait=off"


def test_a_file_for_output_is_opened_by_qemu_or_inherited() -> None:
    text = xml("<serial type='file'><source path='/tmp/log' append='off'/></serial>")
    run = Runtime(lib_dir="/l", monitor_fd=9, char_fds={"serial0": 31})

    assert values(text, "-chardev")[1] == "file,id=charserial0,path=/tmp/log,append=off"
    assert values(text, "-add-fd", run) == ["set=0,fd=31,opaque=serial0-source"]
    assert values(text, "-chardev", run)[1] == "file,id=charserial0,path=/dev/fdset/0,append=off"


@pytest.mark.parametrize(
    ("graphics", "vnc"),
    [
        ("<graphics type='vnc' port='5907'/>", "127.0.0.1:7,audiodev=audio1"),
        ("<graphics type='vnc' port='-1' autoport='yes'/>", "127.0.0.1:0,audiodev=audio1"),
        ("<graphics type='vnc' port='5900' listen='::1'/>", "[::1]:0,audiodev=audio1"),
        (
            "<graphics type='vnc' port='5900' listen='0.0.0.0' sharePolicy='ignore'/>",
            "0.0.0.0:0,share=ignore,audiodev=audio1",
        ),
        (
            "<graphics type='vnc'><listen type='socket'/></graphics>",
            "vnc=unix:/lib/vm/vnc.sock,audiodev=audio1",
        ),
    ],
)
def test_vnc(graphics: str, vnc: str) -> None:
    assert values(xml(graphics), "-vnc") == [vnc]


def test_vnc_takes_the_port_that_the_start_chose() -> None:
    run = Runtime(lib_dir="/l", vnc_ports={"graphics0": 5912})

    assert values(xml("<graphics type='vnc'/>"), "-vnc", run) == ["127.0.0.1:12,audiodev=audio1"]


def test_keymap() -> None:
    assert values(xml("<graphics type='vnc' keymap='en-gb'/>"), "-k") == ["en-gb"]


def test_raw_arguments_stand_behind_ours_and_before_the_sandbox() -> None:
    raw = (
        "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<q:arg value='-bogus'/><q:arg value='a,b'/><q:env name='X' value='y'/></q:commandline>"
    )
    made = line(xml(head="").replace("</domain>", f"{raw}</domain>"))

    at = made.argv.index("-bogus")
    assert made.argv[at : at + 3] == ("-bogus", "a,b", "-sandbox")
    assert ("X", "y") in made.env


def test_no_reboot_when_a_reboot_ends_the_guest() -> None:
    text = xml(head="<on_reboot>destroy</on_reboot>")

    assert "-no-reboot" in line(text).argv
    assert "-no-reboot" not in line(xml()).argv


def test_backing_chains_that_are_spelled_out() -> None:
    text = xml(
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/top'/>"
        "<backingStore type='file'><format type='raw'/><source file='/base'/><backingStore/>"
        "</backingStore><target dev='vda'/></disk>"
    )
    nodes = [json.loads(value) for value in values(text, "-blockdev")]

    assert [one["node-name"] for one in nodes] == [
        "libvirt-2-storage",
        "libvirt-1-storage",
        "libvirt-1-format",
    ]
    assert nodes[0]["read-only"] is True
    assert nodes[2]["backing"] == "libvirt-2-storage"


def test_a_chain_that_ends_is_not_probed_further() -> None:
    text = xml(
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/top'/><backingStore/>"
        "<target dev='vda'/></disk>"
    )

    assert json.loads(values(text, "-blockdev")[1])["backing"] is None


@pytest.mark.parametrize(
    ("policy", "werror", "rerror"),
    [("stop", "stop", "stop"), ("enospace", "enospc", None), ("ignore", "ignore", "ignore")],
)
def test_error_policies(policy: str, werror: str, rerror: str | None) -> None:
    text = xml(
        f"<disk><driver error_policy='{policy}'/><source file='/a'/><target dev='vda'/></disk>"
    )
    disk = devices(text, "virtio-blk-pci")[0]

    assert (disk["werror"], disk.get("rerror")) == (werror, rerror)


def test_incoming_migration_and_no_sandbox() -> None:
    run = Runtime(lib_dir="/l", incoming="defer", sandbox=False, log_timestamp=False)

    assert values(xml(), "-incoming", run) == ["defer"]
    assert "-sandbox" not in line(xml(), run).argv
    assert "-msg" not in line(xml(), run).argv


def test_what_virtup_cannot_give_to_qemu_is_refused() -> None:
    with pytest.raises(ConfigUnsupported, match="CPU mode 'host-model' is not supported"):
        line(xml(head="<cpu mode='host-model'/>"))


def test_examples_hold_no_secret_and_need_no_host() -> None:
    dom = with_aliases(
        complete(
            parse_domain(xml("<interface type='ethernet'/>")),
            AnyQemu(),
            uuid=UUID,
            mac=lambda: MAC,
            emulator="/q",
        )
    )
    made = build(dom, AnyQemu(), Runtime.example(dom))

    assert any("master-key.aes" in word for word in made.argv)
    assert made == build(dom, AnyQemu(), Runtime.example(dom))

"""What each verb asks of the daemon, and what it prints: text, quiet and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import UUIDS, XML, FakeDaemon, MemoryConnection
from tests.unit.cli.conftest import Virtup
from virtup.client.guests import format_uuid
from virtup.errors import Code, OperationInvalid, VirtError


@pytest.mark.parametrize(
    ("words", "call", "extra", "out"),
    [
        ("suspend web", "DOMAIN_SUSPEND", {}, "Domain 'web' suspended"),
        ("resume Mail", "DOMAIN_RESUME", {}, "Domain 'Mail' resumed"),
        ("reset web", "DOMAIN_RESET", {"flags": 0}, "Domain 'web' was reset"),
        ("destroy web", "DOMAIN_DESTROY", {}, "Domain 'web' destroyed"),
        ("destroy web --graceful", "DOMAIN_DESTROY_FLAGS", {"flags": 1}, "Domain 'web' destroyed"),
        ("destroy 1 --remove-logs", "DOMAIN_DESTROY_FLAGS", {"flags": 2}, "Domain 'web' destroyed"),
        ("shutdown web", "DOMAIN_SHUTDOWN", {}, "Domain 'web' is being shutdown"),
        (
            "shutdown web --mode acpi,agent",
            "DOMAIN_SHUTDOWN_FLAGS",
            {"flags": 3},
            "Domain 'web' is being shutdown",
        ),
        ("reboot web", "DOMAIN_REBOOT", {"flags": 0}, "Domain 'web' is being rebooted"),
        ("reboot web agent", "DOMAIN_REBOOT", {"flags": 2}, "Domain 'web' is being rebooted"),
        (
            "autostart db",
            "DOMAIN_SET_AUTOSTART",
            {"autostart": 1},
            "Domain 'db' marked as autostarted",
        ),
        (
            "autostart db --disable",
            "DOMAIN_SET_AUTOSTART",
            {"autostart": 0},
            "Domain 'db' unmarked as autostarted",
        ),
        (
            "autostart db --once",
            "DOMAIN_SET_AUTOSTART_ONCE",
            {"autostart": 1},
            "Domain 'db' marked as autostarted on next boot",
        ),
        ("undefine db", "DOMAIN_UNDEFINE_FLAGS", {"flags": 0}, "Domain 'db' has been undefined"),
        (
            "undefine db --managed-save --nvram --tpm",
            "DOMAIN_UNDEFINE_FLAGS",
            {"flags": 1 | 4 | 32},
            "Domain 'db' has been undefined",
        ),
        ("start db", "DOMAIN_CREATE", {}, "Domain 'db' started"),
        (
            "start db --paused --autodestroy",
            "DOMAIN_CREATE_WITH_FLAGS",
            {"flags": 3},
            "Domain 'db' started",
        ),
        (
            "start db --bypass-cache --force-boot --reset-nvram",
            "DOMAIN_CREATE_WITH_FLAGS",
            {"flags": 4 | 8 | 32},
            "Domain 'db' started",
        ),
    ],
)
def test_an_act_is_asked_for_and_told(
    virtup: Virtup, fake: FakeDaemon, words: str, call: str, extra: dict[str, Any], out: str
) -> None:
    fake.saved.clear()
    assert virtup(*words.split()) == (0, f"{out}\n\n", "")
    name = out.split("'")[1]
    assert fake.asked(call) == [{"dom": fake.handle(name), **extra}]
    assert virtup("--quiet", *words.split()) == (0, "", "")
    said = virtup("--json", *words.split())
    facts = json.loads(said.out)
    assert (facts["domain"], facts["message"]) == (name, out)


@pytest.mark.parametrize(
    ("words", "call", "complaint"),
    [
        ("suspend web", "DOMAIN_SUSPEND", "Failed to suspend domain 'web'"),
        ("resume web", "DOMAIN_RESUME", "Failed to resume domain 'web'"),
        ("reset web", "DOMAIN_RESET", "Failed to reset domain 'web'"),
        ("destroy web", "DOMAIN_DESTROY", "Failed to destroy domain 'web'"),
        ("shutdown web", "DOMAIN_SHUTDOWN", "Failed to shutdown domain 'web'"),
        ("reboot web", "DOMAIN_REBOOT", "Failed to reboot domain 'web'"),
        ("autostart db", "DOMAIN_SET_AUTOSTART", "Failed to mark domain 'db' as autostarted"),
        (
            "autostart db --disable",
            "DOMAIN_SET_AUTOSTART",
            "Failed to unmark domain 'db' as autostarted",
        ),
        ("undefine db", "DOMAIN_UNDEFINE_FLAGS", "Failed to undefine domain 'db'"),
        ("start db", "DOMAIN_CREATE", "Failed to start domain 'db'"),
    ],
)
def test_an_act_that_fails_is_told_in_two_lines(
    virtup: Virtup, fake: FakeDaemon, words: str, call: str, complaint: str
) -> None:
    def refuse(_: object) -> None:
        raise OperationInvalid("not today")

    fake.handlers[call] = refuse
    reason = "Requested operation is not valid: not today"
    assert virtup(*words.split()) == (1, "\n", f"error: {complaint}\nerror: {reason}\n")
    said = virtup("--json", *words.split())
    assert (said.status, said.out) == (1, "")
    assert json.loads(said.err) == {
        "error": {
            "message": complaint,
            "cause": {
                "message": reason,
                "code": 55,
                "code_name": "OPERATION_INVALID",
                "domain": 10,
                "findings": [],
            },
        }
    }


def test_a_guest_that_is_not_there_is_one_line(virtup: Virtup) -> None:
    for verb in ("start", "domstate", "dominfo", "domid", "console", "dumpxml", "why"):
        said = virtup(verb, "nope")
        if verb != "why":
            assert said == (1, "\n", "error: failed to get domain 'nope'\n")


def test_identities(virtup: Virtup) -> None:
    uuid = format_uuid(UUIDS["web"])
    assert virtup("domid", "web").out == "1\n\n"
    assert virtup("domid", "db").out == "-\n\n"
    assert virtup("domid", uuid).out == "1\n\n"
    assert virtup("domid", "1").status == 1
    assert virtup("domname", "1").out == "web\n\n"
    assert virtup("domname", "web").status == 1
    assert virtup("domuuid", "web").out == f"{uuid}\n\n"
    assert virtup("domuuid", uuid).status == 1
    assert json.loads(virtup("--json", "domid", "db").out) == {"id": None}
    assert json.loads(virtup("domuuid", "web", "--json").out) == {"uuid": uuid}


def test_states(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("domstate", "web").out == "running\n\n"
    assert virtup("domstate", "web", "--reason").out == "running (booted)\n\n"
    fake.states["web"] = (99, 99)
    assert virtup("domstate", "web", "--reason").out == "no state (unknown)\n\n"
    assert json.loads(virtup("--json", "domstate", "db").out) == {
        "state": "shut off",
        "reason": "destroyed",
    }


def test_the_list_runs_first_then_by_name(virtup: Virtup) -> None:
    assert virtup("list", "--all").out == (
        " Id   Name   State\n"
        "-----------------------\n"
        " 1    web    running\n"
        " 4    Mail   paused\n"
        " -    db     shut off\n"
        "\n"
    )
    assert virtup("-q", "list").out == " 1   web    running\n 4   Mail   paused\n"


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("", 1),
        ("--inactive", 2),
        ("--all", 3),
        ("--state-shutoff", 2 | 64),
        ("--state-running --state-paused --state-other", 1 | 16 | 32 | 128),
        ("--all --state-shutoff", 3 | 64),
        ("--persistent --transient", 1 | 4 | 8),
        ("--with-managed-save --without-managed-save", 1 | 256 | 512),
        ("--autostart --no-autostart", 1 | 1024 | 2048),
        ("--with-snapshot --without-snapshot", 1 | 4096 | 8192),
        ("--with-checkpoint --without-checkpoint", 1 | 16384 | 32768),
    ],
)
def test_the_list_asks_for_what_the_options_say(
    virtup: Virtup, fake: FakeDaemon, words: str, flags: int
) -> None:
    assert virtup("list", *words.split()).status == 0
    assert fake.asked("CONNECT_LIST_ALL_DOMAINS") == [{"need_results": 1, "flags": flags}]


def test_the_list_in_other_forms(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("list", "--name", "--all").out == "web\nMail\ndb\n\n"
    assert virtup("list", "--id", "--all").out == "1\n4\n\n"
    assert virtup("list", "--id", "--inactive").out == "\n"
    assert virtup("list", "--id", "--name", "--inactive").out == "- db\n\n"
    assert virtup("list", "--uuid", "--name").out.splitlines()[0].endswith(" web")
    assert virtup("list", "--table", "--uuid").err == (
        "error: Options --table and --uuid are mutually exclusive\n"
    )
    assert virtup("list", "--all", "--managed-save").out.splitlines()[4].split() == [
        "-", "db", "saved",
    ]  # fmt: skip
    items = json.loads(virtup("--json", "list", "--all").out)
    assert items[2] == {
        "id": None,
        "name": "db",
        "uuid": format_uuid(UUIDS["db"]),
        "state": "shut off",
    }
    assert fake.asked("DOMAIN_GET_STATE") != []


def test_titles(virtup: Virtup, fake: FakeDaemon) -> None:
    def title(args: dict[str, Any]) -> dict[str, Any]:
        assert (args["type"], args["uri"]) == (1, None)
        if args["dom"]["name"] == "web":
            return {"metadata": "The shop"}
        raise VirtError("none", code=Code.NO_DOMAIN_METADATA)

    fake.handlers["DOMAIN_GET_METADATA"] = title
    lines = virtup("list", "--title").out.splitlines()
    assert lines[2:4] == [" 1    web    running   The shop", " 4    Mail   paused    "]
    assert json.loads(virtup("--json", "list", "--title").out)[0]["title"] == "The shop"

    def refuse(_: object) -> None:
        raise VirtError("no access", code=Code.ACCESS_DENIED)

    fake.handlers["DOMAIN_GET_METADATA"] = refuse
    assert virtup("list", "--title").err == "error: no access\n"


def test_a_guest_that_goes_while_it_is_listed_keeps_its_line(
    virtup: Virtup, fake: FakeDaemon
) -> None:
    def gone(_: object) -> None:
        raise VirtError("gone", code=Code.NO_DOMAIN)

    fake.handlers["DOMAIN_GET_STATE"] = gone
    assert [line.split()[2] for line in virtup("-q", "list", "--all").out.splitlines()] == [
        "running", "running", "shut",
    ]  # fmt: skip


def test_what_a_guest_is(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("dominfo", "web").out == (
        "Id:             1\n"
        "Name:           web\n"
        "UUID:           00010203-0405-0607-0809-0a0b0c0d0e0f\n"
        "OS Type:        hvm\n"
        "State:          running\n"
        "CPU(s):         2\n"
        "CPU time:       12.3s\n"
        "Max memory:     2048 KiB\n"
        "Used memory:    1024 KiB\n"
        "Persistent:     yes\n"
        "Autostart:      disable\n"
        "Managed save:   no\n"
        "\n"
    )
    fake.handlers["NODE_GET_SECURITY_MODEL"] = lambda _: {"model": "dac", "doi": "0"}
    fake.handlers["DOMAIN_GET_SECURITY_LABEL"] = lambda _: {"label": "+1:+1", "enforcing": 1}
    fake.handlers["DOMAIN_GET_MESSAGES"] = lambda _: {"msgs": ["tainted: a", "deprecated: b"]}
    assert virtup("dominfo", "web").out.splitlines()[12:17] == [
        "Security model: dac",
        "Security DOI:   0",
        "Security label: +1:+1 (enforcing)",
        "Messages:       tainted: a",
        "                deprecated: b",
    ]
    off = virtup("dominfo", "db").out.splitlines()
    assert off[0] == "Id:             -"
    assert not any(line.startswith(("CPU time", "Security label")) for line in off)
    facts = json.loads(virtup("--json", "dominfo", "db").out)
    assert (facts["id"], facts["managed_save"], facts["max_memory_kib"]) == (None, True, 2048)


def test_what_a_daemon_does_not_know_of_a_guest_is_left_out(
    virtup: Virtup, fake: FakeDaemon
) -> None:
    for name in (
        "NODE_GET_SECURITY_MODEL", "DOMAIN_GET_MESSAGES", "DOMAIN_GET_AUTOSTART",
        "DOMAIN_HAS_MANAGED_SAVE_IMAGE", "DOMAIN_GET_OS_TYPE", "DOMAIN_IS_PERSISTENT",
    ):  # fmt: skip
        del fake.handlers[name]
    lines = virtup("dominfo", "web").out.splitlines()
    assert "Persistent:     unknown" in lines
    assert "Managed save:   unknown" in lines
    assert not any(line.startswith(("Autostart", "OS Type", "Security")) for line in lines)
    del fake.handlers["DOMAIN_GET_INFO"]
    assert virtup("dominfo", "web").status == 1


def test_disks_and_interfaces(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("domblklist", "web", "--details").out == (
        " Type     Device   Target   Source\n"
        "------------------------------------\n"
        " file     disk     vda      /d.raw\n"
        " file     cdrom    sda      -\n"
        " volume   disk     vdb      v.img\n"
        "\n"
    )
    assert virtup("-q", "domblklist", "web").out == " vda   /d.raw\n sda   -\n vdb   v.img\n"
    assert virtup("domiflist", "web", "--inactive").out.splitlines()[2:4] == [
        " vnet0       bridge   br0      virtio   52:54:00:00:00:01",
        " -           user     -        -        52:54:00:00:00:02",
    ]
    assert fake.asked("DOMAIN_GET_XML_DESC")[-1]["flags"] == 2
    assert json.loads(virtup("--json", "domblklist", "web").out)[1] == {
        "type": "file",
        "device": "cdrom",
        "target": "sda",
        "source": None,
    }
    fake.xml = "<domain/>"
    assert virtup("domblklist", "web").out == " Target   Source\n------------------\n\n"


def test_the_terminal_and_the_display(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("ttyconsole", "web").out == "/dev/pts/7\n\n"
    assert virtup("vncdisplay", "web").out == "127.0.0.1:3\n\n"
    assert virtup("vncdisplay", "db") == (1, "\n", "error: Domain is not running\n")
    fake.xml = XML.replace(" listen='127.0.0.1'", " listen='0.0.0.0'")
    assert virtup("vncdisplay", "web").out == ":3\n\n"
    fake.xml = XML.replace(" listen='127.0.0.1'/>", "><listen address='::1'/></graphics>")
    assert virtup("vncdisplay", "web").out == "::1:3\n\n"
    fake.xml = "<domain/>"
    assert virtup("ttyconsole", "web") == (1, "\n", "")
    assert virtup("--json", "ttyconsole", "web") == (1, '{\n  "tty": null\n}\n', "")
    assert virtup("vncdisplay", "web").err == (
        "error: Failed to get VNC port. Is this domain using VNC?\n"
    )


def test_the_definition(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("dumpxml", "web").out == f"{XML}\n"
    words = ("--inactive", "--security-info", "--update-cpu", "--migratable")
    virtup("dumpxml", "web", *words)
    assert fake.asked("DOMAIN_GET_XML_DESC")[-1]["flags"] == 15
    assert virtup("dumpxml", "web", "--xpath", "//graphics/@port").out == ' port="5903"\n\n'
    assert virtup("dumpxml", "web", "--xpath", "/domain/name").out == "<name>web</name>\n\n"
    assert virtup("dumpxml", "web", "--xpath", "//none").out == "\n"
    assert virtup("dumpxml", "web", "--xpath", "//name", "--wrap").out == (
        "<nodes>\n  <name>web</name>\n</nodes>\n\n"
    )
    assert virtup("dumpxml", "web", "--xpath", "count(//name)").status == 1
    assert "Incorrect xpath '//['" in virtup("dumpxml", "web", "--xpath", "//[").err
    assert json.loads(virtup("--json", "dumpxml", "web").out) == {"xml": XML}


def test_the_host(virtup: Virtup) -> None:
    assert virtup("hostname").out == "h\n\n"
    assert virtup("uri").out == "qemu:///system\n\n"
    assert virtup("-c", "qemu:///system?socket=/s", "uri").out == "qemu:///system?socket=/s\n\n"
    assert virtup("nodeinfo").out.splitlines() == [
        "CPU model:           x86_64",
        "CPU(s):              2",
        "CPU frequency:       2596 MHz",
        "CPU socket(s):       1",
        "Core(s) per socket:  2",
        "Thread(s) per core:  1",
        "NUMA cell(s):        1",
        "Memory size:         4096 KiB",
        "",
    ]
    assert virtup("version", "--daemon").out.splitlines()[2:5] == [
        "Using API: QEMU 9.0.0",
        "Running hypervisor: QEMU 7.2.22",
        "Running against daemon: 9.0.0",
    ]
    assert json.loads(virtup("--json", "nodeinfo").out)["memory_kib"] == 4096
    assert json.loads(virtup("--json", "version").out)["qemu"] == "7.2.22"


def test_capabilities(virtup: Virtup, fake: FakeDaemon) -> None:
    fake.handlers["CONNECT_GET_CAPABILITIES"] = lambda _: {"capabilities": "<c/>\n"}
    fake.handlers["CONNECT_GET_DOMAIN_CAPABILITIES"] = lambda _: {"capabilities": "<d/>\n"}
    assert virtup("capabilities").out == "<c/>\n\n\n"
    assert virtup("domcapabilities", "kvm", "--machine", "q35").out == "<d/>\n\n\n"
    assert fake.asked("CONNECT_GET_DOMAIN_CAPABILITIES") == [
        {"emulatorbin": None, "arch": None, "machine": "q35", "virttype": "kvm", "flags": 0}
    ]


def test_files_are_sent_whole_and_refused_by_name(
    virtup: Virtup, fake: FakeDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "vm.xml"
    file.write_text("<domain>é</domain>")
    assert virtup("define", str(file)).out == f"Domain 'db' defined from {file}\n\n"
    assert fake.asked("DOMAIN_DEFINE_XML") == [{"xml": "<domain>é</domain>"}]
    fake.handlers["DOMAIN_DEFINE_XML_FLAGS"] = fake.handlers["DOMAIN_DEFINE_XML"]
    virtup("define", str(file), "--validate")
    assert fake.asked("DOMAIN_DEFINE_XML_FLAGS")[0]["flags"] == 1
    assert virtup("create", str(file), "--paused").out == f"Domain 'web' created from {file}\n\n"
    assert fake.asked("DOMAIN_CREATE_XML") == [{"xml_desc": "<domain>é</domain>", "flags": 1}]
    assert virtup("create", "/nope").err == (
        "error: Failed to open file '/nope': No such file or directory\n"
    )
    assert virtup("define", "/tmp").err == "error: Failed to read file '/tmp': Is a directory\n"
    file.write_bytes(b"<a>\0</a>")
    assert "holds a zero byte" in virtup("define", str(file)).err
    file.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    assert "larger than 10485760 bytes" in virtup("define", str(file)).err


def test_a_file_in_no_encoding_goes_as_it_is(
    virtup: Virtup, fake: FakeDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "vm.xml"
    file.write_bytes(b"<domain>\xff</domain>")
    assert virtup("create", str(file)).status == 0
    assert fake.asked("DOMAIN_CREATE_XML")[0]["xml_desc"] == "<domain>\udcff</domain>"


def test_starts_that_are_refused_before_they_are_tried(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("start", "web").err == "error: Domain is already active\n"
    assert "--pass-fds 3 is not supported" in virtup("start", "db", "--pass-fds", "3").err
    assert fake.asked("DOMAIN_CREATE") == []


def test_a_forced_boot_that_fails_tells_the_reason_alone(virtup: Virtup, fake: FakeDaemon) -> None:
    def refuse(_: object) -> None:
        raise VirtError("no")

    fake.handlers["DOMAIN_CREATE_WITH_FLAGS"] = refuse
    fake.saved.clear()
    assert virtup("start", "db", "--force-boot").err == "error: no\n"


def test_undefining_with_storage(virtup: Virtup, fake: FakeDaemon) -> None:
    vol = {"pool": "p", "name": "d", "key": "/d.raw"}

    def find(args: dict[str, Any]) -> dict[str, Any]:
        if args["path"] == "/d.raw":
            return {"vol": vol}
        raise VirtError("none", code=Code.NO_STORAGE_VOL)

    fake.handlers["STORAGE_VOL_LOOKUP_BY_PATH"] = find
    fake.handlers["STORAGE_VOL_DELETE"] = lambda _: None
    fake.handlers["STORAGE_VOL_WIPE"] = lambda _: None
    said = virtup("undefine", "db", "--remove-all-storage", "--wipe-storage")
    assert said.out == "Domain 'db' has been undefined\nVolume 'vda'(/d.raw) removed.\n\n"
    assert said.err == (
        "error: Storage volume 'vdb'(v.img) is not managed by libvirt. Remove it manually.\n\n"
    )
    assert fake.asked("STORAGE_VOL_WIPE") == [{"vol": vol, "flags": 0}]
    pool = {"name": "p", "uuid": bytes(16)}
    fake.handlers["STORAGE_POOL_LOOKUP_BY_NAME"] = lambda _: {"pool": pool}
    fake.handlers["STORAGE_VOL_LOOKUP_BY_NAME"] = lambda _: {"vol": vol}
    said = virtup("undefine", "db", "--storage", "vdb")
    assert "Volume 'vdb'(v.img) removed." in said.out
    assert fake.asked("STORAGE_VOL_LOOKUP_BY_NAME") == [{"pool": pool, "name": "v.img"}]
    words = ("--storage", "/d.raw", "--remove-all-storage", "--delete-storage-volume-snapshots")
    virtup("undefine", "db", *words)
    assert fake.asked("STORAGE_VOL_DELETE")[-1] == {"vol": vol, "flags": 2}

    def refuse(_: object) -> None:
        raise VirtError("in use")

    fake.handlers["STORAGE_VOL_DELETE"] = refuse
    said = virtup("undefine", "db", "--storage", "vda")
    assert (said.status, said.err) == (
        1,
        "error: Failed to remove storage volume 'vda'(/d.raw)\nerror: in use\n",
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("web --storage vda", "Storage volume deletion is supported only on stopped domains"),
        ("db --storage vdz", "Volume 'vdz' was not found in domain's definition.\n"),
        ("db --nvram --keep-nvram", "Options --nvram and --keep-nvram are mutually exclusive"),
        ("db --tpm --keep-tpm", "Options --tpm and --keep-tpm are mutually exclusive"),
        ("db --wipe-storage", "'--wipe-storage' requires '--storage <string>' or"),
        ("db --delete-storage-volume-snapshots", "Option --remove-all-storage is required by"),
    ],
)
def test_undefining_that_is_refused(
    virtup: Virtup, fake: FakeDaemon, words: str, says: str
) -> None:
    said = virtup("undefine", *words.split())
    assert said.status == 1
    assert said.err.startswith(f"error: {says}")
    assert fake.asked("DOMAIN_UNDEFINE_FLAGS") == []


def test_the_native_command_line(virtup: Virtup, fake: FakeDaemon, tmp_path: Path) -> None:
    fake.handlers["CONNECT_DOMAIN_XML_TO_NATIVE"] = lambda _: {"nativeConfig": "qemu -S\n"}
    file = tmp_path / "vm.xml"
    file.write_text("<domain/>")
    assert virtup("domxml-to-native", "qemu-argv", str(file)).out == "qemu -S\n\n"
    assert virtup("domxml-to-native", "qemu-argv", "--domain", "web").out == "qemu -S\n\n"
    sent = fake.asked("CONNECT_DOMAIN_XML_TO_NATIVE")
    assert [args["domainXml"] for args in sent] == ["<domain/>", XML]
    said = virtup("--json", "domxml-to-native", "qemu-argv", "--domain", "web")
    assert json.loads(said.out) == {"config": "qemu -S"}
    assert "need either domain or domain XML" in virtup("domxml-to-native", "qemu-argv").err
    both = virtup("domxml-to-native", "qemu-argv", "--domain", "web", "--xml", "x")
    assert both.err == "error: Options --domain and --xml are mutually exclusive\n"


def test_the_daemon_that_is_named_is_asked_for_before_all_else(
    virtup: Virtup, opened: list[MemoryConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert virtup("-c", "qemu:///session", "list").status == 0
    assert [(c.target and c.target.given, c.closed) for c in opened] == [("qemu:///session", True)]

    def refuse(*_: object, **__: object) -> None:
        raise VirtError("nobody there")

    monkeypatch.setattr("virtup.client.connection.connect", refuse)
    complaint = "error: failed to connect to the hypervisor\nerror: nobody there\n"
    assert virtup("-c", "x", "list", "--table", "--name") == (1, "", complaint)
    assert virtup("list") == (1, "\n", complaint)
    assert virtup("explain", "--list").status == 0


def test_a_readonly_connection_says_so(virtup: Virtup, fake: FakeDaemon) -> None:
    virtup("-r", "list")
    assert fake.asked("CONNECT_OPEN") == [{"name": "qemu:///system", "flags": 1}]


def test_a_daemon_that_dies_is_told(virtup: Virtup, fake: FakeDaemon) -> None:
    def die(_: object) -> None:
        fake.gone = True
        raise VirtError("never sent")

    fake.handlers["DOMAIN_SUSPEND"] = die
    receive = fake.receive

    def cut(data: bytes) -> None:
        receive(data)
        if fake.gone:
            fake.pending.clear()

    fake.receive = cut  # type: ignore[method-assign]
    said = virtup("suspend", "web")
    assert said.status == 1
    assert said.err.splitlines()[1] == ("error: End of file while reading data: Input/output error")


def test_the_file_is_named_where_a_place_in_it_is_told_and_the_lines_still_fit(
    virtup: Virtup, fake: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "(<xml>, line 18)"
    evidence = f"XML error: target 'vda' duplicated for disk sources {place}"

    def refuse(_: object) -> None:
        text = f"{evidence}\ncause:    Two disks have it.\nevidence: {evidence}\nfix:      rename"
        raise VirtError(text, findings=({"code": "VU272", "evidence": [evidence]},))

    fake.handlers["DOMAIN_DEFINE_XML"] = refuse
    monkeypatch.chdir(tmp_path)
    Path("definition-of-web.xml").write_text("<domain/>")
    _, *said = virtup("define", "definition-of-web.xml").err.splitlines()
    assert said == [
        f"error: {evidence.replace('<xml>', 'definition-of-web.xml')}",
        "cause:    Two disks have it.",
        "evidence: XML error: target 'vda' duplicated for disk sources",
        "          (definition-of-web.xml, line 18)",
        "fix:      rename",
    ]
    data = json.loads(virtup("--json", "define", "definition-of-web.xml").err)["error"]["cause"]
    assert data["findings"][0]["evidence"][0].endswith("(definition-of-web.xml, line 18)")

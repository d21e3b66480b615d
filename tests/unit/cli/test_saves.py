"""The verbs of saved state: what each asks of the daemon, and what it prints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import XML, FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.client.guests import format_uuid
from virtup.errors import OperationInvalid, RpcError
from virtup.wire.typed import Typed, to_params

IMAGE_XML = "<domain>\n  <name>web</name>\n</domain>\n"


@pytest.fixture(autouse=True)
def calls(fake: FakeDaemon) -> None:
    """The calls of saved state, each of which goes well."""
    for name in ("SAVE", "SAVE_FLAGS", "RESTORE", "RESTORE_FLAGS", "MANAGED_SAVE", "ABORT_JOB"):
        fake.handlers[f"DOMAIN_{name}"] = lambda _: None
    for name in ("MANAGED_SAVE_REMOVE", "ABORT_JOB_FLAGS"):
        fake.handlers[f"DOMAIN_{name}"] = lambda _: None
    for name in ("SAVE_IMAGE_DEFINE_XML", "MANAGED_SAVE_DEFINE_XML"):
        fake.handlers[f"DOMAIN_{name}"] = lambda _: None
    for name in ("SAVE_IMAGE_GET_XML_DESC", "MANAGED_SAVE_GET_XML_DESC"):
        fake.handlers[f"DOMAIN_{name}"] = lambda _: {"xml": IMAGE_XML}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the current one, with ``new.xml`` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.xml").write_text(XML)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "call", "args", "out"),
    [
        ("save web w.img", "SAVE", {"to": "{}/w.img"}, "\nDomain 'web' saved to w.img"),
        ("save web /w.img", "SAVE", {"to": "/w.img"}, "\nDomain 'web' saved to /w.img"),
        (
            "save web w.img --bypass-cache --paused --xml new.xml",
            "SAVE_FLAGS",
            {"to": "{}/w.img", "dxml": XML, "flags": 5},
            "\nDomain 'web' saved to w.img",
        ),
        (
            "save --running web --file w.img",
            "SAVE_FLAGS",
            {"to": "{}/w.img", "dxml": None, "flags": 2},
            "\nDomain 'web' saved to w.img",
        ),
        ("restore w.img", "RESTORE", {"from": "{}/w.img"}, "Domain restored from w.img"),
        (
            "restore w.img --bypass-cache --running --reset-nvram",
            "RESTORE_FLAGS",
            {"from": "{}/w.img", "dxml": None, "flags": 11},
            "Domain restored from w.img",
        ),
        (
            "restore /w.img --xml new.xml",
            "RESTORE_FLAGS",
            {"from": "/w.img", "dxml": XML, "flags": 0},
            "Domain restored from /w.img",
        ),
        (
            "managedsave web --bypass-cache --paused",
            "MANAGED_SAVE",
            {"flags": 5},
            "\nDomain 'web' state saved by libvirt",
        ),
        ("managedsave 1", "MANAGED_SAVE", {"flags": 0}, "\nDomain 'web' state saved by libvirt"),
        (
            "save-image-define w.img new.xml --paused",
            "SAVE_IMAGE_DEFINE_XML",
            {"file": "{}/w.img", "dxml": XML, "flags": 4},
            "State file w.img updated.",
        ),
        (
            "managedsave-define web new.xml --running",
            "MANAGED_SAVE_DEFINE_XML",
            {"dxml": XML, "flags": 2},
            "Managed save state file of domain 'web' updated.",
        ),
        ("domjobabort web", "ABORT_JOB", {}, ""),
        ("domjobabort web --postcopy", "ABORT_JOB_FLAGS", {"flags": 1}, ""),
    ],
)
def test_an_act_is_asked_for_and_told(
    virtup: Virtup,
    fake: FakeDaemon,
    folder: Path,
    words: str,
    call: str,
    args: dict[str, Any],
    out: str,
) -> None:
    wanted = {
        name: value.replace("{}", str(folder)) if isinstance(value, str) else value
        for name, value in args.items()
    }
    if not words.startswith(("restore", "save-image")):
        wanted["dom"] = fake.handle("web")
    assert virtup(*words.split()) == (0, out + "\n\n" if out else "\n", "")
    assert fake.asked(f"DOMAIN_{call}") == [wanted]
    assert virtup("--quiet", *words.split()) == (0, "", "")
    said = virtup("--json", *words.split())
    if out:
        assert json.loads(said.out)["message"] == out.strip()


@pytest.mark.parametrize(
    ("words", "call", "complaint"),
    [
        ("save web w.img", "SAVE", "Failed to save domain 'web' to w.img"),
        ("save web w.img --paused", "SAVE_FLAGS", "Failed to save domain 'web' to w.img"),
        ("restore w.img", "RESTORE", "Failed to restore domain from w.img"),
        ("managedsave web", "MANAGED_SAVE", "Failed to save domain 'web' state"),
        (
            "managedsave-remove db -q",
            "MANAGED_SAVE_REMOVE",
            "Failed to remove managed save image for domain 'db'",
        ),
        ("save-image-define w.img new.xml", "SAVE_IMAGE_DEFINE_XML", "Failed to update w.img"),
        (
            "managedsave-define web new.xml",
            "MANAGED_SAVE_DEFINE_XML",
            "Failed to update web XML configuration",
        ),
        ("save-image-dumpxml w.img", "SAVE_IMAGE_GET_XML_DESC", None),
        ("managedsave-dumpxml web", "MANAGED_SAVE_GET_XML_DESC", None),
        ("save-image-edit w.img", "SAVE_IMAGE_GET_XML_DESC", None),
        ("managedsave-edit web", "MANAGED_SAVE_GET_XML_DESC", None),
        ("domjobabort web", "ABORT_JOB", None),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_act_that_fails_is_told(
    virtup: Virtup, fake: FakeDaemon, words: str, call: str, complaint: str | None
) -> None:
    def refuse(_: object) -> None:
        raise OperationInvalid("not today")

    fake.handlers[f"DOMAIN_{call}"] = refuse
    head = f"error: {complaint}\n" if complaint is not None else ""
    *verb, last = words.split()
    given = ["-q", *verb] if last == "-q" else [*verb, last]
    said = virtup(*given)
    assert (said.status, said.out.strip()) == (1, "")
    assert said.err == f"{head}error: Requested operation is not valid: not today\n"


@pytest.mark.parametrize("verb", ["save web w.img --xml", "restore w.img --xml"])
@pytest.mark.usefixtures("folder")
def test_a_definition_that_is_not_there_is_said_before_anything_is_done(
    virtup: Virtup, fake: FakeDaemon, verb: str
) -> None:
    said = virtup(*verb.split(), "/nonexistent")
    assert said == (
        1,
        "\n",
        "error: Failed to open file '/nonexistent': No such file or directory\n",
    )
    assert not [name for name, _ in fake.calls if "SAVE" in name or "RESTORE" in name]


@pytest.mark.parametrize("words", ["managedsave-define web new.xml", "managedsave-edit web"])
@pytest.mark.usefixtures("folder")
def test_running_and_paused_exclude_each_other(
    virtup: Virtup, fake: FakeDaemon, words: str
) -> None:
    said = virtup(*words.split(), "--running", "--paused")
    assert said.err == "error: Options --running and --paused are mutually exclusive\n"
    assert fake.asked("DOMAIN_MANAGED_SAVE_DEFINE_XML") == []


def test_the_definition_in_an_image_is_printed(
    virtup: Virtup, fake: FakeDaemon, folder: Path
) -> None:
    assert virtup("save-image-dumpxml", "w.img") == (0, IMAGE_XML + "\n", "")
    assert virtup("save-image-dumpxml", "w.img", "--xpath", "//name").out == (
        "<name>web</name>\n\n"
    )
    said = virtup("save-image-dumpxml", "w.img", "--security-info", "--json")
    assert json.loads(said.out) == {"xml": IMAGE_XML}
    path = f"{folder}/w.img"
    assert fake.asked("DOMAIN_SAVE_IMAGE_GET_XML_DESC") == [
        {"file": path, "flags": n} for n in (0, 0, 1)
    ]
    assert virtup("managedsave-dumpxml", "db", "--security-info").out == IMAGE_XML + "\n"
    assert fake.asked("DOMAIN_MANAGED_SAVE_GET_XML_DESC") == [
        {"dom": fake.handle("db"), "flags": 1}
    ]


LOSS = (
    "warning: the saved state of domain 'db' is given up: what ran in it and was not on its disks "
    "is lost, as after a power cut\n"
)


def test_a_managed_save_is_removed_and_what_is_lost_is_said_before(
    virtup: Virtup, fake: FakeDaemon
) -> None:
    assert virtup("managedsave-remove", "db") == (
        0,
        "Removed managedsave image for domain 'db'\n",
        LOSS,
    )
    assert virtup("--quiet", "managedsave-remove", "db") == (0, "", "")
    said = virtup("--json", "managedsave-remove", "db")
    assert (json.loads(said.out)["removed"], said.err) == (True, "")
    assert len(fake.asked("DOMAIN_MANAGED_SAVE_REMOVE")) == 3
    fake.saved.clear()
    assert virtup("managedsave-remove", "db") == (
        0,
        "Domain 'db' has no manage save image; removal skipped\n",
        "",
    )
    assert json.loads(virtup("--json", "managedsave-remove", "db").out)["removed"] is False
    assert len(fake.asked("DOMAIN_MANAGED_SAVE_REMOVE")) == 3


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("start db --force-boot", "DOMAIN_CREATE_WITH_FLAGS"),
        ("undefine db --managed-save", "DOMAIN_UNDEFINE_FLAGS"),
    ],
)
def test_what_else_drops_a_saved_state_says_so_before(
    virtup: Virtup, fake: FakeDaemon, words: str, call: str
) -> None:
    said = virtup(*words.split())
    assert (said.status, said.err) == (0, LOSS)
    names = [name for name, _ in fake.calls]
    assert names.index("DOMAIN_HAS_MANAGED_SAVE_IMAGE") < names.index(call)
    fake.saved.clear()
    assert virtup(*words.split()).err == ""


def test_undefining_a_saved_guest_is_refused_in_one_line(virtup: Virtup, fake: FakeDaemon) -> None:
    def refuse(_: object) -> None:
        raise OperationInvalid("Refusing to undefine while domain managed save image exists")

    fake.handlers["DOMAIN_UNDEFINE_FLAGS"] = refuse
    assert virtup("undefine", "db") == (
        1,
        "\n",
        "error: Refusing to undefine while domain managed save image exists\n",
    )


def test_what_a_start_has_to_tell_is_told(virtup: Virtup, fake: FakeDaemon) -> None:
    asked: list[dict[str, Any]] = []

    def why(args: dict[str, Any]) -> dict[str, Any]:
        asked.append(json.loads(args["request"]))
        attempt = {"verdict": "running", "notes": ["the saved state was incomplete"]}
        return {"reply": json.dumps({"guest": "db", "attempt": attempt})}

    fake.handlers["WHY"] = why
    said = virtup("start", "db")
    assert said == (0, "Domain 'db' started\n\n", "warning: the saved state was incomplete\n")
    assert asked == [{"domain": format_uuid(fake.handle("db")["uuid"])}]
    assert virtup("--quiet", "start", "db").err == "warning: the saved state was incomplete\n"
    said = virtup("--json", "start", "db")
    assert json.loads(said.out)["notes"] == ["the saved state was incomplete"]
    assert said.err == ""


@pytest.mark.parametrize("attempt", [None, {"verdict": "running"}])
def test_a_start_with_nothing_to_tell(virtup: Virtup, fake: FakeDaemon, attempt: Any) -> None:
    fake.handlers["WHY"] = lambda _: {"reply": json.dumps({"attempt": attempt})}
    assert virtup("start", "db") == (0, "Domain 'db' started\n\n", "")
    assert "notes" not in json.loads(virtup("--json", "start", "db").out)


# -- how far a save is -----------------------------------------------------------------------------


class Slow:
    """Has a call answered only after the daemon was asked *rounds* times for something else."""

    def __init__(self, fake: FakeDaemon, name: str, rounds: int, beside: str) -> None:
        self.left = rounds
        self.held: Any = None
        answer = fake._answer

        def wait_or_answer(event: Any) -> None:
            if event.procedure.name == name and self.left > 0:
                self.held = event
                return
            answer(event)
            if event.procedure.name == beside and self.held is not None:
                self.left -= 1
                if self.left == 0:
                    answer(self.held)

        fake._answer = wait_or_answer  # type: ignore[method-assign]


def job(kind: int, left: int, total: int) -> dict[str, int]:
    """What DOMAIN_GET_JOB_INFO says."""
    parts = ("timeElapsed", "timeRemaining", "dataProcessed", "memTotal", "memProcessed")
    rest = ("memRemaining", "fileTotal", "fileProcessed", "fileRemaining")
    found = dict.fromkeys((*parts, *rest), 0)
    return {**found, "type": kind, "dataRemaining": left, "dataTotal": total}


@pytest.mark.parametrize(
    ("words", "call", "label"),
    [
        ("save web w.img --verbose", "DOMAIN_SAVE", "Save"),
        ("managedsave web --verbose", "DOMAIN_MANAGED_SAVE", "Managedsave"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_progress(virtup: Virtup, fake: FakeDaemon, words: str, call: str, label: str) -> None:
    seen = iter(
        [
            job(0, 0, 0),
            job(2, 0, 0),
            job(2, 400, 400),
            job(1, 350, 400),
            job(2, 1, 4_000_000),
            job(3, 0, 400),
        ]
    )
    fake.handlers["DOMAIN_GET_JOB_INFO"] = lambda _: next(seen)
    Slow(fake, call, 6, "DOMAIN_GET_JOB_INFO")
    said = virtup(*words.split())
    assert said.status == 0
    assert said.err == "".join(f"\r{label}: [{n:3} %]" for n in (0, 12, 99, 100))
    assert next(seen, None) is None


def test_without_verbose_nobody_is_asked_how_far(virtup: Virtup, fake: FakeDaemon) -> None:
    assert virtup("managedsave", "web").err == ""
    assert fake.asked("DOMAIN_GET_JOB_INFO") == []


def test_a_save_that_fails_begins_a_line_for_its_error(virtup: Virtup, fake: FakeDaemon) -> None:
    def refuse(_: object) -> None:
        raise OperationInvalid("full")

    fake.handlers["DOMAIN_MANAGED_SAVE"] = refuse
    fake.handlers["DOMAIN_GET_JOB_INFO"] = lambda _: job(2, 50, 100)
    Slow(fake, "DOMAIN_MANAGED_SAVE", 1, "DOMAIN_GET_JOB_INFO")
    said = virtup("managedsave", "web", "--verbose")
    assert said.status == 1
    assert said.err.startswith("\rManagedsave: [ 50 %]\nerror: Failed to save domain 'web' state\n")


def test_a_guest_that_is_gone_has_no_progress(virtup: Virtup, fake: FakeDaemon) -> None:
    def refuse(_: object) -> None:
        raise OperationInvalid("domain is not running")

    fake.handlers["DOMAIN_GET_JOB_INFO"] = refuse
    Slow(fake, "DOMAIN_MANAGED_SAVE", 2, "DOMAIN_GET_JOB_INFO")
    said = virtup("managedsave", "web", "--verbose")
    assert (said.status, said.err) == (0, "\rManagedsave: [100 %]")


def test_ctrl_c_aborts_the_job_and_waits_for_its_end(virtup: Virtup, fake: FakeDaemon) -> None:
    def interrupt(_: object) -> dict[str, int]:
        os.kill(os.getpid(), 2)
        return job(2, 100, 400)

    def aborted(_: object) -> None:
        raise OperationInvalid("aborted")

    fake.handlers["DOMAIN_GET_JOB_INFO"] = interrupt
    fake.handlers["DOMAIN_MANAGED_SAVE"] = aborted
    Slow(fake, "DOMAIN_MANAGED_SAVE", 1, "DOMAIN_ABORT_JOB")
    said = virtup("managedsave", "web", "--verbose")
    assert said.status == 1
    assert said.err.endswith("error: Requested operation is not valid: aborted\n")
    assert fake.asked("DOMAIN_ABORT_JOB") == [{"dom": fake.handle("web")}]


def test_a_second_ctrl_c_leaves_the_job_to_itself(virtup: Virtup, fake: FakeDaemon) -> None:
    def interrupt(_: object) -> dict[str, int]:
        os.kill(os.getpid(), 2)
        return job(2, 100, 400)

    def late(_: object) -> None:
        os.kill(os.getpid(), 2)

    fake.handlers["DOMAIN_GET_JOB_INFO"] = interrupt
    fake.handlers["DOMAIN_ABORT_JOB"] = late
    Slow(fake, "DOMAIN_MANAGED_SAVE", 1, "nothing")
    assert virtup("managedsave", "web", "--verbose").status == 1
    assert len(fake.asked("DOMAIN_ABORT_JOB")) == 1


# -- jobs ------------------------------------------------------------------------------------------

STATS = {
    "operation": 2,
    "time_elapsed": (Typed.ULLONG, 1159),
    "downtime": (Typed.ULLONG, 300),
    "setup_time": (Typed.ULLONG, 1),
    "data_total": (Typed.ULLONG, 948510720),
    "data_processed": (Typed.ULLONG, 52333312),
    "data_remaining": (Typed.ULLONG, 0),
    "memory_total": (Typed.ULLONG, 948510720),
    "memory_processed": (Typed.ULLONG, 1023),
    "memory_remaining": (Typed.ULLONG, 1024),
    "memory_bps": (Typed.ULLONG, 419657390),
    "memory_constant": (Typed.ULLONG, 3545),
    "memory_normal": (Typed.ULLONG, 12744),
    "memory_normal_bytes": (Typed.ULLONG, 1 << 50),
    "memory_dirty_rate": (Typed.ULLONG, 0),
    "memory_iteration": (Typed.ULLONG, 1),
    "memory_postcopy_requests": (Typed.ULLONG, 0),
    "memory_page_size": (Typed.ULLONG, 4096),
    "success": True,
}
SHOWN = """\
Job type:         {word}
Operation:        Save
Time elapsed:     1159         ms
Data processed:   49.909 MiB
Data remaining:   0.000 B
Data total:       904.570 MiB
Memory processed: 1023.000 B
Memory remaining: 1.000 KiB
Memory total:     904.570 MiB
Memory bandwidth: 400.216 MiB/s
Dirty rate:       0            pages/s
Page size:        4096         bytes
Iteration:        1
Postcopy requests: 0
Constant pages:   3545
Normal pages:     12744
Normal data:      1.000 PiB
{downtime:<17} 300          ms
Setup time:       1            ms
"""
"""Lines as virsh prints them, but for the spaces at their ends."""


@pytest.mark.parametrize(
    ("kind", "word", "downtime"),
    [
        (2, "Unbounded", "Expected downtime:"),
        (3, "Completed", "Total downtime:"),
        (1, "Bounded", "Expected downtime:"),
    ],
)
def test_the_statistics_of_a_job(
    virtup: Virtup, fake: FakeDaemon, kind: int, word: str, downtime: str
) -> None:
    params = to_params(STATS)
    fake.handlers["DOMAIN_GET_JOB_STATS"] = lambda _: {"type": kind, "params": params}
    lines = SHOWN.format(word=word, downtime=downtime).splitlines()
    if kind == 1:
        lines.insert(3, "Time remaining:   0            ms")
    shown = virtup("domjobinfo", "web").out.splitlines()
    assert [line.rstrip() for line in shown] == [*lines, ""]
    assert shown[1] == "Operation:        Save        "


def test_the_statistics_of_copies_and_compression(virtup: Virtup, fake: FakeDaemon) -> None:
    values = {
        **dict.fromkeys(("time_elapsed_net", "downtime_net", "disk_total", "disk_bps"), 2048),
        **dict.fromkeys(("compression_cache", "compression_bytes"), 2048),
        **dict.fromkeys(("compression_pages", "compression_cache_misses"), 2048),
        **dict.fromkeys(("compression_overflow", "auto_converge_throttle"), 2048),
        **dict.fromkeys(("disk_temp_used", "disk_temp_total"), 2048),
        "operation": 99,
        "errmsg": "no space",
    }
    params = to_params(values)
    fake.handlers["DOMAIN_GET_JOB_STATS"] = lambda _: {"type": 4, "params": params}
    assert virtup("domjobinfo", "web").out == "Job type:         Failed      \n\n"
    rows = [
        line.split(":", 1) for line in virtup("domjobinfo", "web", "--anystats").out.splitlines()
    ]
    assert [(row[0], row[1].strip()) for row in rows if len(row) == 2] == [
        ("Job type", "Failed"),
        ("Operation", "unknown"),
        ("Time elapsed", "0            ms"),
        ("Time elapsed w/o network", "2048         ms"),
        ("File processed", "0.000 B"),
        ("File remaining", "0.000 B"),
        ("File total", "2.000 KiB"),
        ("File bandwidth", "2.000 KiB/s"),
        ("Downtime w/o network", "2048         ms"),
        ("Compression cache", "2.000 KiB"),
        ("Compressed data", "2.000 KiB"),
        ("Compressed pages", "2048"),
        ("Compression cache misses", "2048"),
        ("Compression overflows", "2048"),
        ("Auto converge throttle", "2048"),
        ("Temporary disk space use", "2.000 KiB"),
        ("Temporary disk space total", "2.000 KiB"),
        ("Error message", "no space"),
    ]


def test_statistics_as_they_come(virtup: Virtup, fake: FakeDaemon) -> None:
    params = to_params({"operation": 2, "time_elapsed": 5, "success": True, "errmsg": "x"})
    fake.handlers["DOMAIN_GET_JOB_STATS"] = lambda _: {"type": 3, "params": params}
    said = virtup("domjobinfo", "web", "--rawstats")
    assert said.out == ("Job type: 3\n\noperation: 2\ntime_elapsed: 5\nsuccess: 1\nerrmsg: x\n\n")
    said = virtup("domjobinfo", "web", "--json")
    assert json.loads(said.out) == {
        "type": "Completed",
        "operation": 2,
        "time_elapsed": 5,
        "success": True,
        "errmsg": "x",
    }


@pytest.mark.parametrize("option", ["", "--anystats"])
def test_no_job(virtup: Virtup, fake: FakeDaemon, option: str) -> None:
    fake.handlers["DOMAIN_GET_JOB_STATS"] = lambda _: {"type": 0, "params": []}
    said = virtup("domjobinfo", "web", *option.split())
    assert said == (0, "Job type:         None        \n\n", "")


@pytest.mark.parametrize(
    ("options", "flags"),
    [("", 0), ("--completed", 1), ("--completed --keep-completed", 3)],
)
def test_which_job_is_asked_for(virtup: Virtup, fake: FakeDaemon, options: str, flags: int) -> None:
    fake.handlers["DOMAIN_GET_JOB_STATS"] = lambda _: {"type": 0, "params": []}
    virtup("domjobinfo", "web", *options.split())
    assert fake.asked("DOMAIN_GET_JOB_STATS") == [{"dom": fake.handle("web"), "flags": flags}]


# -- verify ----------------------------------------------------------------------------------------

CONTENTS = {
    "path": "/w.img",
    "size": 90657759,
    "format": "raw",
    "runs": True,
    "checked": True,
    "name": "web",
    "uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "saved": "2026-01-02T03:04:05.678Z",
    "qemu": "7.2.22",
    "machine": "pc-i440fx-7.2",
    "memory_bytes": 90585831,
    "disks": ["/a.img", "/b.img"],
    "restored": False,
}


def verdict(
    fake: FakeDaemon, word: str, damage: str = "", contents: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Have the daemon say that of the image."""
    found = {
        "path": "/w.img",
        "verdict": word,
        "damage": damage,
        "sentence": f"it is {damage}" if damage else "",
        "contents": CONTENTS if contents is None else contents,
    }
    fake.handlers["VERIFY_IMAGE"] = lambda _: {"reply": json.dumps(found)}
    return found


def test_a_whole_image_is_told(virtup: Virtup, fake: FakeDaemon) -> None:
    found = verdict(fake, "whole")
    said = virtup("save-verify", "/w.img")
    assert (said.status, said.err) == (0, "")
    assert said.out == (
        "Image:          /w.img\n"
        "Verdict:        whole\n"
        "Name:           web\n"
        "UUID:           00010203-0405-0607-0809-0a0b0c0d0e0f\n"
        "Saved:          2026-01-02 03:04:05 UTC\n"
        "After restore:  running\n"
        "Size:           86.5 MiB\n"
        "Format:         raw\n"
        "Memory:         86.4 MiB\n"
        "QEMU:           7.2.22\n"
        "Machine:        pc-i440fx-7.2\n"
        "Disk:           /a.img\n"
        "Disk:           /b.img\n"
        "Restored:       no\n\n"
    )
    assert json.loads(virtup("save-verify", "/w.img", "--json").out) == found


def test_an_image_of_libvirts_is_told_as_far_as_can_be(virtup: Virtup, fake: FakeDaemon) -> None:
    held = {"path": "/w.img", "size": 100, "format": "zstd", "runs": False, "checked": False}
    verdict(fake, "not checkable", contents=held)
    said = virtup("save-verify", "/w.img")
    assert (said.status, said.err) == (0, "")
    assert said.out == (
        "Image:          /w.img\n"
        "Verdict:        not checkable\n"
        "After restore:  paused\n"
        "Size:           100 bytes\n"
        "Format:         zstd\n"
        "Digests:        none: libvirt's own; only both ends of its memory are checked\n\n"
    )


def test_a_damaged_image_is_an_error(virtup: Virtup, fake: FakeDaemon) -> None:
    verdict(fake, "damaged", "zero-filled", contents={})
    assert virtup("save-verify", "/w.img") == (
        1,
        "Image:          /w.img\nVerdict:        damaged (zero-filled)\n\n",
        "error: it is zero-filled\n",
    )
    said = virtup("save-verify", "/w.img", "--json")
    assert (said.status, json.loads(said.out)["damage"], said.err) == (1, "zero-filled", "")


def test_an_image_that_does_not_fit_is_whole_and_says_what_to_do(
    virtup: Virtup, fake: FakeDaemon
) -> None:
    verdict(fake, "consumed", "restored before")
    said = virtup("save-verify", "/w.img")
    assert "Verdict:        consumed; the file is whole\n" in said.out
    assert (said.status, said.err) == (2, "error: it is restored before\n")
    verdict(fake, "disks changed", "disks changed since")
    said = virtup("save-verify", "/w.img")
    assert "Verdict:        disks changed; the file is whole\n" in said.out
    assert "'virtup save-verify /w.img --accept-disks'" in said.err
    assert said.status == 3
    verdict(fake, "cannot run here", "machine or CPU not available")
    said = virtup("save-verify", "/w.img")
    assert "Verdict:        cannot run here; the file is whole\n" in said.out
    assert said.status == 4


def test_an_image_that_cannot_be_read_is_not_checkable(virtup: Virtup, fake: FakeDaemon) -> None:
    verdict(fake, "not checkable", "unreadable", contents={})
    said = virtup("save-verify", "/w.img")
    assert "Verdict:        not checkable (unreadable)\n" in said.out
    assert (said.status, said.err) == (1, "error: it is unreadable\n")


def test_a_daemon_that_checks_no_images(virtup: Virtup, fake: FakeDaemon) -> None:
    def unknown(_: object) -> None:
        raise RpcError("Cannot find program")

    fake.handlers["VERIFY_IMAGE"] = unknown
    said = virtup("save-verify", "/w.img")
    assert said.status == 1
    assert "it is not virtupd" in said.err


def test_the_path_is_made_absolute(virtup: Virtup, fake: FakeDaemon, folder: Path) -> None:
    verdict(fake, "whole")
    virtup("save-verify", "w.img")
    (asked,) = fake.asked("VERIFY_IMAGE")
    assert json.loads(asked["request"]) == {"path": f"{folder}/w.img"}

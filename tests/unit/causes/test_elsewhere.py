"""Text of another host: the last start of a log, its command line, and no proof."""

import pytest

from virtup.causes import catalogue, elsewhere
from virtup.causes.finding import Certainty, Finding

FIRST = (
    "2026-01-01 10:00:00.000+0000: starting up libvirt version: 9.0.0, qemu version: 7.2\n"
    "LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=old,debug-threads=on\n"
    "qemu-system-x86_64: unable to find CPU model 'Old'\n"
    "2026-01-01 10:00:01.000+0000: shutting down, reason=failed\n"
)
LAST = (
    "2026-01-02 10:00:00.000+0000: starting up libvirt version: 9.0.0, qemu version: 7.2\n"
    "LC_ALL=C \\\nPATH=/usr/bin \\\n/usr/bin/qemu-system-x86_64 \\\n-name 'guest=new one' \\\n"
    "-kernel /srv/vmlinuz\n"
    "qemu: invalid kernel header\n"
)


def test_of_a_log_only_the_last_start_counts() -> None:
    assert elsewhere.last_start(FIRST + LAST) == LAST
    findings = catalogue.diagnose(elsewhere.evidence(log=FIRST + LAST))
    assert [one.slug for one in findings] == ["kernel-file-invalid"]


def test_words_that_are_no_log_are_taken_whole() -> None:
    assert elsewhere.last_start("qemu: one\nqemu: two\n") == "qemu: one\nqemu: two\n"


def test_the_command_line_of_a_log_is_read_without_its_environment() -> None:
    assert elsewhere.command_line(LAST) == (
        "/usr/bin/qemu-system-x86_64",
        "-name",
        "guest=new one",
        "-kernel",
        "/srv/vmlinuz",
    )


def test_what_is_no_whole_command_line_is_none() -> None:
    assert elsewhere.command_line("qemu: broken\n") == ()
    assert elsewhere.command_line("-name 'never closed \\\n-kernel /k\n") == ()
    assert elsewhere.command_line("one \\\ntwo\n") == ()


def test_the_guest_is_named_by_its_definition() -> None:
    assert elsewhere.evidence(xml="<domain><name> db </name></domain>").guest == "db"
    assert elsewhere.evidence(xml="<domain><name>db</name></domain>", guest="x").guest == "x"
    assert elsewhere.evidence("words").guest == ""


def test_nothing_is_proven_by_text() -> None:
    proven = Finding("VU001", "a", "It is.", "a", Certainty.PROVEN, ("line",))
    maybe = Finding("VU002", "b", "It may be.", "b", Certainty.POSSIBLE, ("line",))
    shown = elsewhere.doubted([proven, maybe])
    assert [one.certainty for one in shown] == [Certainty.LIKELY, Certainty.POSSIBLE]


def test_a_note_of_the_host_tells_a_denial_from_a_mode() -> None:
    ev = elsewhere.evidence(
        "internal error: process exited while connecting to monitor: qemu-system-x86_64: -drive "
        "file=/img/a,if=none,id=drive-virtio-disk0: Could not open '/img/a': Permission denied",
        notes='audit: apparmor="DENIED" operation="open" profile="libvirt-0a" name="/img/a" pid=7',
    )
    first = catalogue.diagnose(ev)[0]
    assert first.slug == "disk-apparmor-denied"
    assert first.certainty is Certainty.LIKELY


@pytest.mark.parametrize(
    ("around", "inside"),
    [
        ("&lt;b&gt; &quot;a&quot;", '<b> "a"'),
        ("<code>a</code>", "a"),
        ("> a\n>> b", "a\nb"),
        ("│ Error: a\n╵", "Error: a\n"),
        ("`a: b`", "a: b"),
        ("```\na\n```", "\na\n"),
        ("\x1b[31merror:\x1b[0m a", "error: a"),
        ("Mar  7 10:11:12 box libvirtd[812]: a", "a"),
        ("virError(Code=42, Domain=10, Message='no 'vm1'') x", "no 'vm1' x"),
        ("('at LibvirtError(Code=9, Domain=31, Message=''doesn''t'')')", "('at doesn't')"),
        ('{"level":"error","msg":"a \\"b\\"","pos":"c:1","reason":"d"}', 'a "b": d'),
        ('time="T" level=error msg="a: b" name=qemu', "a: b"),
        ("table `nat' is old", "table `nat' is old"),
        ("a <name>b</name>", "a <name>b</name>"),
    ],
)
def test_what_stands_around_a_message_is_taken_off(around: str, inside: str) -> None:
    assert elsewhere.plain(around) == inside


def test_broken_lines_are_joined_where_nothing_is_known_without() -> None:
    ev = elsewhere.evidence(
        "Could not open\n'/usr/share/OVMF/OVMF_CODE.fd': No such file or\ndirectory"
    )
    assert catalogue.diagnose(ev)[0].slug == "unknown"
    (one,) = elsewhere.judged(ev)
    assert (one.slug, one.certainty) == ("fw-loader-missing", Certainty.LIKELY)


def test_what_is_unknown_stays_unknown_with_its_lines() -> None:
    (one,) = elsewhere.judged(elsewhere.evidence("error: first\nerror: second"))
    assert one.slug == "unknown"
    assert one.evidence == ("error: first", "error: second")


END = "2026-01-03 10:00:00.000+0000: shutting down, reason="


@pytest.mark.parametrize(
    ("reason", "good"),
    [("failed", False), ("crashed", False), ("destroyed", True), ("saved", True)],
)
def test_the_end_of_a_start_tells_whether_it_went_well(reason: str, good: bool) -> None:
    end = elsewhere.ending(f"{LAST}{END}{reason}\n")
    assert end is not None
    assert (end.reason, end.is_good) == (reason, good)


def test_a_start_without_a_qemu_is_a_start_of_its_own() -> None:
    log = f"{FIRST}{END}failed\n"
    end = elsewhere.ending(log)
    assert end is not None
    assert end.before == "2026-01-01 10:00:01.000+0000"
    assert "unable to find CPU model" not in elsewhere.last_start(log)


def test_a_start_that_has_not_ended_has_no_ending() -> None:
    assert elsewhere.ending(FIRST + LAST) is None
    assert elsewhere.ending("") is None


OWN = (
    "2026-01-03 09:00:00.000+0000: 7: error : virOld:1 : an old error\n"
    "2026-01-03 09:59:58.000+0000: 7: warning : virOther:1 : a warning\n"
    "2026-01-03 09:59:59.000+0000: 7: error : virNew:1 : what was wrong\n"
    "with more of it\n"
    "2026-01-03 09:59:59.050+0000: 7: error : virNew:2 : and what came of it\n"
)
JOURNAL = (
    "2026-01-03T10:00:01.000000+0100 box libvirtd[7]: an old error\n"
    "2026-01-03T11:00:01.000000+01:00 box libvirtd[7]: what was wrong\n"
)


def test_of_a_daemon_s_errors_those_of_the_last_failure_count() -> None:
    assert elsewhere.complaints(OWN) == "what was wrong\nwith more of it\nand what came of it"
    assert elsewhere.complaints(OWN, "2026-01-03 10:00:00.000+0000") == ""
    assert elsewhere.complaints(JOURNAL) == "what was wrong"
    assert elsewhere.complaints(JOURNAL, "2026-01-03 09:00:00.000+0000") == "what was wrong"
    assert elsewhere.complaints("no stamp\n") == ""


def test_lines_are_broken_when_no_next_word_would_have_fitted() -> None:
    long = "could not open the file that the definition names and that nobody has seen here"
    assert elsewhere.is_broken(f"{long}\nuntil now")
    assert not elsewhere.is_broken(f"{long}\nqemu-kvm: until now"), "a message of its own"
    assert not elsewhere.is_broken(f"{long}\n\nuntil now"), "a paragraph of its own"
    assert not elsewhere.is_broken("short\nlines"), "nobody's window"
    assert not elsewhere.is_broken(""), "no lines"


def test_a_surer_answer_on_the_joined_lines_counts() -> None:
    ev = elsewhere.evidence(
        "ERROR nova.virt.guest qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission\n"
        "denied"
    )
    assert elsewhere.judged(ev)[0].slug == "kvm-device-permission"


@pytest.mark.parametrize(
    ("words", "certainty"),
    [
        ("rmmod: ERROR: Module nvidia is in use by: nvidia_drm", Certainty.POSSIBLE),
        (
            "failed to create network podman: unable to create bridge cni7: file exists",
            Certainty.POSSIBLE,
        ),
        ("virsh net-start a\nunable to create bridge podman1: file exists", Certainty.LIKELY),
        ("error creating bridge interface br7: File exists", Certainty.LIKELY),
    ],
)
def test_what_another_program_says_is_possible_at_most(words: str, certainty: Certainty) -> None:
    assert elsewhere.judged(elsewhere.evidence(words))[0].certainty is certainty


LOCKED = "x: Could not open '/v/a.qcow2': No such file or directory"


@pytest.mark.parametrize(
    "form",
    [
        LOCKED.replace(" ", "\xa0"),
        f"\ufeff{LOCKED}\0",
        LOCKED.replace(": ", ": \u200b"),
        LOCKED.replace("'", "&#x27;"),
        LOCKED.replace("'", "&amp;#39;"),
        LOCKED.replace("'", "&quot;").replace("&quot;", "&#39;"),
        LOCKED.replace("'", "\\'"),
        LOCKED.replace("'/", "‘/").replace("2'", "2’"),
        f"\x1b[1;31m\x1b[K{LOCKED}\x1b[m\x1b[K",
    ],
)
def test_what_nobody_sees_and_how_quotes_are_drawn_is_nothing(form: str) -> None:
    assert elsewhere.plain(form) == LOCKED


def test_a_shells_own_quote_stays() -> None:
    assert elsewhere.plain("-name 'it'\\''s'") == "-name 'it'\\''s'"


def test_notes_are_read_as_plainly_as_words() -> None:
    seen = elsewhere.evidence(notes="kvm: disabled by bios &lt;see dmesg&gt;\r\n")
    assert seen.notes == "kvm: disabled by bios <see dmesg>\n"

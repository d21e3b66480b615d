"""QEMU's and libvirt's words: unwrapped, without noise, quoted as they were said."""

import errno
import re

import pytest

from virtup.causes.config import xml_malformed
from virtup.causes.words import LINE_MAX, QUOTE_MAX, TEXT_MAX, errno_of, is_noise, said
from virtup.model.evidence import Evidence


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-23T11:26:25.449825Z ",
        "2019-06-16 04:50:50.126+0000: ",
        "2019-06-16 04:50:50.126+0000 ",
        "[2020-01-01 00:00:00] ",
    ],
)
def test_time_stamps_go(stamp: str) -> None:
    assert said(Evidence(stderr=f"{stamp}qemu: no\n")).lines == ("qemu: no",)


@pytest.mark.parametrize(
    "line",
    [
        "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni",
        "char device redirected to /dev/pts/0 (label c)",
        "qemu-kvm: -realtime mlock=off: warning: '-realtime mlock=...' is deprecated",
        "2019 Domain id=1 is tainted: host-cpu",
        "Domain id=11 name='master-0' uuid=0 is tainted: high-privileges",
        "Failed to create /var/lib/libvirt/.cache for shader cache (Permission denied)---disabling.",
        "qemu-system-x86_64: terminating on signal 15 from pid 4 (libvirtd)",
        "audio: Device hda: audiodev default parameter is deprecated, please specify audiodev=a",
        "2024-01-01 00:00:00.000+0000: shutting down, reason=failed",
    ],
)
def test_noise_goes(line: str) -> None:
    assert is_noise(line)
    assert said(Evidence(stderr=f"{line}\nqemu: the cause\n")).lines == ("qemu: the cause",)


def test_the_echoed_command_line_goes() -> None:
    log = "/usr/bin/qemu-system-x86_64 \\\n-kernel '/boot/vmlinuz' \\\n-S\nqemu: no\n"
    assert said(Evidence(stderr=log)).lines == ("-S", "qemu: no")


def test_the_managers_repetition_of_qemu_goes() -> None:
    line = "qemu: could not open kernel file '/k': Permission denied"
    ev = Evidence(stderr=line + "\n", error=f"internal error: qemu closed the monitor: {line}")
    assert said(ev).lines == (line,)


def test_escaped_newlines_are_newlines() -> None:
    ev = Evidence(error=r"virError(Message='a: one\nb: two')")
    assert said(ev).lines == ("virError(Message='a: one", "b: two')")


def test_a_quote_keeps_the_words_and_drops_the_blob() -> None:
    line = 'qemu: -blockdev {"driver":"file","filename":"/a"}: Could not open \'/a\': No such file'
    seen = said(Evidence(stderr=line)).find(re.compile("Could not open"))
    assert seen is not None
    assert seen.quote == "qemu: -blockdev {…}: Could not open '/a': No such file"
    assert seen.line == line
    assert seen.before.endswith("}: ")


def test_a_quote_has_a_limit_and_holds_the_match() -> None:
    line = f"qemu-system-x86_64: -drive {'x' * 600}: Could not open it: {'y' * 600}"
    seen = said(Evidence(stderr=line)).find(re.compile("Could not open"))
    assert seen is not None
    assert "Could not open it" in seen.quote
    assert len(seen.quote) <= QUOTE_MAX + 40


def test_a_match_over_two_lines_is_quoted_whole() -> None:
    seen = said(Evidence(stderr="could not load '/k':\n   Permission denied\n")).find(
        re.compile(r"'/k':\s+Permission")
    )
    assert seen is not None
    assert seen.quote == "could not load '/k':    Permission denied"


def test_of_too_much_text_both_ends_are_kept() -> None:
    flood = "first words\n" + "flood of words\n" * TEXT_MAX + "last words\n"
    text = said(Evidence(stderr=flood)).text
    assert text.startswith("first words")
    assert text.endswith("last words")
    assert len(text) <= TEXT_MAX + 1
    long = said(Evidence(stderr="a" * LINE_MAX + "middle" + "z" * LINE_MAX)).text
    assert len(long) <= LINE_MAX + 3
    assert long.startswith("aaa")
    assert long.endswith("zzz")


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("No such file or directory", errno.ENOENT),
        ("Datei oder Verzeichnis nicht gefunden", errno.ENOENT),
        ("No existe el archivo o el directorio", errno.ENOENT),
        ("Aucun fichier ou dossier de ce type", errno.ENOENT),
        ("没有那个文件或目录", errno.ENOENT),
        ("Permission denied", errno.EACCES),
        ("Permission non accordée", errno.EACCES),
        ("Отказано в доступе", errno.EACCES),
        ("Device or resource busy", errno.EBUSY),
        ("Address already in use", errno.EADDRINUSE),
        ("Too many levels of symbolic links", errno.ELOOP),
        ("something else", None),
        ("", None),
    ],
)
def test_error_texts_are_known_in_several_languages(words: str, number: int | None) -> None:
    assert errno_of(words) == number


@pytest.mark.parametrize(
    ("definition", "fix"),
    [
        ("root:x:0:0", "give the file with the guest's definition"),
        ("x<domain/>", "remove what stands before the first '<', at line 1"),
        ("<domain>\n<name>x</domain>", "correct line 2, column 17: close the element"),
    ],
)
def test_what_is_no_definition_at_all_is_not_to_be_closed(definition: str, fix: str) -> None:
    (found,) = xml_malformed.find(Evidence(phase="parse", definition=definition))
    assert found.fixes[0].text.startswith(fix)

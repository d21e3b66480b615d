"""libvirt's own x86_64 cases: what a definition becomes, and the command line that it gives.

Every case is equal to the letter (descriptors apart), or is refused by name. A command line that
differs is never accepted: the same XML has to give the same virtual hardware.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from tests.figures import Tell
from virtup.errors import ConfigUnsupported, VirtError, XmlInvalid, XmlRefused
from virtup.model.domain import format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.model.domain.guest import Domain
from virtup.qemu.argv import build
from virtup.qemu.capabilities import Capabilities, Machine, parse_replies
from virtup.qemu.devices.interface import vhost_wanted
from virtup.qemu.runtime import Runtime

BESIDE = Path(__file__).parents[3] / "shared" / "conformance"
CASES = Path(os.environ.get("VIRTUP_CONFORMANCE", BESIDE)) / "domain-xml"
RECORDED = CASES / "_capabilities" / "10.0.0_x86_64.replies"

needs_cases = pytest.mark.skipif(
    not RECORDED.exists(), reason=f"the conformance cases are not here ({CASES})"
)

OTHER_SETTINGS = {
    "graphics-vnc-sasl": "made with vnc_sasl switched on in the daemon's settings",
    "graphics-vnc-tls": "made with vnc_tls switched on in the daemon's settings",
    "graphics-vnc-tls-secret": "made with vnc_tls switched on in the daemon's settings",
    "serial-tcp-tlsx509-secret-chardev": "made with chardev_tls switched on in the settings",
    "numatune-static-nodeset-exceed-hostnode": "made on a host without the node: ours looks at a start",
}
"""Cases that rest on the daemon's settings or on the host, not on the definition alone."""

DIFFERS = {
    "disk-device-removable": "libvirt's XML loses 'removable' of a SCSI disk, and ours keeps it",
    **dict.fromkeys(
        (
            "firmware-manual-efi",
            "firmware-manual-efi-no-enrolled-keys",
            "firmware-manual-efi-no-secboot",
            "firmware-manual-efi-no-secboot-legacy-paths",
            "firmware-manual-efi-nvram-template",
            "firmware-manual-efi-secboot",
        ),
        "libvirt 10 notes what the firmware's descriptor says; ours looks at it at the start",
    ),
}
"""Cases in which virtup differs on purpose; their command line is equal all the same."""

EQUAL_AT_LEAST = 245
"""Never fewer than were reached before: raise it with every case that is won."""


class AsNamed:
    """QEMU 10.0.0 without machine aliases, as the cases were made."""

    def __init__(self, caps: Capabilities) -> None:
        self._caps = caps

    def has(self, name: str) -> bool:
        return self._caps.has(name)

    def machine(self, name: str) -> Machine | None:
        found = self._caps.machine(name)
        return replace(found, name=name) if found is not None else None


@cache
def capabilities() -> AsNamed:
    return AsNamed(parse_replies(RECORDED.read_text()))


@dataclass(frozen=True)
class Verdict:
    kind: str
    detail: str = ""


def names() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/in.xml"))


def made(case: str) -> Domain:
    return complete(
        parse_domain((CASES / case / "in.xml").read_text(), source=f"{case}/in.xml"),
        capabilities(),
        uuid="c7a5fdbd-edaf-9455-926a-d65c16db1809",
        mac=lambda: "52:54:00:00:00:01",
        emulator="/usr/bin/qemu-system-x86_64",
        genid="00010203-0405-4607-8809-0a0b0c0d0e0f",
        usb_ports=False,
        nvram_dir="/var/lib/libvirt/qemu/nvram",
    )


def runtime(dom: Domain) -> Runtime:
    """The values with which the cases were made."""
    base = f"/var/lib/libvirt/qemu/domain--1-{dom.name[:20]}"
    devices = dom.devices
    ends = [
        *devices.serial,
        *devices.parallel,
        *devices.channel,
        *devices.console,
        *devices.smartcard,
    ]
    passed = [
        one
        for one in ends
        if one.type == "file"
        or (one.type == "unix" and not (one.source and one.source[0].mode == "connect"))
    ]
    return Runtime(
        lib_dir=base,
        monitor_fd=1729,
        master_key_path=f"{base}/master-key.aes",
        path="/bin",
        tap_fds={str(one.alias): 3 for one in devices.interface},
        vhost_fds={str(one.alias): 44 for one in devices.interface if vhost_wanted(one)},
        char_fds={str(one.alias): 1729 for one in passed},
        user_runtime_dir="/run/user/1000",
        memory_dir=f"/dev/hugepages2M/libvirt/qemu/-1-{dom.name[:20]}",
        host_cdroms=frozenset({"/dev/cdrom"}),
    )


def plain(words: list[str]) -> list[str]:
    """*words* with every descriptor's number as N."""
    numbered = [re.sub(r"\bfd=\d+", "fd=N", word) for word in words]
    return [re.sub(r'"(fd|vhostfd)":"\d+"', r'"\1":"N"', word) for word in numbered]


def collapsed(text: str) -> list[str]:
    """The lines of *text*, an element without content in one form."""
    return re.sub(r"<(\w+)([^<>]*)>\s*</\1>", r"<\1\2/>", text).splitlines()


def difference(want: list[str], have: list[str]) -> str:
    return "\n".join(
        list(difflib.unified_diff(want, have, "libvirt", "virtup", "", "", 0, ""))[:12]
    )


@cache
def judge(case: str) -> Verdict:
    """What virtup makes of *case*: equal, refused or wrong."""
    folder = CASES / case
    try:
        dom = made(case)
        text = format_domain(dom)
        line = build(with_aliases(dom), capabilities(), runtime(with_aliases(dom)))
    except (ConfigUnsupported, XmlRefused, XmlInvalid) as refusal:
        if f"{case}/in.xml" not in refusal.message:
            return Verdict("wrong", f"refused without naming the file: {refusal}")
        return Verdict("refused", refusal.message)
    except VirtError as error:
        return Verdict("wrong", f"refused as {type(error).__name__}: {error}")
    if (folder / "error.txt").exists():
        return Verdict("wrong", "accepted, and libvirt says: " + (folder / "error.txt").read_text())
    want = json.loads((folder / "argv.json").read_text())
    environment = [one for one in want["env"] if not one.startswith(("USER=", "LOGNAME="))]
    have = plain([*(f"{name}={value}" for name, value in line.env), *line.argv])
    argv = difference(plain([*environment, *want["argv"]]), have)
    text_wanted = collapsed((folder / "out.xml").read_text())
    out = "" if case in DIFFERS else difference(text_wanted, collapsed(text))
    if argv or out:
        return Verdict("wrong", f"{argv}\n{out}")
    return Verdict("equal")


def parameters() -> Iterator[object]:
    for case in names() if RECORDED.exists() else []:
        if case in OTHER_SETTINGS:
            continue
        yield pytest.param(case, id=case)


@needs_cases
@pytest.mark.parametrize("case", list(parameters()))
def test_case_is_equal_or_refused_by_name(case: str) -> None:
    verdict = judge(case)

    assert verdict.kind != "wrong", verdict.detail


@needs_cases
def test_counts(tell: Tell) -> None:
    cases = [case for case in names() if case not in OTHER_SETTINGS]
    wanted = [case for case in cases if (CASES / case / "argv.json").exists()]
    counts = Counter(judge(case).kind for case in wanted)
    rightly = Counter(judge(case).kind for case in cases if case not in wanted)

    tell(
        f"domain-xml: {counts['equal']} equal, {counts['refused']} refused, "
        f"{counts['wrong']} wrong of {len(wanted)}; {rightly['refused']} of "
        f"{sum(rightly.values())} that libvirt refuses are refused"
    )
    assert counts["wrong"] + rightly["wrong"] == 0
    assert counts["equal"] >= EQUAL_AT_LEAST


@needs_cases
def test_what_was_completed_stays_as_it_is() -> None:
    for case in names():
        if judge(case).kind != "equal":
            continue
        once = format_domain(made(case))
        again = complete(
            parse_domain(once),
            capabilities(),
            uuid=None,
            mac=lambda: "",
            emulator="/none",
            usb_ports=False,
        )
        assert format_domain(again) == once, case


@needs_cases
def test_parse_and_format_are_each_others_reverse() -> None:
    for case in names():
        if judge(case).kind != "equal":
            continue
        parsed = parse_domain((CASES / case / "in.xml").read_text())
        text = format_domain(parsed, secure=True, id=1)
        assert parse_domain(text) == replace(parsed, id=1), case


@needs_cases
def test_exceptions_are_still_needed() -> None:
    for case in (*OTHER_SETTINGS, *DIFFERS):
        assert (CASES / case / "in.xml").exists(), case

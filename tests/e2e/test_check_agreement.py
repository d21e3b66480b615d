"""No false alarm: what ``check`` says of a definition is what a real start then does.

Over all of examples/ and libvirt's own definitions, each in two ways: on a host that has nothing of
what they name, and on one where the disks, directories and sockets are made that can be.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from tests.figures import Tell
from tests.private import PrivateHost
from virtup.client.connection import Connection, connect
from virtup.errors import VirtError

pytestmark = pytest.mark.e2e

AT_LEAST = 50
"""So many definitions have to be compared that virtup does not refuse."""

EVERY = 3
"""Every third of libvirt's definitions is taken."""

DISK_BYTES = 1 << 20
PATHS = re.compile(r"\b(file|dev|path|dir)=(['\"])(/[^'\"]+)\2")
KEPT = ("/dev/net/", "/dev/null", "/dev/urandom", "/dev/random", "/dev/hwrng", "/usr/")
"""Paths that a host has or has not by itself."""


@dataclass
class Host:
    """A private host with a virtupd, and a connection to it from without."""

    private: PrivateHost
    conn: Connection
    listeners: list[socket.socket] = field(default_factory=list)

    @property
    def place(self) -> Path:
        """A folder that is the same within and without."""
        return self.private.place / "f"

    def check(self, xml: str) -> dict[str, Any]:
        """What is said before the start."""
        verdict: dict[str, Any] = self.conn.call_virtup("CHECK", {"xml": xml})
        return verdict

    def start(self, xml: str) -> VirtError | None:
        """Start it and end it again; the error where it does not start."""
        try:
            guest = self.conn.call("DOMAIN_CREATE_XML", xml_desc=xml, flags=0)["dom"]
        except VirtError as error:
            return error
        self.conn.call("DOMAIN_DESTROY", dom=guest)
        return None


@pytest.fixture
def host() -> Iterator[Host]:
    if not lab.IS_ROOT:
        pytest.skip("a host of its own needs root")
    private = PrivateHost()
    try:
        private.start_virtupd()
        socket_path = private.outside("/run/libvirt/libvirt-sock")
        with connect(f"qemu+unix:///system?socket={socket_path}", autostart=False) as conn:
            made = Host(private, conn)
            made.place.mkdir()
            try:
                yield made
            finally:
                for one in made.listeners:
                    one.close()
    finally:
        private.close()


def moved(xml: str, place: Path) -> str:
    """The same definition with its files below *place*, and files for its block devices."""

    def move(found: re.Match[str]) -> str:
        key, quote, path = found.groups()
        if path.startswith(KEPT):
            return found[0]
        return f"{'file' if key == 'dev' else key}={quote}{place}{path}{quote}"

    text = xml.replace("<disk type='block'", "<disk type='file'")
    return re.sub(
        r"<(source|backingStore|nvram|loader)\b[^<>]*>", lambda tag: PATHS.sub(move, tag[0]), text
    )


def furnish(host: Host, xml: str) -> None:
    """Make what the definition names: images, directories, and who listens on its sockets."""
    for tag in re.findall(r"<source[^<>]*>", xml):
        for key, _, path in PATHS.findall(tag):
            wanted = Path(path)
            if not wanted.is_relative_to(host.place) or wanted.exists():
                continue
            wanted.parent.mkdir(parents=True, exist_ok=True)
            if key == "dir":
                wanted.mkdir()
            elif "mode='connect'" in tag or 'mode="connect"' in tag:
                end = socket.socket(socket.AF_UNIX)
                if len(path) < 108:
                    end.bind(path)
                    end.listen()
                    wanted.chmod(0o666)
                    host.listeners.append(end)
            elif "mode=" not in tag:
                make_image(host, wanted, format_of(xml, path))


def format_of(xml: str, path: str) -> str:
    """The image format that the definition gives the file at *path*."""
    before = xml[: xml.index(path)]
    start = max(before.rfind("<disk "), before.rfind("<backingStore"))
    found = re.findall(r"<(?:driver[^<>]*\btype|format type)=['\"](\w+)['\"]", before[start:])
    return found[-1] if found else "raw"


def make_image(host: Host, path: Path, form: str) -> None:
    """Make a small image of the format *form*, where qemu-img knows it."""
    if form in {"qcow2", "qed", "vmdk", "vdi", "vpc", "vhdx"}:
        host.private.run("qemu-img", "create", "-q", "-f", form, path, str(DISK_BYTES))
    else:
        path.write_bytes(bytes(DISK_BYTES))


CLAIMED = {
    *("VU001", "VU002", "VU003", "VU004", "VU005", "VU006", "VU007", "VU008", "VU009", "VU010"),
    *("VU011", "VU013", "VU014", "VU015", "VU030", "VU031", "VU032", "VU033", "VU034", "VU035"),
    *("VU036", "VU038", "VU060", "VU061", "VU062", "VU063", "VU064", "VU065", "VU070", "VU072"),
    *("VU080", "VU081", "VU082", "VU083", "VU084", "VU085", "VU087", "VU090", "VU091", "VU100"),
    *("VU101", "VU102", "VU104", "VU105", "VU106", "VU111", "VU112", "VU258", "VU383"),
}
"""The causes that a check foresees whenever a start would meet them alone."""


def codes(findings: Any) -> set[str]:
    """The codes of findings, as data."""
    return {one["code"] for one in findings}


def judge(host: Host, name: str, xml: str, counts: Counter[str]) -> str:
    """Check, start, compare; "" when they agree, else what the two said."""
    verdict = host.check(xml)
    error = host.start(xml)
    said = (
        "would start" if verdict["ok"] else "refused" if verdict["sentence"] else "would not start"
    )
    counts[f"{said:>15}, and it {'does not' if error else 'does'}"] += 1
    if error is None:
        why = verdict["sentence"] or [one["sentence"] for one in verdict["findings"]]
        return "" if verdict["ok"] else f"{name}: false alarm: {why}"
    missed = codes(error.findings) & CLAIMED - codes(verdict["findings"])
    if verdict["ok"] and missed:
        return f"{name}: not foreseen: {sorted(missed)}: {error.message}"
    return ""


def report(way: str, counts: Counter[str], tell: Tell) -> None:
    """Tell the counts of one way."""
    tell(f"check and start, {way}: {sum(counts.values())} definitions")
    for words, count in sorted(counts.items()):
        tell(f"{count:6} {words}")


def test_the_examples(host: Host, tell: Tell) -> None:
    counts: Counter[str] = Counter()
    found = []
    for path in sorted((lab.PROJECT / "examples").glob("*.xml")):
        xml = path.read_text()
        found.append(judge(host, f"{path.name}, nothing made", xml, counts))
        host.private.guest()
        xml = xml.replace("/var/lib/virtup/demo", str(host.private.guest()))
        found.append(judge(host, f"{path.name}, after 'make guest'", xml, counts))
    report("examples", counts, tell)
    assert not list(filter(None, found))
    assert counts["    would start, and it does"], "an example starts where its guest was made"
    assert counts["would not start, and it does not"], "and not where nothing was"


@pytest.mark.parametrize("furnished", [False, True], ids=["nothing made", "furnished"])
def test_what_libvirt_has_tested(
    host: Host, conformance: Path, tell: Tell, *, furnished: bool
) -> None:
    counts: Counter[str] = Counter()
    found = []
    for path in sorted((conformance / "domain-xml").glob("*/in.xml"))[::EVERY]:
        xml = path.read_text()
        if furnished:
            xml = moved(xml, host.place)
            furnish(host, xml)
        found.append(judge(host, path.parent.name, xml, counts))
    report("with what they name" if furnished else "without what they name", counts, tell)
    assert not list(filter(None, found))
    judged = sum(count for words, count in counts.items() if "refused" not in words)
    assert judged >= AT_LEAST, "so many that are not refused were compared"

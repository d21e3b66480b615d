"""Definitions that cannot be, through stock virsh: one clear error each, and a daemon that lives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import lab, remains

pytestmark = pytest.mark.e2e

MEMORY_KIB = 300 * 1024
"""What a daemon may have taken at most, whatever it was given; it takes about 45 MiB by itself."""

GOOD = lab.domain_xml("g", Path("/srv"))


def named(name: str) -> str:
    return GOOD.replace("<name>g<", f"<name>{name}<")


def vcpu(text: str) -> str:
    return GOOD.replace("<vcpu>1<", f"<vcpu>{text}<")


def memory(text: str, unit: str = "MiB") -> str:
    return GOOD.replace("<memory unit='MiB'>128<", f"<memory unit='{unit}'>{text}<")


def with_devices(xml: str) -> str:
    return GOOD.replace("</devices>", f"{xml}</devices>")


def disks(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = (f"{letters[i // 676]}{letters[i // 26 % 26]}{letters[i % 26]}" for i in range(number))
    return "".join(
        f"<disk type='file'><source file='/d'/><target dev='vd{name}' bus='virtio'/></disk>"
        for name in names
    )


BAD = {
    "unclosed": (GOOD.replace("</os>", ""), "not well-formed XML: Opening and ending tag mismatch"),
    "empty": ("", "the document is empty|Document is empty"),
    "no XML": ("start my guest please", "not well-formed XML"),
    "another root": ("<network/>", "the root element is <network>, accepted is <domain>"),
    "deep": (f"<domain>{'<a>' * 30000}{'</a>' * 30000}</domain>", "nested deeper than 200"),
    "a bomb": (
        '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><domain><name>&b;</name></domain>',
        r"\(DOCTYPE, DTD\) is not accepted",
    ),
    "a thief": (
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/shadow">]><domain><name>&x;</name></domain>',
        r"\(DOCTYPE, DTD\) is not accepted",
    ),
    "an entity": (named("&b;"), "Entity 'b' not defined"),
    "many tags": (f"<domain>{'<a/>' * 900000}</domain>", "more than 100000 tags"),
    "many attributes": (
        "<domain {}/>".format(" ".join(f"a{number}='1'" for number in range(200000))),
        "<domain> has more than 256 attributes",
    ),
    "many serial ports": (with_devices("<serial type='pty'/>" * 50000), "accepted are up to 1024"),
    "many disks": (with_devices(disks(15000)), "accepted are up to 1024"),
    "an unknown element": (
        GOOD.replace("<os>", "<sos/><os>"),
        "<sos> in <domain> is not supported",
    ),
    "an unknown attribute": (GOOD.replace("<vcpu>", "<vcpu speed='9'>"), "attribute 'speed'"),
    "a long tag": (
        f"<domain><{'t' * 49000}/></domain>",
        r"<t{120}\.\.\.> in <domain> is not supported",
    ),
    "no name": (GOOD.replace("<name>g</name>", ""), "<domain> has no <name>"),
    "an empty name": (named("  "), "the name of a domain cannot be empty"),
    "a path": (named("../../etc/passwd"), "cannot contain '/'"),
    "a directory": (named(".."), "'..' is not accepted"),
    "a line": (named("a&#10;b"), "cannot contain control characters"),
    "a control": (named("a&#x85;b"), "cannot contain control characters"),
    "no character": (named("a&#1;b"), "invalid xmlChar value 1"),
    "a long name": (named("n" * 300), "is longer than 200 bytes"),
    "a huge name": (named("n" * 3000000), "is longer than 200 bytes"),
    "no CPU": (vcpu("0"), "<vcpu> is '0', accepted is a whole number"),
    "less than none": (vcpu("-1"), "<vcpu> is '-1'"),
    "CPUs without end": (vcpu("9" * 4000), "<vcpu> is '9+'"),
    "no memory": (memory("0"), "the guest has no memory"),
    "a word": (memory("much"), "<memory> is 'much'"),
    "more than there is": (memory("128", "EiB"), "accepted is a size below 16 EiB"),
    "no unit": (
        memory("128", "parsec"),
        "'128 parsec', accepted is a number with the unit bytes, KB",
    ),
    "no UUID": (GOOD.replace("<vcpu>", "<uuid>zz</uuid><vcpu>"), "<uuid> is 'zz'"),
    "no MAC": (
        with_devices("<interface type='user'><mac address='1:2'/></interface>"),
        "attribute 'address' of <mac> is '1:2'",
    ),
    "a far controller": (
        with_devices("<controller type='pci' index='999999999' model='pci-bridge'/>"),
        "attribute 'index' of <controller> is '999999999'",
    ),
}
"""Definitions, and what is said of each."""

NO_PLACE = {"many tags"}
"""What is wrong with all of it has no line."""


def test_each_bad_definition_gets_one_clear_error(daemon: lab.Daemon) -> None:
    xml = daemon.root / "bad.xml"
    for what, (text, said) in BAD.items():
        xml.write_text(text)
        for verb in ("define", "create") if len(text) < 100_000 else ("define",):
            done = daemon.virsh(verb, xml, check=False)
            first = done.stderr.splitlines()[1]
            assert done.returncode == 1, what
            assert re.match("error: ", first), f"{what}: {first}"
            assert re.search(said, first), f"{what}: {first[:500]}"
            assert len(done.stderr) < 12000, what
            assert what in NO_PLACE or re.search(r"<xml>, line \d+", first), first
            assert "Traceback" not in done.stderr
    assert daemon.virsh("list", "--all", "--name").stdout.split() == []
    assert peak_kib(daemon) < MEMORY_KIB
    assert "Traceback" not in daemon.log
    assert max(map(len, daemon.log.splitlines())) < 1000
    remains.none(daemon)


def test_a_definition_of_100_megabytes(daemon: lab.Daemon) -> None:
    xml = daemon.root / "huge.xml"
    with xml.open("w") as file:
        file.write(GOOD.partition("<os>")[0])
        file.writelines("<!-- nothing at all, and much of it -->\n" for _ in range(2_500_000))
    done = daemon.virsh("define", xml, check=False)
    assert done.returncode == 1
    assert "too large" in done.stderr
    xml.write_text(GOOD.replace("<os>", f"<!--{'x' * 4_300_000}--><os>"))
    done = daemon.virtup("define", xml, check=False)
    assert done.returncode == 1
    assert re.search("is above the limit of 4194304", done.stderr), done.stderr[:500]
    assert "Traceback" not in done.stderr
    assert peak_kib(daemon) < MEMORY_KIB
    assert daemon.virsh("list", "--all", "--name").stdout.split() == []


def test_a_long_definition_keeps_nobody_waiting(daemon: lab.Daemon, guest_dir: Path) -> None:
    xml, small = daemon.root / "long.xml", daemon.root / "g.xml"
    xml.write_text(with_devices(disks(900)).replace("<name>g<", "<name>long<"))
    small.write_text(lab.domain_xml("g", guest_dir))
    daemon.virsh("capabilities")
    with daemon.virsh.popen("define", xml) as defining:
        served = 0
        while defining.poll() is None:
            daemon.virsh("create", small, "--paused")
            daemon.virsh("destroy", "g")
            served += 1
        said = defining.communicate()[0]
    assert served > 0
    assert defining.returncode in (0, 1)
    assert said.startswith(("Domain 'long' defined", "error: "))
    assert daemon.virsh("list", "--name").stdout.split() == []


def peak_kib(daemon: lab.Daemon) -> int:
    """The most memory that the daemon ever had."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]

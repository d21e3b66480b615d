"""What images stand on, by headers that qemu-img wrote, and by broken ones."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from virtup.host import media
from virtup.host.chain import Below, below


@pytest.fixture
def make(tmp_path: Path):
    if shutil.which("qemu-img") is None:
        pytest.skip("no qemu-img here")

    def run(name: str, *words: str, format: str = "qcow2") -> str:
        command = ["qemu-img", "create", "-q", "-f", format, *words, str(tmp_path / name)]
        subprocess.run([*command, "1M"], check=True, cwd=tmp_path)
        return str(tmp_path / name)

    return run


def test_an_image_alone_stands_on_nothing(make):
    assert below(make("a.qcow2"), "qcow2") == ()
    assert below(make("a.raw", format="raw"), "raw") == ()


@pytest.mark.parametrize("top", ["qcow2", "qed"])
def test_a_chain_is_followed_to_its_end(make, tmp_path, top):
    base = make("base.raw", format="raw")
    middle = make("middle.qcow2", "-b", "base.raw", "-F", "raw")
    head = make("top", "-b", middle, "-F", "qcow2", format=top)
    assert below(head, top) == (Below(middle), Below(f"{tmp_path}/base.raw"))
    assert base == f"{tmp_path}/base.raw"


def test_a_raw_image_has_nothing_below_whatever_it_holds(make):
    make("base.raw", format="raw")
    head = make("top.qcow2", "-b", "base.raw", "-F", "raw")
    assert below(head, "raw") == ()
    assert below(make("over", "-b", head, "-F", "raw"), "qcow2") == (Below(head),)


def test_a_file_that_only_a_header_asks_for_is_not_named(make, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1 << 20))
    head = make("top.qcow2", "-b", "secret", "-F", "raw")
    data = bytearray(Path(head).read_bytes())
    at = data.index(b"\xe2\x79\x2a\xca")
    data[at : at + 4] = b"\x12\x34\x56\x78"  # the format is told no more
    Path(head).write_bytes(data)
    assert below(head, "qcow2") == ()


def test_the_format_of_an_image_that_has_one_is_found(make, tmp_path):
    middle = make("middle.qcow2")
    head = make("top.qcow2", "-b", middle, "-F", "qcow2")
    data = bytearray(Path(head).read_bytes())
    at = data.index(b"\xe2\x79\x2a\xca")
    data[at : at + 4] = b"\x12\x34\x56\x78"
    Path(head).write_bytes(data)
    assert below(head, "qcow2") == (Below(middle),)


def test_the_file_that_holds_an_images_data_is_named(make, tmp_path):
    head = make("a.qcow2", "-o", "data_file=a.data")
    assert below(head, "qcow2") == (Below(f"{tmp_path}/a.data", data=True),)


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"driver": "qcow2", "file": {"driver": "file", "filename": "/b"}}, (Below("/b"),)),
        ({"driver": "raw", "file.filename": "/b"}, (Below("/b"),)),
        ({"driver": "file", "filename": "/b"}, (Below("/b"),)),
        ({"driver": "qcow2", "file": {"driver": "nbd", "host": "x"}}, ()),
        ({"driver": 7, "file": 8}, ()),
        ([], ()),
    ],
)
def test_a_name_in_json_is_read(make, node, found):
    head = make("a.qcow2", "-u", "-b", f"json:{json.dumps(node)}", "-F", "raw")
    assert below(head, "qcow2") == found


def test_a_name_of_another_protocol_is_no_file(make):
    assert below(make("a.qcow2", "-u", "-b", "nbd:localhost:1", "-F", "raw"), "qcow2") == ()


def test_a_chain_that_bites_its_tail_ends(make):
    make("a.qcow2")
    subprocess_b = make("b.qcow2", "-u", "-b", "a.qcow2", "-F", "qcow2")
    head = make("a.qcow2", "-u", "-b", "b.qcow2", "-F", "qcow2")
    assert below(head, "qcow2") == (Below(subprocess_b),)


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", b"QED\0", b"QFI\xfb" + b"\xff" * 200])
def test_a_broken_header_names_nothing(tmp_path, content):
    path = tmp_path / "broken"
    path.write_bytes(content)
    for format in ("qcow2", "qed"):
        assert below(str(path), format) == ()
    assert below(str(tmp_path / "none"), "qcow2") == ()
    assert below(str(tmp_path), "qcow2") == ()


def test_what_is_present(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    assert media.present(str(tmp_path / "file"))
    for name in ("none", "dangling", "file/below", "."):
        assert not media.present(str(tmp_path / name))
    assert media.present("/dev/null")


def test_what_is_no_cdrom_drive(tmp_path):
    (tmp_path / "file").touch()
    for path in (str(tmp_path / "file"), "/dev/null", "/dev/none"):
        assert not media.is_cdrom_drive(path)

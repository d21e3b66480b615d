"""virtup as a Python library: a failed start is an error that carries its findings as data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import virtup
from tests import lab
from virtup.client import aio

pytestmark = pytest.mark.e2e


def test_an_error_carries_its_findings(daemon: lab.Daemon, guest_dir: Path) -> None:
    text = lab.domain_xml("g", guest_dir).replace("vmlinuz", "no-such-kernel")
    with virtup.connect(daemon.uri) as conn, pytest.raises(virtup.VirtError) as caught:
        conn.call("DOMAIN_CREATE_XML", xml_desc=text, flags=0)
    first = caught.value.findings[0]
    assert (first["code"], first["certainty"]) == ("VU001", "proven")
    assert first["subject"] == str(guest_dir / "no-such-kernel")
    assert "[VU001]" in caught.value.message


async def test_so_it_does_with_asyncio(daemon: lab.Daemon, guest_dir: Path) -> None:
    text = lab.domain_xml("g", guest_dir).replace("vmlinuz", "no-such-kernel")
    async with await aio.connect(daemon.uri) as conn:
        with pytest.raises(virtup.VirtError) as caught:
            await conn.call("DOMAIN_CREATE_XML", xml_desc=text, flags=0)
        assert [one["code"] for one in caught.value.findings] == ["VU001"]


def test_the_package_alone_imports_next_to_nothing() -> None:
    code = "import sys, virtup; print(sorted(one for one in sys.modules if 'virtup' in one))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['virtup']\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'virtup' has no attribute 'conect'"):
        virtup.conect  # noqa: B018

"""Lines of a definition as findings quote them: without the passwords."""

from __future__ import annotations

import pytest

from virtup.causes import definition
from virtup.causes.catalogue import diagnose
from virtup.model.evidence import Evidence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" <a passwd='hunter2' b='c'/>", "<a passwd='...' b='c'/>"),
        ('<a passwd="hunter2"/>', "<a passwd='...'/>"),
        ("<a passwd='hunter2 />", "<a passwd='...'"),
        ("<a passwd = hunter2/>", "<a passwd='...'/>"),
        ("<a password='hun", "<a password='...'"),
        ("<a passwdValidTo='2030-01-01T00:00:00'/>", "<a passwdValidTo='2030-01-01T00:00:00'/>"),
    ],
)
def test_a_password_is_left_out_of_a_line(text: str, shown: str) -> None:
    assert definition.line(f"<domain>\n{text}\n", 2) == shown
    assert definition.line(text, 2) == definition.line(text, 0) == ""


@pytest.mark.parametrize(
    ("device", "error"),
    [
        ("<graphics passwd='hunter2'/>", "VNC password is 16 characters long (<xml>, line 3)"),
        ("<graphics passwd='hunter2'>", "Opening and ending tag mismatch: graphics line 3"),
    ],
)
def test_no_finding_quotes_a_password(device: str, error: str) -> None:
    xml = f"<domain type='qemu'><name>x</name>\n<devices>\n{device}\n</devices></domain>"
    found = diagnose(
        Evidence(phase="parse", definition=xml, error=f"unsupported configuration: {error}")
    )
    assert any("passwd='...'" in piece for one in found for piece in one.evidence)
    assert "hunter2" not in repr([one.to_dict() for one in found])

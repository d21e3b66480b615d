"""What a saved state remembers of the guest's disks."""

import shutil
import subprocess

import pytest

from virtup.machine.save import saver
from virtup.model.domain import parse_domain

XML = """<domain type='qemu'><name>g</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
<memory>65536</memory><os><type>hvm</type></os><devices><disk type='file'><driver type='qcow2'/>
<source file='{path}'/><target dev='vda'/></disk></devices></domain>"""


def test_what_a_disk_stands_on_is_remembered_with_it(tmp_path):
    if shutil.which("qemu-img") is None:
        pytest.skip("no qemu-img here")
    base, mid, top = (tmp_path / name for name in ("base", "mid", "top"))
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    subprocess.run([*create, base, "1M"], check=True)
    subprocess.run([*create, "-F", "qcow2", "-b", "base", mid], check=True)
    subprocess.run([*create, "-F", "qcow2", "-b", "mid", top], check=True)
    domain = parse_domain(XML.format(path=top))
    before = saver._fingerprints(domain)
    assert set(before) == {str(base), str(mid), str(top)}
    base.write_bytes(base.read_bytes() + b"x")
    after = saver._fingerprints(domain)
    assert {path for path in before if before[path] != after[path]} == {str(base)}
    base.unlink()
    assert set(saver._fingerprints(domain)) == {str(mid), str(top)}

"""NUMA nodes of a guest, and memory that it can be given while it runs."""

from __future__ import annotations

import pytest

from tests.fakes.caps import AnyQemu
from virtup.errors import VirtError
from virtup.model.domain import format_domain, parse_domain
from virtup.model.domain.fill import complete
from virtup.model.domain.guest import Domain

XML = """<domain type='qemu'><name>g</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>{head}
<memory unit='MiB'>64</memory><vcpu>4</vcpu>{tune}<os><type machine='pc'>hvm</type></os>
<cpu><numa>{cells}</numa></cpu><devices/></domain>"""
CELL = "<cell id='{}' cpus='{}' memory='{}' unit='MiB'/>"


def made(*cells: tuple[object, str, int], head: str = "", tune: str = "") -> Domain:
    text = XML.format(head=head, tune=tune, cells="".join(CELL.format(*one) for one in cells))
    return complete(
        parse_domain(text), AnyQemu(), uuid=None, mac=lambda: "52:54:00:00:00:01", emulator="/q"
    )


def test_nodes_are_in_order_and_every_cpu_is_in_one() -> None:
    dom = made((1, "2", 32), (0, "0", 32))
    assert [(one.id, one.cpus, one.memory_kib) for one in dom.cells] == [
        (0, "0-1,3", 32768),
        (1, "2", 32768),
    ]
    assert "<cell id='0' cpus='0-1,3' memory='32768' unit='KiB'/>" in format_domain(dom)


@pytest.mark.parametrize(
    ("cells", "more", "words"),
    [
        (((0, "0", 32), (2, "1", 32)), {}, "non-contiguous ranges"),
        (((0, "0-1", 32), (1, "1", 32)), {}, "NUMA cell 1 has CPUs of another cell"),
        (((0, "0-4", 64),), {}, "NUMA cell 0 has CPU 4, and the guest has 4"),
        (((0, "0", 2**43 - 1),), {}, "overflowed after alignment"),
        (
            ((0, "0-3", 64),),
            {"tune": "<numatune><memnode cellid='1' nodeset='0'/></numatune>"},
            "<memnode cellid='1'> is of no guest NUMA cell",
        ),
        (
            ((0, "0-3", 64),),
            {"tune": "<numatune>" + "<memnode cellid='0' nodeset='0'/>" * 2 + "</numatune>"},
            "more than once for cell 0",
        ),
        (
            ((0, "0-3", 64),),
            {"head": "<maxMemory slots='1' unit='MiB'>32</maxMemory>"},
            "equal or greater than the actual memory size",
        ),
        ((), {"head": "<maxMemory slots='1' unit='MiB'>99</maxMemory>"}, "At least one numa node"),
        (
            (),
            {"tune": "<numatune><memnode cellid='0' nodeset='0'/></numatune>"},
            "invalid without any guest NUMA cells",
        ),
    ],
)
def test_nodes_that_cannot_be_are_refused(
    cells: tuple[tuple[object, str, int], ...], more: dict[str, str], words: str
) -> None:
    with pytest.raises(VirtError, match=words):
        made(*cells, **more)

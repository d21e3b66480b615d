"""Which machine type is proposed in place of one that this QEMU does not have."""

import pytest

from virtup.causes.qemu.machine_type_unsupported import candidates

DEBIAN = (
    *("pc", "pc-i440fx-7.2", "pc-i440fx-2.9", "pc-i440fx-2.10", "pc-i440fx-1.4"),
    *("q35", "pc-q35-7.2", "pc-q35-7.1", "pc-q35-2.10", "pc-q35-2.9", "pc-q35-2.4"),
    *("microvm", "isapc", "none"),
)
ENTERPRISE = ("pc", "pc-i440fx-rhel7.6.0", "q35", "pc-q35-rhel8.6.0", "pc-q35-rhel9.4.0")


@pytest.mark.parametrize(
    ("wanted", "names", "best"),
    [
        ("pc-9.9", DEBIAN, "pc-i440fx-7.2"),
        ("pc-q35-9.9", DEBIAN, "pc-q35-7.2"),
        ("q35-8.0", DEBIAN, "pc-q35-7.2"),
        ("pc-q35-2.0", DEBIAN, "pc-q35-2.4"),
        ("pc-q35-2.9.1", DEBIAN, "pc-q35-2.10"),
        ("pc-1.0", DEBIAN, "pc-i440fx-1.4"),
        ("pc-i440fx-2.3", DEBIAN, "pc-i440fx-2.9"),
        ("pc-i440fx-rhel7.1.0", DEBIAN, "pc-i440fx-7.2"),
        ("pc-i440fx-focal", DEBIAN, "pc-i440fx-7.2"),
        ("pc-q35-noble-v2", DEBIAN, "pc-q35-7.2"),
        ("pc-i440fx-jammy-hpb", DEBIAN, "pc-i440fx-7.2"),
        ("q36", DEBIAN, "q35"),
        ("microvm-2", DEBIAN, "microvm"),
        ("pc-q35-8.0", ENTERPRISE, "pc-q35-rhel8.6.0"),
        ("pc-q35-rhel8.2.0", ENTERPRISE, "pc-q35-rhel9.4.0"),
        ("pc-i440fx-7.2", ENTERPRISE, "pc-i440fx-rhel7.6.0"),
    ],
)
def test_the_nearest_of_the_same_family_comes_first(
    wanted: str, names: tuple[str, ...], best: str
) -> None:
    assert candidates(wanted, names)[0] == best


def test_nothing_is_proposed_that_is_unlike() -> None:
    assert candidates("virt-9.0", DEBIAN) == []

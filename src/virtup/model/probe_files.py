"""Questions about files whose content decides: kernels, firmware, certificates, saved guests."""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model.probe import Fact, Probe


@dataclass(frozen=True, slots=True)
class KernelImageFact(Fact):
    """A kernel by its first bytes.

    ``kind`` is ``bzImage``, ``ELF``, ``PE``, ``arm64``, ``compressed``, or ``""`` for no known
    kernel; ``cut``: the file ends before its own header says. Sizes in bytes.
    """

    kind: str = ""
    size: int = -1
    cut: bool = False


@dataclass(frozen=True, slots=True)
class KernelImage(Probe[KernelImageFact]):
    """Is the file at *path* a kernel?"""

    path: str


@dataclass(frozen=True, slots=True)
class CertificateFact(Fact):
    """A certificate's time; ``state`` is ``valid``, ``expired`` or ``early``, times are UTC."""

    state: str = ""
    begins: str = ""
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Certificate(Probe[CertificateFact]):
    """Is it time for the certificate (PEM) at *path*?"""

    path: str


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One installed firmware, as its descriptor tells it (QEMU's docs/interop/firmware.json)."""

    file: str
    kinds: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    executable: str = ""
    template: str = ""
    present: bool = True


@dataclass(frozen=True, slots=True)
class FirmwareFact(Fact):
    """The firmware that is installed with a descriptor, best first."""

    descriptors: tuple[Descriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class Firmware(Probe[FirmwareFact]):
    """Which firmware is installed for QEMU?"""


@dataclass(frozen=True, slots=True)
class SavedStateFact(Fact):
    """An image of a saved guest.

    ``damage`` is the word for what is wrong with head or trailer, ``""`` when both are whole, and
    ``sentence`` says it; the memory itself is not read. ``consumed``: it was restored before.
    ``disks`` are the guest's disks, each with what of it changed since, ``""`` for nothing.
    """

    exists: bool = False
    damage: str = ""
    sentence: str = ""
    size: int = -1
    name: str = ""
    uuid: str = ""
    xml: str = ""
    consumed: bool = False
    disks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SavedState(Probe[SavedStateFact]):
    """Is the saved guest at *path* whole, and whose is it?"""

    path: str


@dataclass(frozen=True, slots=True)
class RunFact(Fact):
    """How a program answered ``--version``; ``words`` are the last it said."""

    ran: bool = False
    status: int = -1
    words: str = ""


@dataclass(frozen=True, slots=True)
class Run(Probe[RunFact]):
    """Does *emulator* run at all?  It is run as *uid*."""

    emulator: str
    uid: int | None = None
    gids: tuple[int, ...] = ()

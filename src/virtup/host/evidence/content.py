"""Files by their content: kernels, firmware descriptors, certificates, saved guests."""

from __future__ import annotations

import calendar
import json
import os
import re
import ssl
import stat
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from virtup.host import fingerprint, save_file
from virtup.host.evidence import hostfs
from virtup.model.probe_files import (
    Certificate,
    CertificateFact,
    Descriptor,
    Firmware,
    FirmwareFact,
    KernelImage,
    KernelImageFact,
    SavedState,
    SavedStateFact,
)
from virtup.model.save_image import ImageDamaged

_SECTOR = 512
_FIRMWARE = ("/etc/qemu/firmware", "/usr/share/qemu/firmware")
"""Where descriptors lie; one in the first replaces one of its name in the second."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"]\0\0")


def kernel_image(probe: KernelImage) -> KernelImageFact:
    """Return what kernel the file is, by the boot protocols that QEMU loads."""
    number = os.open(probe.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(number)
        if not stat.S_ISREG(info.st_mode):
            raise ValueError(f"'{probe.path}' is not a regular file")
        head = os.pread(number, 1024, 0)
    finally:
        os.close(number)
    size = info.st_size
    if head[0x202:0x206] == b"HdrS":
        setup = head[0x1F1] or 4
        paragraphs = struct.unpack_from("<I", head, 0x1F4)[0]
        return KernelImageFact("bzImage", size, size < (setup + 1) * _SECTOR + paragraphs * 16)
    if head[:4] == b"\x7fELF":
        return KernelImageFact("ELF", size, _elf_is_cut(head, size))
    if head[0x38:0x3C] == b"ARM\x64":
        return KernelImageFact("arm64", size)
    if head[:2] == b"MZ":
        return KernelImageFact("PE", size)
    kind = "compressed" if head.startswith(_COMPRESSED) else ""
    return KernelImageFact(kind, size)


def _elf_is_cut(head: bytes, size: int) -> bool:
    """Does the file end before the program's segments do?"""
    if len(head) < 64 or head[4] != 2 or head[5] != 1:
        return False
    start, width, count = (
        struct.unpack_from("<Q", head, 32)[0],
        struct.unpack_from("<H", head, 54)[0],
        struct.unpack_from("<H", head, 56)[0],
    )
    ends = [start + width * count]
    for at in range(start, min(start + width * count, len(head) - 56), max(width, 1)):
        offset, length = (
            struct.unpack_from("<Q", head, at + 8)[0],
            struct.unpack_from("<Q", head, at + 32)[0],
        )
        ends.append(offset + length)
    return bool(size < max(ends))


def certificate(probe: Certificate) -> CertificateFact:
    """Return whether it is time for the first certificate of the file."""
    with open(probe.path, encoding="ascii", errors="replace") as file:
        found = _PEM.search(file.read(1 << 20))
    if found is None:
        raise ValueError(f"'{probe.path}' holds no certificate")
    begins, ends = _validity(ssl.PEM_cert_to_DER_cert(found[0]))
    now = time.time()
    state = "expired" if now > ends else "early" if now < begins else "valid"
    return CertificateFact(state, _utc(begins), _utc(ends))


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


def _validity(der: bytes) -> tuple[float, float]:
    """Return the two times of an X.509 certificate: its Validity is two times in a sequence."""
    for found in re.finditer(rb"\x30[\x1c-\x22](?=[\x17\x18])", der):
        at = found.end()
        times: list[float] = []
        while len(times) < 2 and at + 2 <= len(der) and der[at] in {0x17, 0x18}:
            length = der[at + 1]
            times.append(_time(der[at + 2 : at + 2 + length].decode("ascii", "replace")))
            at += 2 + length
        if len(times) == 2:
            return times[0], times[1]
    raise ValueError("the certificate has no validity")


def _time(text: str) -> float:
    """Return the time of a UTCTime or a GeneralizedTime (RFC 5280, 4.1.2.5)."""
    if len(text) == 13:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))


def firmware(_: Firmware) -> FirmwareFact:
    """Return the installed firmware by its descriptors, in the order in which they are tried."""
    files: dict[str, str] = {}
    for folder in reversed(_FIRMWARE):
        files.update({name: folder for name in hostfs.listed(folder) if name.endswith(".json")})
    found = []
    for name in sorted(files):
        try:
            found.append(_descriptor(json.loads(hostfs.read(f"{files[name]}/{name}")), name))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return FirmwareFact(tuple(found))


def _descriptor(data: Mapping[str, Any], name: str) -> Descriptor:
    mapping = data["mapping"]
    code = mapping.get("executable", {}).get("filename") or mapping.get("filename", "")
    template = mapping.get("nvram-template", {}).get("filename", "")
    targets = data.get("targets", [])
    return Descriptor(
        file=name,
        kinds=tuple(data.get("interface-types", ())),
        architectures=tuple(dict.fromkeys(one["architecture"] for one in targets)),
        machines=tuple(pattern for one in targets for pattern in one.get("machines", ())),
        features=tuple(data.get("features", ())),
        executable=code,
        template=template,
        present=all(hostfs.exists(path) for path in (code, template) if path),
    )


def saved_state(probe: SavedState) -> SavedStateFact:
    """Return whose the image is and whether its head and trailer are whole."""
    if not os.path.lexists(probe.path):
        return SavedStateFact()
    size = os.stat(probe.path).st_size
    try:
        image = save_file.inspect(probe.path)
    except ImageDamaged as damage:
        return SavedStateFact(True, damage.kind.value, str(damage), size)
    facts = image.trailer.facts if image.trailer else None
    names = dict(_identity(image.head.xml))
    return SavedStateFact(
        exists=True,
        size=size,
        name=facts.name if facts else names.get("name", ""),
        uuid=facts.uuid if facts else names.get("uuid", ""),
        xml=image.head.xml,
        consumed=image.consumed_ns is not None,
        disks=tuple(_changes(facts.disks)) if facts else (),
    )


def _changes(disks: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for path, before in disks.items():
        try:
            words = fingerprint.differences(before, fingerprint.of_disk(path))
        except OSError as error:
            words = [f"it cannot be read ({error.strerror})"]
        yield path, ", ".join(words)


def _identity(xml: str) -> Iterator[tuple[str, str]]:
    for key in ("name", "uuid"):
        found = re.search(rf"<{key}>\s*([^<]+?)\s*</{key}>", xml)
        if found:
            yield key, found[1]

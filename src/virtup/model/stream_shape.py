"""What can be told of QEMU's migration stream by its beginning and its end alone.

It begins with a magic number; a machine type of 2.4 or later puts a section with its name behind
that. Such a stream ends with a description of its own devices in JSON, of which the length stands
before it (QEMU's ``docs/devel/migration``). What is in between only QEMU can judge.
"""

from __future__ import annotations

import re
import struct

from virtup.model.save_image import Damage

HEAD_BYTES = 9
TAIL_BYTES = 8 << 20
"""A longer description than this has been seen nowhere."""

ZEROS = 512
"""So many zeros at the end are no accident of the description's, which is text."""

_MAGIC = b"QEVM"
_CONFIGURATION = 7
_DESCRIPTION = re.compile(rb"\x06(?P<size>....)\{", re.DOTALL)


def fault(head: bytes, tail: bytes) -> tuple[Damage, str] | None:
    """Return what is wrong with a stream, None when nothing can be told.

    *head* are its first `HEAD_BYTES`, *tail* its last `TAIL_BYTES`, or as many as it has.
    """
    if head[: len(_MAGIC)] == bytes(len(_MAGIC)):
        return Damage.ZEROED, "is filled with zeros where its memory begins"
    if head[: len(_MAGIC)] != _MAGIC:
        return Damage.FLIPPED, "has no stream of QEMU's where its memory begins"
    if head[HEAD_BYTES - 1 :] != bytes([_CONFIGURATION]) or _is_whole(tail):
        return None
    if not tail[-ZEROS:].strip(b"\0"):
        return Damage.ZEROED, "is filled with zeros at its end"
    return Damage.CUT_RAM, "ends before QEMU's description of the devices, which comes last"


def _is_whole(tail: bytes) -> bool:
    return any(
        match.start("size") + 4 + struct.unpack(">I", match["size"])[0] == len(tail)
        for match in _DESCRIPTION.finditer(tail)
    )

"""Run under strace by the power-cut test: one guest is saved, edited, or restored, and no more.

"save again" has an older image in the place of the new one, which is not the guest's any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from virtup.drivers.hypervisor import Hypervisor
from virtup.host.clock import SystemClock
from virtup.host.layout import find
from virtup.machine.settings import Settings

XML = """<domain type='qemu'><name>cut</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
<memory unit='MiB'>16</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices></domain>"""

EDITED = "edited"
"""The title that an edit of the saved guest gives it."""


def hypervisor(root: str) -> Hypervisor:
    """The driver of a daemon with everything below *root*, in this process."""
    layout = find(
        "system" if os.geteuid() == 0 else "session",
        root=root,
        env=dict(os.environ),
        uid=os.geteuid(),
    )
    return Hypervisor(layout, Settings(), SystemClock())


async def memory(hv: Hypervisor, place: str) -> str:
    """A digest of the guest's memory, taken by QEMU itself."""
    machine = hv.domains.by_name("cut").running()
    path = f"{machine.directories[0]}/memory"
    await machine.running.execute("pmemsave", {"val": 0, "size": 16 << 20, "filename": path})
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    os.unlink(path)
    Path(place).write_text(digest)
    return digest


def say(word: str) -> None:
    """Leave a mark in the trace."""
    os.write(1, f"POWER-CUT: {word}\n".encode())


async def main(what: str, root: str) -> None:
    hv = hypervisor(root)
    await hv.open()
    if what == "save":
        guest = await hv.domains.define(XML, 0)
        await guest.start(0, 1)
        await asyncio.sleep(1)
        await guest.suspend()
        await memory(hv, f"{root}/memory")
        await guest.managed_save(2)
    elif what == "save again":
        guest = hv.domains.by_name("cut")
        await guest.start(0, 1)
        os.link(f"{root}/older", f"{hv.domains.saving.saves.path('cut')}")
        say("begins")
        await guest.managed_save(2)
    elif what == "edit":
        text = XML.replace("<memory", f"<title>{EDITED}</title><memory")
        await hv.domains.by_name("cut").managed_save_define(text, 0)
    else:
        await hv.domains.by_name("cut").start(0, 1)
    say("returned")
    for guest in hv.domains.all():
        if guest.active:
            await guest.destroy(0)
    await hv.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))

"""undefine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from virtup.cli.grammar import Failure, flag, guest, text
from virtup.cli.report import complain
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.save import tell_loss
from virtup.client.exchange import ConnectionLost
from virtup.client.guests import Handle
from virtup.errors import VirtError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

FLAGS = {
    "managed_save": 1,
    "snapshots_metadata": 2,
    "nvram": 4,
    "keep_nvram": 8,
    "checkpoints_metadata": 16,
    "tpm": 32,
    "keep_tpm": 64,
}
"""``virDomainUndefineFlagsValues``."""

_WITH_SNAPSHOTS = 2
_IS_SAVED = "Refusing to undefine while domain managed save image exists"


class _Volume(NamedTuple):
    target: str
    source: str
    handle: dict[str, Any]


@verb(
    "undefine",
    "forget the definition of a domain",
    guest(),
    flag("managed-save", "remove its saved state"),
    text("storage", "remove these volumes (targets or sources, with commas; see domblklist)"),
    flag("remove-all-storage", "remove all its volumes"),
    flag("delete-storage-volume-snapshots", "and their snapshots; needs --remove-all-storage"),
    flag("wipe-storage", "overwrite the volumes before they are removed"),
    flag("snapshots-metadata", "forget its snapshots"),
    flag("checkpoints-metadata", "forget its checkpoints"),
    flag("nvram", "remove its NVRAM file"),
    flag("keep-nvram", "keep its NVRAM file"),
    flag("tpm", "remove the state of its TPM"),
    flag("keep-tpm", "keep the state of its TPM"),
    description="A domain that runs goes on, and is gone when it stops.",
)
def undefine(run: Run, *, domain: str, storage: str | None, **given: bool) -> int:
    """Forget a definition, and remove what the options say with it."""
    _check(storage, given)
    handle = run.guest(domain)
    volumes = _volumes(run, handle, storage) if storage or given["remove_all_storage"] else []
    flags = sum(bit for name, bit in FLAGS.items() if given[name])
    if given["managed_save"] and handle["id"] < 0:
        tell_loss(run, handle)
    try:
        run.conn.call("DOMAIN_UNDEFINE_FLAGS", dom=handle, flags=flags)
    except VirtError as exc:
        if exc.message.endswith(_IS_SAVED):
            raise Failure(_IS_SAVED) from exc  # virsh has this one line
        raise Failure(f"Failed to undefine domain '{handle['name']}'", exc) from exc
    run.say(f"Domain '{handle['name']}' has been undefined", domain=handle["name"])
    return _remove(run, volumes, given)


def _check(storage: str | None, given: dict[str, bool]) -> None:
    for one, other in (("nvram", "keep_nvram"), ("tpm", "keep_tpm")):
        if given[one] and given[other]:
            names = [name.replace("_", "-") for name in (one, other)]
            raise Failure(f"Options --{names[0]} and --{names[1]} are mutually exclusive")
    everything = given["remove_all_storage"]
    if given["delete_storage_volume_snapshots"] and not everything:
        raise Failure(
            "Option --remove-all-storage is required by option --delete-storage-volume-snapshots"
        )
    if given["wipe_storage"] and not (storage or everything):
        raise Failure("'--wipe-storage' requires '--storage <string>' or '--remove-all-storage'")


def _volumes(run: Run, handle: Handle, storage: str | None) -> list[_Volume]:
    """The volumes of the guest that are to go; complains of disks that no pool has."""
    from virtup.cli.verbs.devices import INACTIVE, definition

    if handle["id"] >= 0:
        raise Failure("Storage volume deletion is supported only on stopped domains")
    wanted = storage.split(",") if storage else []
    left = set(wanted)
    found: list[_Volume] = []
    for disk in definition(run, handle, INACTIVE).iterfind("devices/disk"):
        target, source = _names(disk)
        if wanted and not {target, source} & set(wanted):
            continue
        left -= {target, source}
        volume = _lookup(run, target, source, _pool(disk))
        if volume is not None:
            found.append(volume)
    if left:
        raise Failure(f"Volume '{min(left)}' was not found in domain's definition.\n")
    return found


def _names(disk: Element) -> tuple[str, str]:
    target, source = disk.find("target"), disk.find("source")
    dev = "" if target is None else target.get("dev", "")
    names = ("file", "dir", "name", "dev", "volume")
    attributes = {} if source is None else source.attrib
    return dev, next((value for name, value in attributes.items() if name in names), "")


def _pool(disk: Element) -> str:
    """The pool of a disk that is a volume of one, "" for another."""
    source = disk.find("source")
    return "" if source is None or disk.get("type") != "volume" else source.get("pool", "")


def _lookup(run: Run, target: str, source: str, pool: str) -> _Volume | None:
    if not source:
        return None
    try:
        if pool:
            found = run.conn.call("STORAGE_POOL_LOOKUP_BY_NAME", name=pool)["pool"]
            handle = run.conn.call("STORAGE_VOL_LOOKUP_BY_NAME", pool=found, name=source)["vol"]
        else:
            handle = run.conn.call("STORAGE_VOL_LOOKUP_BY_PATH", path=source)["vol"]
    except ConnectionLost:
        raise
    except VirtError:
        complain(
            f"Storage volume '{target}'({source}) is not managed by libvirt. Remove it manually.\n"
        )
        return None
    return _Volume(target, source, handle)


def _remove(run: Run, volumes: list[_Volume], given: dict[str, bool]) -> int:
    """Wipe and delete *volumes*; status 1 when one of them stayed."""
    status = 0
    flags = _WITH_SNAPSHOTS if given["delete_storage_volume_snapshots"] else 0
    for target, source, handle in volumes:
        try:
            if given["wipe_storage"]:
                run.conn.call("STORAGE_VOL_WIPE", vol=handle, flags=0)
            run.conn.call("STORAGE_VOL_DELETE", vol=handle, flags=flags)
        except ConnectionLost:
            raise
        except VirtError as exc:
            complain(f"Failed to remove storage volume '{target}'({source})")
            complain(exc.message)
            status = 1
        else:
            run.say(f"Volume '{target}'({source}) removed.", volume=source)
    return status

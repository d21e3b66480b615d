"""The files of two starts compared: gone, replaced, opened to others, other images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from virtup.model.history.change import (
    NOT_THERE,
    Change,
    Record,
    about,
    between,
    moment,
    shown,
    size,
)

MISSING = "No such file or directory"
LITTLE_KIB = 64 * 1024
"""Less room than this on a file system is worth telling, if there was more."""

_IMAGE = {
    "error": "header",
    "format": "image format",
    "virtual_size": "virtual size",
    "backing": "backing file",
    "backing_format": "backing format",
    "data_file": "data file",
    "corrupt": "marked corrupt",
    "truncated": "cut short",
}
_ACCESS = {"mode": "mode", "acl": "access list", "label": "SELinux label"}
_MAYBE = ("acl", "label", "real")
"""What a fingerprint leaves out where there is none; the rest it has, or did not look at."""

_MOUNT = "file system"

Fingerprint = dict[str, Any]


def changes(before: Record, after: Record) -> Iterator[Change]:
    """Yield what is different of the files that both starts used.

    Of a directory that is gone nothing more is said of what was in it; of a file system that
    changed, once.
    """
    rebooted = _boot(before) != _boot(after)
    gone = tuple(
        f"{path}/"
        for path, now in after["files"].items()
        if now.get("use") == "directory" and "error" in now
    )
    mounts: set[Any] = set()
    for path, now in after["files"].items():
        was = before["files"].get(path)
        if was is None or path.startswith(gone):
            continue
        for change in _of_file(path, was, now, rebooted=rebooted):
            if change.what.endswith(_MOUNT):
                if now.get("device") in mounts:
                    continue
                mounts.add(now.get("device"))
            yield change


def _boot(record: Record) -> str:
    return str(record["host"].get("boot_id", ""))


def _of_file(path: str, was: Fingerprint, now: Fingerprint, *, rebooted: bool) -> Iterator[Change]:
    if "error" in was or "error" in now:
        if was.get("error") != now.get("error"):
            yield _change(path, now, "", (_presence(was), _presence(now)), weight=0)
        return
    for key, word in _ACCESS.items():
        if _differ(was, now, key):
            yield _change(path, now, word, (shown(was.get(key)), shown(now.get(key))), weight=1)
    if "owner" in was and "owner" in now:
        owners = [f"{one['owner']}:{one.get('group', '')}" for one in (was, now)]
        if owners[0] != owners[1]:
            yield _change(path, now, "owner", owners, weight=1)
    if _differ(was, now, "kind"):
        yield _change(path, now, "kind", (shown(was["kind"]), shown(now["kind"])), weight=0)
    if _differ(was, now, "real"):
        links = [one.get("real") or path for one in (was, now)]
        yield _change(path, now, "leads to", links, weight=2)
    yield from _mounted(path, was, now)
    if now.get("kind", "file") == "file":
        yield from _contents(path, was, now, rebooted=rebooted)


def _mounted(path: str, was: Fingerprint, now: Fingerprint) -> Iterator[Change]:
    """Yield what has become of the file system."""
    if _differ(was, now, "read_only"):
        states = ["read-only" if one["read_only"] else "writable" for one in (was, now)]
        yield _change(path, now, _MOUNT, states, weight=1)
    room, left = was.get("free_kib"), now.get("free_kib")
    if isinstance(room, int) and isinstance(left, int) and left < LITTLE_KIB <= room:
        yield _change(path, now, "room left", (about(room * 1024), about(left * 1024)), weight=2)


def _contents(path: str, was: Fingerprint, now: Fingerprint, *, rebooted: bool) -> Iterator[Change]:
    """Yield whether it is another file, or has other contents.

    A guest writes to its disks: only a header's essentials tell of these, and a smaller file.
    """
    image, image_now = was.get("image"), now.get("image")
    if isinstance(image, dict) and isinstance(image_now, dict):
        for key, word in _IMAGE.items():
            if image.get(key) != image_now.get(key):
                values = [_value(key, one.get(key)) for one in (image, image_now)]
                yield _change(path, now, word, values, weight=1)
    shrank = _differ(was, now, "size") and now["size"] < was["size"]
    if now.get("write") is False and (_differ(was, now, "size") or _differ(was, now, "mtime_ns")):
        texts = [_version(one) for one in (was, now)]
        yield _change(path, now, "contents", texts, weight=2)
    elif _differ(was, now, "inode") or (_differ(was, now, "device") and not rebooted):
        texts = [f"inode {one['inode']}" for one in (was, now)]
        if texts[0] == texts[1]:
            texts = [f"device {one['device']}" for one in (was, now)]
        yield _change(path, now, "the file itself", texts, weight=2)
    elif shrank and now.get("write"):
        yield _change(path, now, "size", (size(was["size"]), size(now["size"])), weight=2)


def _change(
    path: str, now: Fingerprint, word: str, values: Sequence[str], *, weight: int
) -> Change:
    if now.get("use") == "emulator":
        what, area = f"QEMU's binary {word}".rstrip(), "qemu"
    else:
        what, area = f"'{path}' {word}".rstrip(), "files"
    return between(area, what, values, subject=path, weight=weight)


def _differ(was: Fingerprint, now: Fingerprint, key: str) -> bool:
    if key in _MAYBE:
        return bool("kind" in was and "kind" in now and was.get(key) != now.get(key))
    return key in was and key in now and bool(was[key] != now[key])


def _presence(one: Fingerprint) -> str:
    error = str(one.get("error", ""))
    return "there" if not error else "missing" if error == MISSING else error


def _version(one: Fingerprint) -> str:
    return f"{one['size']} bytes of {moment(one['mtime_ns'] / 1e9)}"


def _value(key: str, value: Any) -> str:
    if key == "virtual_size" and isinstance(value, int):
        return size(value)
    return shown(value) if value is not None else NOT_THERE

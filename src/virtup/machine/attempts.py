"""The record of every start: what was asked, what it used, how long each step took, how it ended.

One JSON file an attempt, in a directory of the guest's own under the attempts directory, at most
`RECORD_BYTES_MAX` long. Of a guest the newest ``kept`` stay, and the last that went well however
many failures follow it; of all guests those `GUESTS_MAX` that were started last. A record never
holds a secret: the definition is the one without passwords.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from virtup.causes.finding import Finding
from virtup.host import disk
from virtup.host.disk import Disk

log = logging.getLogger(__name__)

RUNNING = "running"
FAILED = "failed"
NOW = "now"
"""The verdict of what is no attempt: what a start would find now."""

RECORD_BYTES_MAX = 256 * 1024
"""How long a record may be; of a longer one the parts that tell least are left out, and named."""

GUESTS_MAX = 1000
"""Of how many guests records are kept."""

_LEFT_OUT_FIRST = ("argv", "given", "notes", "files", "definition", "log", "findings", "error")
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z(?:-(?P<number>\d+)-(?P<verdict>[a-z]+))?\.json")
_PREFIX = "guest-"


@dataclass
class Step:
    """One step of a start and how long it took, in milliseconds; ``error`` is "" when it held."""

    name: str
    ms: float
    error: str = ""


@dataclass
class Attempt:
    """One start of one guest. Times are ISO 8601 in UTC; ``ms`` is the whole time it took.

    ``number`` counts the guest's starts from 1. ``definition`` is what was started, ``given`` the
    same as it was written, before anything was filled in. ``host``, ``network`` and ``user`` are
    what the start found (`virtup.machine.recorder`), ``files`` fingerprints by path; empty for what
    nobody looked at. ``notes`` are what the person who starts the guest should know of a start
    that succeeded. ``left_out`` names the parts that were too long to keep.
    """

    guest: str
    uuid: str
    began: str
    number: int = 0
    verdict: str = ""
    phase: str = ""
    error: str = ""
    ms: float = 0.0
    virt: str = ""
    memory_kib: int = 0
    image: str = ""
    definition: str = ""
    given: str = ""
    emulator: str = ""
    qemu_version: str = ""
    qemu_package: str = ""
    virtup: str = ""
    kernel: str = ""
    argv: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    network: dict[str, dict[str, Any]] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready data."""
        return asdict(self)


class _Entry(NamedTuple):
    """A record by the name of its file; number 0 and verdict "" in one of an earlier form."""

    number: int
    file: str
    verdict: str


class Attempts:
    """The attempts of every guest below one directory."""

    def __init__(self, directory: str, disk: Disk, *, kept: int) -> None:
        self._directory = directory
        self._disk = disk
        self._kept = kept

    def keep(self, attempt: Attempt) -> None:
        """Write *attempt* durably with the next number, and drop what is beyond the bounds.

        One call at a time for a guest.
        """
        folder = self._folder(attempt.guest)
        entries = self._entries(folder)
        if not entries:
            self._make_room()
            self._disk.make_dir(folder, 0o700)
        attempt.number = max(len(entries), *(one.number for one in entries), 0) + 1
        stamp = attempt.began.replace(":", "").replace("-", "")
        file = f"{stamp}-{attempt.number:06d}-{attempt.verdict}.json"
        disk.write_durably(self._disk, f"{folder}/{file}", _text(attempt), mode=0o600)
        entries.append(_Entry(attempt.number, file, attempt.verdict))
        good = next((one for one in reversed(entries) if one.verdict == RUNNING), None)
        for old in entries[: -self._kept]:
            if old is not good:
                disk.remove_durably(self._disk, f"{folder}/{old.file}")

    def sweep(self) -> None:
        """Remove what a daemon was writing when it was killed; before any :meth:`keep`."""
        for folder in self._disk.list_dir(self._directory):
            disk.sweep(self._disk, f"{self._directory}/{folder}")

    def of(self, guest: str) -> list[dict[str, Any]]:
        """Return the attempts of *guest*, oldest first; an unreadable record is logged and left.

        Every one has every field of `Attempt`, also those that an earlier virtup wrote.
        """
        folder = self._folder(guest)
        entries = self._entries(folder)
        numbered = next((at for at, one in enumerate(entries) if one.number), len(entries))
        first = entries[numbered].number if numbered < len(entries) else numbered + 1
        found = []
        for at, entry in enumerate(entries):
            try:
                record = _whole(json.loads(self._disk.read(f"{folder}/{entry.file}")))
            except (OSError, ValueError, RecursionError) as error:
                log.warning("attempt record '%s/%s' is left out: %s", folder, entry.file, error)
                continue
            record["number"] = entry.number or first - numbered + at
            found.append(record)
        return found

    def name_of(self, uuid: str) -> str:
        """Return the name of the guest whose last start was that of *uuid*; "" when none was."""
        for folder in self._disk.list_dir(self._directory):
            name = folder.removeprefix(_PREFIX)
            last = self.of(name)[-1:] if name != folder else []
            if last and last[0]["uuid"] == uuid:
                return name
        return ""

    def _make_room(self) -> None:
        """Drop the records of the guests that were not started for longest."""
        folders = [name for name in self._disk.list_dir(self._directory) if _PREFIX in name]
        if len(folders) < GUESTS_MAX:
            return
        last = {
            name: max(self._disk.list_dir(f"{self._directory}/{name}"), default="")
            for name in folders
        }
        for name in sorted(folders, key=last.__getitem__)[: len(folders) - GUESTS_MAX + 1]:
            folder = f"{self._directory}/{name}"
            log.info("the records in '%s' make room for those of other guests", folder)
            for file in self._disk.list_dir(folder):
                self._disk.unlink(f"{folder}/{file}")
            self._disk.remove_dir(folder)

    def _folder(self, guest: str) -> str:
        # a name may begin with a dot or be one: the prefix keeps it a plain entry
        return f"{self._directory}/{_PREFIX}{guest}"

    def _entries(self, folder: str) -> list[_Entry]:
        """Return the records in a folder, oldest first: by number, as a clock may be set back."""
        found = []
        for file in self._disk.list_dir(folder):
            if file.endswith(".json") and not disk.is_leftover(file):
                named = _NAME.fullmatch(file)
                number, verdict = named.group("number", "verdict") if named else (None, None)
                found.append(_Entry(int(number or 0), file, verdict or ""))
        return sorted(found)


def _text(attempt: Attempt) -> bytes:
    """Return the record's bytes, without the parts for which there is no room."""
    data = attempt.to_dict()
    for name in (*_LEFT_OUT_FIRST, ""):
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        if len(text) <= RECORD_BYTES_MAX or not name:
            break
        data["left_out"].append(name)
        data[name] = type(data[name])()
    return text


_FILE = {
    "use": "", "write": False, "error": "", "kind": "", "size": 0, "mtime_ns": 0, "inode": 0,
    "device": 0, "mode": "", "uid": 0, "gid": 0, "owner": "", "group": "", "real": "", "acl": "",
    "label": "", "read_only": False, "free_kib": 0,
    "image": {
        "error": "", "format": "", "virtual_size": 0, "backing": "", "backing_format": "",
        "data_file": "", "corrupt": False, "truncated": False,
    },
}  # fmt: skip
_LINK = {"exists": False, "kind": "", "up": False, "mtu": 0, "owner": ""}
_HOST = {
    "kernel": "", "boot_id": "", "booted_s": 0,
    "cpu": {"model": "", "microcode": "", "flags": ""},
    "kvm": {"module": "", "nested": ""},
    "memory": {
        "total_kib": 0, "available_kib": 0, "swap_free_kib": 0, "overcommit": 0,
        "group_limit_kib": 0, "transparent_huge": "", "huge": {"*": [0, 0]},
    },
    "security": {"modules": "", "selinux": "", "apparmor": {"*": ""}},
    "limits": {"*": [0, 0]},
}  # fmt: skip
"""What a record may say of files, interfaces and the host, by example; "*" is any name."""


def _whole(data: Any) -> dict[str, Any]:
    """Return a record with every field, those of a wrong type emptied.

    Raises ValueError for what is no record.
    """
    if not isinstance(data, Mapping) or not all(
        isinstance(data.get(name), str) and data[name] for name in ("began", "verdict")
    ):
        raise ValueError("it is no record of a start")
    empty = Attempt(guest="", uuid="", began="").to_dict()
    record = {**empty, **{k: v for k, v in data.items() if k in empty and _is_like(v, empty[k])}}
    record["steps"] = [one for one in record["steps"] if _is_step(one)]
    record["findings"] = [one for one in record["findings"] if _is_finding(one)]
    for name in ("argv", "notes", "left_out"):
        record[name] = [one for one in record[name] if isinstance(one, str)]
    record["files"] = _like(record["files"], {"*": _FILE})
    record["network"] = _like(record["network"], {"*": _LINK})
    record["host"] = _like(record["host"], _HOST)
    record["user"] = _like(record["user"], {"name": "", "uid": 0, "gids": [0]})
    return record


def _like(data: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """Return what of *data* is as in *example*, at every depth."""
    kept = {}
    for name, value in data.items():
        wanted = example.get(name, example.get("*"))
        if wanted is not None and _is_like(value, wanted):
            kept[name] = _like(value, wanted) if isinstance(wanted, dict) else value
    return kept


def _is_like(value: Any, example: Any) -> bool:
    if isinstance(example, bool):
        return isinstance(value, bool)
    if isinstance(example, float | int):
        return isinstance(value, float | int)
    if isinstance(example, list) and example:
        return isinstance(value, list) and all(isinstance(one, int) for one in value)
    return isinstance(value, type(example))


def _is_step(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("ms"), float | int)
    )


def _is_finding(value: Any) -> bool:
    try:
        Finding.from_dict(value)
    except (KeyError, ValueError, TypeError, AttributeError):
        return False
    return True


def now() -> str:
    """Return the present time as an attempt's ``began``."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

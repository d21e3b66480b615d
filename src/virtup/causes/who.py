"""How sentences name the account that QEMU runs as, holders of things, and near names."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Sequence

from virtup.causes.finding import Fix, Safety, mend
from virtup.model.evidence import Evidence
from virtup.model.probe import Holder, PathFact
from virtup.model.repair import (
    Change,
    EditDefinition,
    GrantAccess,
    MakeDirectory,
    RemountWritable,
    SetMode,
)


def account(ev: Evidence, uid: str = "") -> str:
    """Return the noun for QEMU's account, by name and number as far as they are known."""
    number = str(ev.uid) if ev.uid is not None else uid.lstrip("+")
    if ev.user and number:
        return f"QEMU's user '{ev.user}' (uid {number})"
    if ev.user:
        return f"QEMU's user '{ev.user}'"
    return f"QEMU's user (uid {number})" if number else "QEMU's user"


def account_name(ev: Evidence, uid: str = "") -> str:
    """Return what a command calls QEMU's account."""
    number = str(ev.uid) if ev.uid is not None else uid.lstrip("+")
    return ev.user or number or "QEMU_USER"


def holder(seen: Holder) -> str:
    """Return the noun for a process: what it is, its guest, its pid."""
    if seen.guest:
        return f"guest '{seen.guest}' (pid {seen.pid}, {seen.command})"
    return f"process {seen.pid} ({seen.command})" if seen.command else f"process {seen.pid}"


def holders(seen: Sequence[Holder]) -> str:
    """Return the noun for one or more processes."""
    named = [holder(one) for one in seen[:3]]
    more = [f"{len(seen) - 3} more"] if len(seen) > 3 else []
    return " and ".join(named + more)


def nearest(name: str, names: Iterable[str], count: int = 3, alike: float = 0.6) -> list[str]:
    """Return the names most like *name*, best first; *alike* is 1 for equal, 0 for unlike."""
    known = list(dict.fromkeys(names))
    folded = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), list(folded), count, alike)
    return [folded[one] for one in found]


def mistyped(name: str, names: Iterable[str]) -> str:
    """Return the one of *names* that *name* is with a slip of the keys, ``""`` for none.

    A slip is one letter too many, too few, wrong, or changed with its neighbour: one in a word,
    two in a word of eight letters or more. An abbreviation is one too: ``xhci`` of ``qemu-xhci``,
    where no other name could be meant.
    """
    typed = name.lower()
    rated = sorted((_slips(typed, one.lower()), len(one) != len(name), one) for one in set(names))
    if not typed or not rated:
        return ""
    slips, _, best = rated[0]
    short = [one for _, _, one in rated if len(typed) > 3 and typed in one.lower()]
    is_part = any(typed in re.split("[-_]", one.lower()) for one in short)
    if slips <= (2 if len(typed) >= 8 else 1) and len(typed) > 2 and not is_part:
        return best
    return short[0] if len(short) == 1 else ""


def _slips(one: str, other: str) -> int:
    """How many letters have to be put in, taken out, changed or swapped to make *other* of *one*."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        last, before, row = before, row, [at]
        for to, wanted in enumerate(other, 1):
            cost = min(before[to] + 1, row[-1] + 1, before[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, last[to - 2] + 1)
            row.append(cost)
    return row[-1]


def mode(fact: PathFact) -> str:
    """Return owner and mode of what keeps an account out, for a sentence."""
    cut = ", its access list cut by the list's mask" if fact.masked else ""
    return f"mode {fact.mode}, owner {fact.owner}:{fact.group}{cut}"


def grant(ev: Evidence, fact: PathFact, *, uid: str = "") -> Fix:
    """Return the fix that gives QEMU's account what it lacks at ``fact.blocked``, and no more.

    The owner's own access is in the mode alone: an access list cannot give it (acl(5)). The undo
    removes the whole access list where there was none, so that nothing is left behind.
    """
    letters = {"search": "--x", "read": "r--", "write": "rw-", "execute": "r-x"}[fact.lacks]
    who = account_name(ev, uid)
    text = f"let {account(ev, uid)} {fact.lacks} '{fact.blocked}'"
    if fact.owner == who:
        bits = f"u+{letters.replace('-', '')}"
        return mend(text, SetMode(fact.blocked, bits, fact.mode), safety=Safety.AUTO)
    number = ev.uid if ev.uid is not None else _number(uid)
    if number is not None:
        repair = GrantAccess(
            fact.blocked, number, ev.user, letters, listed=fact.acl, readonly=fact.readonly
        )
        return mend(text, repair, safety=Safety.AUTO)
    path = shlex.quote(fact.blocked)
    undo = f"setfacl -x u:{who} {path}" if fact.acl else f"setfacl -b {path}"
    return Fix(text, (f"setfacl -m u:{who}:{letters} {path}",), Safety.AUTO, (undo,))


def _number(uid: str) -> int | None:
    digits = uid.lstrip("+")
    return int(digits) if digits.isdecimal() else None


def make_directory(ev: Evidence, path: str) -> Fix:
    """Return the fix that makes the directory *path* for QEMU's account to use."""
    if ev.uid is not None:
        repair = MakeDirectory(path, ev.uid, ev.user)
        return mend(f"create the directory '{path}'", repair, safety=Safety.AUTO)
    where = shlex.quote(path)
    command = f"install -d -m 0750 {where}"
    return Fix(f"create the directory '{path}'", (command,), Safety.AUTO, (f"rmdir {where}",))


def remount(point: str) -> Fix:
    """Return the fix that makes the read-only mount at *point* writable."""
    text = "make it writable again, after a look at the kernel's log for disk errors"
    return mend(text, RemountWritable(point), safety=Safety.CONFIRM)


def edit(text: str, *changes: Change) -> Fix:
    """Return the fix *text* of the definition; *changes* make it, where it is known what to make."""
    text += " in the definition"
    if not changes:
        return Fix(text=text, safety=Safety.CONFIRM)
    return mend(text, EditDefinition(changes), safety=Safety.CONFIRM)

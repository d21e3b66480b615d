"""The repairs of this host: what is there is noted first, so that it can be brought back exactly.

`survey` looks and plans, `do` acts on the survey alone, `undo` brings back what the survey saw. A
repair whose `do` was cut short by a crash is undone from its survey as well: what was not done
needs no undoing. None of them runs a shell, follows a link put in its way, or waits without bound.
"""

from __future__ import annotations

from typing import Any, Protocol

from virtup.host.mending.access import Granting, ModeSetting
from virtup.host.mending.kernel import GroupJoining, HugePageReserving, ModuleLoading, TapMaking
from virtup.host.mending.mounts import HugePageMounting, Remounting
from virtup.host.mending.outcome import CannotRepair, ChangedSince, NotNeeded, State
from virtup.host.mending.places import DirectoryMaking, SettingAside
from virtup.model import repair as r

__all__ = ["CannotRepair", "ChangedSince", "HostMender", "Mender", "NotNeeded", "State"]


class Mender(Protocol):
    """Who does repairs. All of it may block for a moment; all raise CannotRepair."""

    def survey(self, repair: r.Repair) -> State:
        """Return what is there now; raises NotNeeded when the repair has nothing to do."""

    def do(self, repair: r.Repair, before: State) -> State:
        """Do the repair; return what `undo` may want to know beyond the survey."""

    def undo(self, repair: r.Repair, before: State, after: State) -> None:
        """Bring back what the survey saw; raises ChangedSince when that is somebody else's now."""


_ACTS: dict[type[r.Repair], Any] = {
    r.GrantAccess: Granting(),
    r.SetMode: ModeSetting(),
    r.MakeDirectory: DirectoryMaking(),
    r.RemountWritable: Remounting(),
    r.LoadModule: ModuleLoading(),
    r.JoinGroup: GroupJoining(),
    r.ReserveHugePages: HugePageReserving(),
    r.MountHugePages: HugePageMounting(),
    r.MakeTap: TapMaking(),
    r.SetFileAside: SettingAside(),
}


class HostMender:
    """The repairs that this host takes; see the module."""

    def survey(self, repair: r.Repair) -> State:
        """Return what is there now."""
        return self._act(repair).survey(repair)

    def do(self, repair: r.Repair, before: State) -> State:
        """Do the repair."""
        return self._act(repair).do(repair, before)

    def undo(self, repair: r.Repair, before: State, after: State) -> None:
        """Bring back what the survey saw."""
        self._act(repair).undo(repair, before, after)

    def _act(self, repair: r.Repair) -> Mender:
        act: Mender = _ACTS[type(repair)]
        return act

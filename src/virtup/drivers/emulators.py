"""The QEMU binaries of this host and what each can do: asked once, kept until one changes.

An answer is kept in memory and, durably, in one file a binary under the cache directory. It
holds as long as the binary, its modules, the kernel and the access to KVM are the same. A file
that cannot be read or used is made anew; a cache that cannot be written costs a log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

from virtup.host import emulators, kvm, node
from virtup.host.accounts import Account
from virtup.host.disk import Disk, FileDisk, write_durably
from virtup.host.kvm import KvmState
from virtup.machine import probe
from virtup.qemu import capabilities
from virtup.qemu.capabilities import CacheInvalid, Capabilities

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """What an answer depends on; *kvm* is a `KvmState`'s value."""

    emulator: emulators.Identity
    kvm: str
    kernel: str

    def text(self) -> str:
        """The key as one line."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


class Emulators:
    """What the QEMU binaries can do; see the module.

    *account* gives the user that QEMU runs as, None for the daemon's own.
    """

    def __init__(
        self,
        cache_dir: str,
        account: Callable[[], Account | None],
        *,
        disk: Disk | None = None,
        timeout_s: float = probe.TIMEOUT_S,
    ) -> None:
        self._dir = cache_dir
        self._account = account
        self._disk = FileDisk() if disk is None else disk
        self._timeout_s = timeout_s
        self._known: dict[str, tuple[Key, Capabilities]] = {}
        self._asking: dict[tuple[str, bool], asyncio.Task[Capabilities]] = {}
        self._stale: set[str] = set()
        self._writes: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()

    async def capabilities(self, emulator: str) -> Capabilities:
        """Return what the binary at that absolute path can do; it is probed when it is new.

        Any number of callers at once cost one probe. Raises ProbeFailed, UnusableQemu, and what
        *account* raises.
        """
        account = self._account()
        key = _key(emulator, account)
        known = self._known.get(emulator)
        if known is not None and known[0] == key:
            return known[1]
        return await self._once(emulator, key, account, without_kvm=False)

    async def without_kvm(self, emulator: str) -> Capabilities:
        """Return the same, with the CPU models that the binary can run without KVM."""
        caps = await self.capabilities(emulator)
        if "tcg" in caps.cpus or not caps.has("tcg"):
            return caps
        account = self._account()
        return await self._once(emulator, _key(emulator, account), account, without_kvm=True)

    def kvm(self) -> KvmState:
        """Return whether QEMU's user can use KVM now."""
        return kvm.state(self._account())

    def forget(self, emulator: str) -> None:
        """Have the binary probed again at its next use: its answers were found to be stale."""
        self._known.pop(emulator, None)
        self._stale.add(emulator)  # what is being written now is of no use either
        with contextlib.suppress(OSError):
            self._disk.unlink(self._file(emulator))

    async def close(self) -> None:
        """End running probes; wait until what is known has been written."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, *self._writes, return_exceptions=True)

    async def _once(
        self, emulator: str, key: Key, account: Account | None, *, without_kvm: bool
    ) -> Capabilities:
        """Join the probe that runs for this binary, or start one."""
        kind = (emulator, without_kvm)
        task = self._asking.get(kind)
        if task is None:
            task = asyncio.create_task(self._learn(key, account, without_kvm=without_kvm))
            self._asking[kind] = task
            task.add_done_callback(lambda done: self._asked(kind, done))
        return await asyncio.shield(task)

    def _asked(self, kind: tuple[str, bool], task: asyncio.Task[Capabilities]) -> None:
        del self._asking[kind]
        if not task.cancelled():
            task.exception()  # its callers have it; they may all be gone

    async def _learn(self, key: Key, account: Account | None, *, without_kvm: bool) -> Capabilities:
        emulator = key.emulator.path
        if without_kvm:
            caps = await probe.probe_without_kvm(
                emulator, account, await self.capabilities(emulator), timeout_s=self._timeout_s
            )
        else:
            stale = emulator in self._stale
            kept = None if stale else await asyncio.to_thread(self._load, key)
            if kept is not None:
                self._known[emulator] = (key, kept)
                return kept
            caps = await probe.probe(emulator, account, timeout_s=self._timeout_s)
            self._stale.discard(emulator)
        self._known[emulator] = (key, caps)
        if caps.kvm_enabled or not caps.kvm_present or key.kvm != KvmState.USABLE.value:
            # else KVM should have worked: not to be believed beyond this daemon's life
            task = asyncio.create_task(self._keep(key, caps))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)
        return caps

    async def _keep(self, key: Key, caps: Capabilities) -> None:
        async with self._writing:
            await asyncio.to_thread(self._save, key, caps)

    def _load(self, key: Key) -> Capabilities | None:
        path = self._file(key.emulator.path)
        try:
            head, _, text = self._disk.read(path).decode().partition("\n")
            if head != key.text():
                return None
            return capabilities.load(text)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, CacheInvalid) as exc:
            log.info("%s is of no use and is made anew: %s", path, exc)
            return None

    def _save(self, key: Key, caps: Capabilities) -> None:
        if self._known.get(key.emulator.path) != (key, caps):
            return  # forgotten, or learnt anew, since
        path = self._file(key.emulator.path)
        text = f"{key.text()}\n{capabilities.dump(caps)}"
        try:
            write_durably(self._disk, path, text.encode())
        except OSError as exc:
            log.warning(
                "What '%s' can do could not be kept and is asked again next time: %s",
                key.emulator.path,
                exc,
            )

    def _file(self, emulator: str) -> str:
        return f"{self._dir}/qemu-{hashlib.sha256(emulator.encode()).hexdigest()[:16]}.json"


def _key(emulator: str, account: Account | None) -> Key:
    """Return the present key of a binary. Raises ProbeFailed when it is not there."""
    if not emulator.startswith("/") or "\0" in emulator:
        raise probe.EmulatorMissing(
            f"Cannot check QEMU binary '{emulator}': an absolute path is needed",
            path=emulator,
            errno=errno.ENOENT,
        )
    try:
        identity = emulators.identify(emulator)
    except OSError as exc:
        raise probe.not_run(emulator, exc) from exc
    return Key(identity, kvm.state(account).value, node.kernel())

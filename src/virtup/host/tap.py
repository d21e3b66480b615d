"""Tap devices: opened for QEMU, so that QEMU needs no right to make any.

Everything is done by ioctl on the device (``linux/if_tun.h``, ``linux/sockios.h``). A tap that is
made here vanishes with the last fd on it: nothing is left behind by a crash.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass

from virtup.errors import Code, Fault, VirtError

DEVICE = "/dev/net/tun"

NAME_BYTES_MAX = 15
"""The longest name of a network interface (IFNAMSIZ is 16, with the NUL)."""

_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER = 0x400454CA, 0x400454CB, 0x400454CC
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCGIFMTU, _SIOCSIFMTU = 0x8921, 0x8922
_SIOCSIFHWADDR, _SIOCBRADDIF = 0x8924, 0x89A2
_ARPHRD_ETHER, _IFF_UP = 1, 0x1


class TapError(VirtError):
    """A tap could not be made or set up; ``errno`` is the kernel's, ``device`` what it was of."""

    code, fault = Code.SYSTEM_ERROR, Fault.HOST
    errno: int = 0
    device: str = ""


class BridgeMissing(TapError):
    """No interface, or no bridge, of that name."""


class InterfaceMissing(TapError):
    """A tap that had to be there already is not."""


@dataclass
class Tap:
    """An open tap: the fd for QEMU and the name that the kernel gave it."""

    fd: int
    name: str

    def close_fd(self) -> None:
        """Close our fd, after QEMU has its own; twice is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def close(self) -> None:
        """Close our fd; the device goes with the last one."""
        self.close_fd()


def open_tap(
    name: str | None,
    *,
    mac: str,
    bridge: str | None = None,
    mtu: int | None = None,
    must_exist: bool = False,
    multi_queue: bool = False,
    up: bool = True,
) -> Tap:
    """Open the tap *name* (None: the kernel picks ``vnetN``) with the header QEMU's virtio wants.

    *mac* is the guest's; the tap's own gets ``fe`` in front, as a bridge takes the lowest address
    of its ports for its own. With *bridge*, the tap joins it; it gets *mtu*, or the bridge's.
    *must_exist* opens a tap that was made before, and sets nothing up. Raises TapError and its
    children.
    """
    if name is not None and len(os.fsencode(name)) > NAME_BYTES_MAX:
        raise _failed(TapError, f"the interface name '{name}' is too long", name, 22)
    if must_exist and not _index(name or ""):
        raise _failed(InterfaceMissing, f"the tap '{name}' does not exist", name or "", 19)
    if bridge is not None and not os.path.isdir(f"/sys/class/net/{bridge}/bridge"):
        what = "is no bridge" if _index(bridge) else "does not exist"
        raise _failed(BridgeMissing, f"the bridge '{bridge}' {what}", bridge, 19)
    fd = _open_device()
    try:
        made = _attach(fd, name or "vnet%d", multi_queue=multi_queue)
        if not must_exist:
            _set_up(made, mac, bridge, mtu, up=up)
    except BaseException:
        os.close(fd)
        raise
    return Tap(fd, made)


def exists(name: str) -> bool:
    """Tell whether there is an interface of that name."""
    return _index(name) != 0


def owner(name: str) -> int | None:
    """Return the uid that a tap belongs to; None for one of nobody's, and for what is no tap."""
    try:
        with open(f"/sys/class/net/{name}/owner", encoding="ascii") as file:
            uid = int(file.read())
    except (OSError, ValueError):
        return None
    return uid if uid >= 0 else None


def make_lasting(name: str, uid: int) -> None:
    """Make the tap *name*, up and owned by *uid*, that stays when nobody has it open.

    Raises TapError; there is then none.
    """
    fd = _open_device()
    try:
        _attach(fd, name, multi_queue=False)
        try:
            fcntl.ioctl(fd, _TUNSETOWNER, uid)
            fcntl.ioctl(fd, _TUNSETPERSIST, 1)
        except OSError as exc:
            message = f"cannot keep the tap '{name}': {exc.strerror}"
            raise _failed(TapError, message, name, exc.errno or 0) from exc
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            _set_flags_up(control, name)
    finally:
        os.close(fd)


def remove_lasting(name: str) -> None:
    """Remove a tap that `make_lasting` made. Raises TapError, also when somebody has it open."""
    fd = _open_device()
    try:
        _attach(fd, name, multi_queue=False)
        fcntl.ioctl(fd, _TUNSETPERSIST, 0)
    except OSError as exc:
        message = f"cannot remove the tap '{name}': {exc.strerror}"
        raise _failed(TapError, message, name, exc.errno or 0) from exc
    finally:
        os.close(fd)


def open_vhost() -> int | None:
    """Open /dev/vhost-net for one queue; None when this host or user has it not."""
    try:
        return os.open("/dev/vhost-net", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None


def _open_device() -> int:
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise _failed(
            TapError, f"cannot open '{DEVICE}': {exc.strerror}", DEVICE, exc.errno or 0
        ) from exc


def _attach(fd: int, name: str, *, multi_queue: bool) -> str:
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | (_IFF_MULTI_QUEUE if multi_queue else 0)
    request = struct.pack("=16sH22x", os.fsencode(name), flags)
    try:
        answer = fcntl.ioctl(fd, _TUNSETIFF, request)
    except OSError as exc:
        taken = exc.errno == errno.EINVAL and _is_no_tap(name)
        reason = (
            "the host has an interface of that name, and it is no tap" if taken else exc.strerror
        )
        message = f"cannot make the tap '{name}': {reason}"
        raise _failed(TapError, message, name, exc.errno or 0) from exc
    return answer[:16].rstrip(b"\0").decode()


def _is_no_tap(name: str) -> bool:
    """Is there an interface of that name that the driver of taps did not make?"""
    place = f"/sys/class/net/{name}"
    return os.path.exists(place) and not os.path.exists(f"{place}/tun_flags")


def _set_up(name: str, mac: str, bridge: str | None, mtu: int | None, *, up: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        hardware = bytes([0xFE, *bytes.fromhex(mac.replace(":", ""))[1:]])
        _ask(control, _SIOCSIFHWADDR, name, struct.pack("=H14s", _ARPHRD_ETHER, hardware))
        if mtu is not None:
            _ask(control, _SIOCSIFMTU, name, struct.pack("=i", mtu))
        elif bridge is not None:
            _ask(control, _SIOCSIFMTU, name, _ask(control, _SIOCGIFMTU, bridge, b"")[16:20])
        if bridge is not None:
            _ask(control, _SIOCBRADDIF, bridge, struct.pack("=i", _index(name)))
        if up:
            _set_flags_up(control, name)


def _set_flags_up(control: socket.socket, name: str) -> None:
    (flags,) = struct.unpack_from("=h", _ask(control, _SIOCGIFFLAGS, name, b""), 16)
    _ask(control, _SIOCSIFFLAGS, name, struct.pack("=h", flags | _IFF_UP))


def _ask(control: socket.socket, number: int, name: str, value: bytes) -> bytes:
    """Make one call on an interface (struct ifreq: a name of 16 bytes and 24 of value)."""
    request = struct.pack("=16s24s", os.fsencode(name), value)
    try:
        return fcntl.ioctl(control, number, request)
    except OSError as exc:
        message = f"cannot set up the interface '{name}': {exc.strerror}"
        raise _failed(TapError, message, name, exc.errno or 0) from exc


def _index(name: str) -> int:
    """Return an interface's number; 0 when there is none of that name."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _failed(kind: type[TapError], message: str, device: str, number: int) -> TapError:
    error = kind(message)
    error.device, error.errno = device, number
    return error

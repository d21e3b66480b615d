"""Run a program for which KVM is another hypervisor's: ``python -m tests.busy_kvm PROGRAM...``.

While VirtualBox or VMware has the processor's extension, the kernel answers KVM_CREATE_VM with EBUSY
and everything else as ever. A system call filter makes it answer so for the program and its children.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

IOCTL, KVM_CREATE_VM = 16, 0xAE01
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06
NUMBER, SECOND_ARGUMENT = 0, 24
ALLOW, FAIL = 0x7FFF0000, 0x00050000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

FILTER = (
    (LOAD, 0, 0, NUMBER),
    (EQUALS, 0, 3, IOCTL),
    (LOAD, 0, 0, SECOND_ARGUMENT),
    (EQUALS, 0, 1, KVM_CREATE_VM),
    (RETURN, 0, 0, FAIL | errno.EBUSY),
    (RETURN, 0, 0, ALLOW),
)
"""Code, jump if true, jump if false and value, as in ``linux/filter.h`` and ``linux/seccomp.h``."""


def main() -> None:
    """Take the filter, become the program."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in FILTER))
    program = struct.pack("HxxxxxxP", len(FILTER), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()

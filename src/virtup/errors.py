"""What virtup raises: libvirt's code and domain, whose fault it is, one whole sentence.

The numbers are libvirt's ``virErrorNumber``, ``virErrorDomain`` and ``virErrorLevel``, because
they travel to stock clients; the words are virtup's, save where programs match on a text.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any, ClassVar


class Code(IntEnum):
    """libvirt's error numbers (``virErrorNumber``)."""

    OK = 0
    INTERNAL_ERROR = 1
    NO_MEMORY = 2
    NO_SUPPORT = 3
    UNKNOWN_HOST = 4
    NO_CONNECT = 5
    INVALID_CONN = 6
    INVALID_DOMAIN = 7
    INVALID_ARG = 8
    OPERATION_FAILED = 9
    GET_FAILED = 10
    POST_FAILED = 11
    HTTP_ERROR = 12
    SEXPR_SERIAL = 13
    NO_XEN = 14
    XEN_CALL = 15
    OS_TYPE = 16
    NO_KERNEL = 17
    NO_ROOT = 18
    NO_SOURCE = 19
    NO_TARGET = 20
    NO_NAME = 21
    NO_OS = 22
    NO_DEVICE = 23
    NO_XENSTORE = 24
    DRIVER_FULL = 25
    CALL_FAILED = 26
    XML_ERROR = 27
    DOM_EXIST = 28
    OPERATION_DENIED = 29
    OPEN_FAILED = 30
    READ_FAILED = 31
    PARSE_FAILED = 32
    CONF_SYNTAX = 33
    WRITE_FAILED = 34
    XML_DETAIL = 35
    INVALID_NETWORK = 36
    NETWORK_EXIST = 37
    SYSTEM_ERROR = 38
    RPC = 39
    GNUTLS_ERROR = 40
    WARN_NO_NETWORK = 41
    NO_DOMAIN = 42
    NO_NETWORK = 43
    INVALID_MAC = 44
    AUTH_FAILED = 45
    INVALID_STORAGE_POOL = 46
    INVALID_STORAGE_VOL = 47
    WARN_NO_STORAGE = 48
    NO_STORAGE_POOL = 49
    NO_STORAGE_VOL = 50
    WARN_NO_NODE = 51
    INVALID_NODE_DEVICE = 52
    NO_NODE_DEVICE = 53
    NO_SECURITY_MODEL = 54
    OPERATION_INVALID = 55
    WARN_NO_INTERFACE = 56
    NO_INTERFACE = 57
    INVALID_INTERFACE = 58
    MULTIPLE_INTERFACES = 59
    WARN_NO_NWFILTER = 60
    INVALID_NWFILTER = 61
    NO_NWFILTER = 62
    BUILD_FIREWALL = 63
    WARN_NO_SECRET = 64
    INVALID_SECRET = 65
    NO_SECRET = 66
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    MIGRATE_PERSIST_FAILED = 69
    HOOK_SCRIPT_FAILED = 70
    INVALID_DOMAIN_SNAPSHOT = 71
    NO_DOMAIN_SNAPSHOT = 72
    INVALID_STREAM = 73
    ARGUMENT_UNSUPPORTED = 74
    STORAGE_PROBE_FAILED = 75
    STORAGE_POOL_BUILT = 76
    SNAPSHOT_REVERT_RISKY = 77
    OPERATION_ABORTED = 78
    AUTH_CANCELLED = 79
    NO_DOMAIN_METADATA = 80
    MIGRATE_UNSAFE = 81
    OVERFLOW = 82
    BLOCK_COPY_ACTIVE = 83
    OPERATION_UNSUPPORTED = 84
    SSH = 85
    AGENT_UNRESPONSIVE = 86
    RESOURCE_BUSY = 87
    ACCESS_DENIED = 88
    DBUS_SERVICE = 89
    STORAGE_VOL_EXIST = 90
    CPU_INCOMPATIBLE = 91
    XML_INVALID_SCHEMA = 92
    MIGRATE_FINISH_OK = 93
    AUTH_UNAVAILABLE = 94
    NO_SERVER = 95
    NO_CLIENT = 96
    AGENT_UNSYNCED = 97
    LIBSSH = 98
    DEVICE_MISSING = 99
    INVALID_NWFILTER_BINDING = 100
    NO_NWFILTER_BINDING = 101
    INVALID_DOMAIN_CHECKPOINT = 102
    NO_DOMAIN_CHECKPOINT = 103
    NO_DOMAIN_BACKUP = 104
    INVALID_NETWORK_PORT = 105
    NETWORK_PORT_EXIST = 106
    NO_NETWORK_PORT = 107
    NO_HOSTNAME = 108
    CHECKPOINT_INCONSISTENT = 109
    MULTIPLE_DOMAINS = 110
    NO_NETWORK_METADATA = 111
    AGENT_COMMAND_TIMEOUT = 112
    AGENT_COMMAND_FAILED = 113

    @classmethod
    def _missing_(cls, value: object) -> Code | None:
        """Keep a number that a newer peer sent."""
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_, member._value_ = f"CODE_{value}", value
        return member


class Origin(IntEnum):
    """Which part of libvirt an error comes from (``virErrorDomain``)."""

    NONE = 0
    XEN = 1
    XEND = 2
    XENSTORE = 3
    SEXPR = 4
    XML = 5
    DOM = 6
    RPC = 7
    PROXY = 8
    CONF = 9
    QEMU = 10
    NET = 11
    TEST = 12
    REMOTE = 13
    OPENVZ = 14
    XENXM = 15
    STATS_LINUX = 16
    LXC = 17
    STORAGE = 18
    NETWORK = 19
    DOMAIN = 20
    UML = 21
    NODEDEV = 22
    XEN_INOTIFY = 23
    SECURITY = 24
    VBOX = 25
    INTERFACE = 26
    ONE = 27
    ESX = 28
    PHYP = 29
    SECRET = 30
    CPU = 31
    XENAPI = 32
    NWFILTER = 33
    HOOK = 34
    DOMAIN_SNAPSHOT = 35
    AUDIT = 36
    SYSINFO = 37
    STREAMS = 38
    VMWARE = 39
    EVENT = 40
    LIBXL = 41
    LOCKING = 42
    HYPERV = 43
    CAPABILITIES = 44
    URI = 45
    AUTH = 46
    DBUS = 47
    PARALLELS = 48
    DEVICE = 49
    SSH = 50
    LOCKSPACE = 51
    INITCTL = 52
    IDENTITY = 53
    CGROUP = 54
    ACCESS = 55
    SYSTEMD = 56
    BHYVE = 57
    CRYPTO = 58
    FIREWALL = 59
    POLKIT = 60
    THREAD = 61
    ADMIN = 62
    LOGGING = 63
    XENXL = 64
    PERF = 65
    LIBSSH = 66
    RESCTRL = 67
    FIREWALLD = 68
    DOMAIN_CHECKPOINT = 69
    TPM = 70
    BPF = 71
    CH = 72

    @classmethod
    def _missing_(cls, value: object) -> Origin | None:
        """Keep a number that a newer peer sent."""
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_, member._value_ = f"ORIGIN_{value}", value
        return member


class Fault(Enum):
    """Whose fault an error is: it decides the tone of the message and the exit of a probe."""

    CALLER = "caller"
    GUEST = "guest"
    HOST = "host"
    PEER = "peer"
    US = "us"


class VirtError(Exception):
    """An error that a client may see.

    ``message`` is one whole sentence with its values quoted, and may be followed by lines that
    name cause, evidence and fix. ``findings`` holds them as data (JSON-ready mappings) for
    clients that read virtup's own program.
    """

    code: Code = Code.INTERNAL_ERROR
    origin: Origin = Origin.QEMU
    fault: Fault = Fault.US
    template: ClassVar[str] = "{message}"

    def __init__(
        self,
        message: str = "",
        *,
        code: Code | None = None,
        origin: Origin | None = None,
        fault: Fault | None = None,
        findings: tuple[dict[str, Any], ...] = (),
        **values: Any,
    ) -> None:
        self.message = self.template.format(message=message, **values)
        if code is not None:
            self.code = code
        if origin is not None:
            self.origin = origin
        if fault is not None:
            self.fault = fault
        self.findings = findings
        super().__init__(self.message)


class InternalError(VirtError):
    """A mistake of virtup's own."""

    template = "internal error: {message}"


class InvalidArgument(VirtError):
    """The caller passed something that cannot be right."""

    code, fault, template = Code.INVALID_ARG, Fault.CALLER, "invalid argument: {message}"


class XmlInvalid(VirtError):
    """A document that is not well-formed: the message ends in file, line and column."""

    code, origin, fault = Code.XML_DETAIL, Origin.XML, Fault.CALLER


class XmlRefused(VirtError):
    """A well-formed document with a value that cannot be: file, line, element, what is accepted."""

    code, origin, fault, template = (
        Code.XML_ERROR,
        Origin.DOMAIN,
        Fault.CALLER,
        "XML error: {message}",
    )


class ConfigUnsupported(VirtError):
    """The definition asks for something that this virtup, QEMU or host does not have."""

    code, origin, fault = Code.CONFIG_UNSUPPORTED, Origin.QEMU, Fault.CALLER
    template = "unsupported configuration: {message}"


class DomainNotFound(VirtError):
    """No guest of that name, UUID or id."""

    code, fault, template = Code.NO_DOMAIN, Fault.CALLER, "Domain not found: {message}"


class DomainExists(VirtError):
    """The name or UUID is in use by another guest."""

    code, fault, template = Code.OPERATION_FAILED, Fault.CALLER, "operation failed: {message}"


class PoolNotFound(VirtError):
    """No storage pool of that name, UUID or directory."""

    code, origin, fault = Code.NO_STORAGE_POOL, Origin.STORAGE, Fault.CALLER
    template = "Storage pool not found: {message}"


class VolumeNotFound(VirtError):
    """No storage volume of that name, key or path."""

    code, origin, fault = Code.NO_STORAGE_VOL, Origin.STORAGE, Fault.CALLER
    template = "Storage volume not found: {message}"


class VolumeExists(VirtError):
    """The pool has a volume of that name."""

    code, origin, fault = Code.STORAGE_VOL_EXIST, Origin.STORAGE, Fault.CALLER


class OperationInvalid(VirtError):
    """The guest is not in a state in which this can be done."""

    code, fault = Code.OPERATION_INVALID, Fault.CALLER
    template = "Requested operation is not valid: {message}"


class OperationFailed(VirtError):
    """The operation was right and did not succeed."""

    code, fault, template = Code.OPERATION_FAILED, Fault.HOST, "operation failed: {message}"


class OperationTimeout(VirtError):
    """A bounded wait ran out."""

    code, fault = Code.OPERATION_TIMEOUT, Fault.HOST
    template = "Timed out during operation: {message}"


class OperationUnsupported(VirtError):
    """The call exists and cannot be done here."""

    code, fault = Code.OPERATION_UNSUPPORTED, Fault.CALLER
    template = "Operation not supported: {message}"


class NoSupport(VirtError):
    """The procedure is one that virtup does not serve."""

    code, fault = Code.NO_SUPPORT, Fault.CALLER
    template = "this function is not supported by the connection driver: {message}"


class OperationDenied(VirtError):
    """The connection is read-only."""

    code, fault, template = Code.OPERATION_DENIED, Fault.CALLER, "operation forbidden: {message}"


class AgentUnresponsive(VirtError):
    """The guest agent is not there, or does not answer."""

    code, fault = Code.AGENT_UNRESPONSIVE, Fault.GUEST
    template = "Guest agent is not responding: {message}"


class SystemError_(VirtError):  # noqa: N801
    """A system call failed; the message carries the errno's text."""

    code, fault = Code.SYSTEM_ERROR, Fault.HOST


class RpcError(VirtError):
    """The peer broke the protocol."""

    code, origin, fault = Code.RPC, Origin.RPC, Fault.PEER


class StartFailed(VirtError):
    """A guest did not start; ``findings`` says why, best first."""

    fault = Fault.HOST

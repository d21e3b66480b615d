"""What virtup raises: libvirt's code and domain, whose fault it is, one whole sentence.

The numbers are libvirt's ``virErrorNumber``, ``virErrorDomain`` and ``virErrorLevel``, because
they travel to stock clients; the words are virtup's, save where programs match on a text.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any, ClassVar


class Code(IntEnum):
    """libvirt's error numbers (``virErrorNumber``), those that virtup can send."""

    INTERNAL_ERROR = 1
    NO_MEMORY = 2
    NO_SUPPORT = 3
    UNKNOWN_HOST = 4
    NO_CONNECT = 5
    INVALID_CONN = 6
    INVALID_DOMAIN = 7
    INVALID_ARG = 8
    OPERATION_FAILED = 9
    OS_TYPE = 16
    NO_KERNEL = 17
    NO_NAME = 21
    NO_OS = 22
    XML_ERROR = 27
    DOM_EXIST = 28
    OPERATION_DENIED = 29
    OPEN_FAILED = 30
    READ_FAILED = 31
    PARSE_FAILED = 32
    CONF_SYNTAX = 33
    WRITE_FAILED = 34
    XML_DETAIL = 35
    SYSTEM_ERROR = 38
    RPC = 39
    NO_DOMAIN = 42
    NO_NETWORK = 43
    AUTH_FAILED = 45
    NO_STORAGE_POOL = 49
    OPERATION_INVALID = 55
    NO_SECRET = 66
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    HOOK_SCRIPT_FAILED = 70
    NO_DOMAIN_SNAPSHOT = 72
    INVALID_STREAM = 73
    ARGUMENT_UNSUPPORTED = 74
    OPERATION_ABORTED = 78
    AUTH_CANCELLED = 79
    OPERATION_UNSUPPORTED = 84
    AGENT_UNRESPONSIVE = 86
    RESOURCE_BUSY = 87
    ACCESS_DENIED = 88
    CPU_INCOMPATIBLE = 91
    XML_INVALID_SCHEMA = 92
    AUTH_UNAVAILABLE = 94
    NO_SERVER = 95
    AGENT_UNSYNCED = 97
    DEVICE_MISSING = 99


class Origin(IntEnum):
    """Which part of libvirt an error comes from (``virErrorDomain``)."""

    NONE = 0
    XML = 5
    DOM = 6
    RPC = 7
    CONF = 9
    QEMU = 10
    NET = 11
    REMOTE = 13
    STORAGE = 18
    NETWORK = 19
    DOMAIN = 20
    SECURITY = 24
    CPU = 31
    HOOK = 34
    STREAMS = 38
    EVENT = 40
    LOCKING = 42
    CAPABILITIES = 44
    URI = 45
    AUTH = 46


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

    code, origin, fault, template = Code.XML_ERROR, Origin.DOMAIN, Fault.CALLER, "XML error: {message}"


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


class SystemError_(VirtError):
    """A system call failed; the message carries the errno's text."""

    code, fault = Code.SYSTEM_ERROR, Fault.HOST


class RpcError(VirtError):
    """The peer broke the protocol."""

    code, origin, fault = Code.RPC, Origin.RPC, Fault.PEER


class StartFailed(VirtError):
    """A guest did not start; ``findings`` says why, best first."""

    fault = Fault.HOST
    template = "internal error: {message}"

"""Saved state: guests saved and restored, their images looked into, and the job that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtup.daemon.handlers.domain import document, guest_of, refuse_any_flags
from virtup.daemon.registry import Args, Reply, handles
from virtup.errors import (
    Code,
    Fault,
    InvalidArgument,
    OperationDenied,
    OperationInvalid,
    Origin,
    VirtError,
)
from virtup.wire.typed import Typed, from_params, to_params

if TYPE_CHECKING:
    from virtup.daemon.client import Client

SAVE_RUNNING, SAVE_PAUSED = 2, 4
"""Of ``virDomainSaveRestoreFlags``: what the guest does once it is restored."""
XML_SECURE = 1
ABORT_POSTCOPY = 1

_INTS = frozenset({"operation", "auto_converge_throttle"})
"""Statistics of a job that clients expect as INT; every other number is ULLONG."""

_SAVE_PARAMS = ("file", "dxml", "image_format")
_RESTORE_PARAMS = ("file", "dxml")


# -- to and from a file of the caller's ------------------------------------------------------------


@handles("DOMAIN_SAVE", writes="virDomainSave")
async def save(client: Client, args: Args) -> Reply:
    """Save a running guest to a file and end it."""
    await guest_of(client, args).save(_absolute(args["to"]), None, 0)
    return None


@handles("DOMAIN_SAVE_FLAGS", writes="virDomainSaveFlags")
async def save_flags(client: Client, args: Args) -> Reply:
    """Save a running guest to a file and end it."""
    flags = _save_flags(args)
    xml = _optional_document(args["dxml"])
    await guest_of(client, args).save(_absolute(args["to"]), xml, flags)
    return None


@handles("DOMAIN_SAVE_PARAMS", writes="virDomainSaveParams")
async def save_params(client: Client, args: Args) -> Reply:
    """Save a running guest to the file that the parameters name, or else as its managed save."""
    flags = _save_flags(args)
    given = _texts(args["params"], _SAVE_PARAMS)
    guest = guest_of(client, args)
    path, xml, form = (given.get(name) for name in _SAVE_PARAMS)
    if path is not None:
        await guest.save(_absolute(path), _optional_document(xml), flags, form)
        return None
    if xml is not None or form is not None:
        raise ParameterUnsupported(
            "a managed save takes neither 'dxml' nor 'image_format': they need the parameter 'file'"
        )
    await guest.managed_save(flags)
    return None


@handles("DOMAIN_RESTORE", writes="virDomainRestore")
async def restore(client: Client, args: Args) -> Reply:
    """Restore a guest from a file."""
    await client.hypervisor.domains.restore(_absolute(args["from"]), None, 0)
    return None


@handles("DOMAIN_RESTORE_FLAGS", writes="virDomainRestoreFlags")
async def restore_flags(client: Client, args: Args) -> Reply:
    """Restore a guest from a file."""
    flags = _save_flags(args)
    xml = _optional_document(args["dxml"])
    await client.hypervisor.domains.restore(_absolute(args["from"]), xml, flags)
    return None


@handles("DOMAIN_RESTORE_PARAMS", writes="virDomainRestoreParams")
async def restore_params(client: Client, args: Args) -> Reply:
    """Restore a guest from the file that the parameters name."""
    flags = _save_flags(args)
    given = _texts(args["params"], _RESTORE_PARAMS)
    if "file" not in given:
        raise InvalidArgument("the parameter 'file', the image to restore, is missing")
    xml = _optional_document(given.get("dxml"))
    await client.hypervisor.domains.restore(_absolute(given["file"]), xml, flags)
    return None


# readable for writers only, as in libvirt: the daemon reads the file with its own rights
@handles("DOMAIN_SAVE_IMAGE_GET_XML_DESC", writes="virDomainSaveImageGetXMLDesc")
async def save_image_get_xml(client: Client, args: Args) -> Reply:
    """Tell the definition in an image."""
    path = _absolute(args["file"])
    return {"xml": await client.hypervisor.domains.save_image_xml(path, _xml_flags(args))}


@handles("DOMAIN_SAVE_IMAGE_DEFINE_XML", writes="virDomainSaveImageDefineXML")
async def save_image_define(client: Client, args: Args) -> Reply:
    """Change the definition in an image."""
    flags = _save_flags(args)
    xml = document(args["dxml"])
    await client.hypervisor.domains.save_image_define(_absolute(args["file"]), xml, flags)
    return None


# -- the managed save ------------------------------------------------------------------------------


@handles("DOMAIN_MANAGED_SAVE", writes="virDomainManagedSave")
async def managed_save(client: Client, args: Args) -> Reply:
    """Save a running guest for its next start and end it."""
    await guest_of(client, args).managed_save(_save_flags(args))
    return None


@handles("DOMAIN_HAS_MANAGED_SAVE_IMAGE")
async def has_managed_save(client: Client, args: Args) -> Reply:
    """Tell whether a managed save waits for a guest's next start."""
    refuse_any_flags(args)
    return {"result": int(guest_of(client, args).has_managed_save)}


@handles("DOMAIN_MANAGED_SAVE_REMOVE", writes="virDomainManagedSaveRemove")
async def managed_save_remove(client: Client, args: Args) -> Reply:
    """Give a managed save up."""
    await guest_of(client, args).managed_save_remove(args["flags"])
    return None


@handles("DOMAIN_MANAGED_SAVE_GET_XML_DESC")
async def managed_save_get_xml(client: Client, args: Args) -> Reply:
    """Tell the definition in a managed save; its secrets only to who may write."""
    guest, flags = guest_of(client, args), _xml_flags(args)
    if client.readonly and flags & XML_SECURE:
        raise OperationDenied("virDomainManagedSaveGetXMLDesc with secure flag")
    return {"xml": await guest.managed_save_xml(flags)}


@handles("DOMAIN_MANAGED_SAVE_DEFINE_XML", writes="virDomainManagedSaveDefineXML")
async def managed_save_define(client: Client, args: Args) -> Reply:
    """Change the definition in a managed save, or only whether the guest is to run."""
    flags = _save_flags(args)
    xml = _optional_document(args["dxml"])
    await guest_of(client, args).managed_save_define(xml or "", flags)
    return None


# -- the job ---------------------------------------------------------------------------------------


@handles("DOMAIN_GET_JOB_INFO")
async def get_job_info(client: Client, args: Args) -> Reply:
    """Tell how far a guest's job is."""
    return guest_of(client, args).job_info()


@handles("DOMAIN_GET_JOB_STATS")
async def get_job_stats(client: Client, args: Args) -> Reply:
    """Tell all that is known of a guest's job, or of the one that it completed last."""
    kind, found = guest_of(client, args).job_stats(args["flags"])
    return {"type": kind, "params": to_params({n: _typed(n, v) for n, v in found.items()})}


@handles("DOMAIN_ABORT_JOB", writes="virDomainAbortJob")
async def abort_job(client: Client, args: Args) -> Reply:
    """Have a guest's job end without its result."""
    await guest_of(client, args).abort_job(0)
    return None


@handles("DOMAIN_ABORT_JOB_FLAGS", writes="virDomainAbortJobFlags")
async def abort_job_flags(client: Client, args: Args) -> Reply:
    """Have a guest's job end without its result."""
    guest, flags = guest_of(client, args), args["flags"]
    if flags & ABORT_POSTCOPY:
        guest.job_info()  # refuses a guest that is off
        raise OperationInvalid("current job is not outgoing migration in post-copy mode")
    await guest.abort_job(flags)
    return None


class ParameterUnsupported(VirtError):
    """A typed parameter that this call does not take."""

    code, fault, template = Code.ARGUMENT_UNSUPPORTED, Fault.CALLER, "{message}"


def _save_flags(args: Args) -> int:
    """The flags of a save or restore, which cannot ask for running and paused at once."""
    flags: int = args["flags"]
    if flags & SAVE_RUNNING and flags & SAVE_PAUSED:
        raise VirtError(
            "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive",
            code=Code.INVALID_ARG,
            origin=Origin.DOM,
            fault=Fault.CALLER,
        )
    return flags


def _xml_flags(args: Args) -> int:
    flags: int = args["flags"]
    if flags & ~XML_SECURE:
        raise InvalidArgument(f"unsupported flags (0x{flags & ~XML_SECURE:x})")
    return flags


def _absolute(path: str) -> str:
    """The path as it is: libvirt's clients make it absolute, for the daemon's folder is not theirs.

    Raises InvalidArgument for one that is not.
    """
    if not path.startswith("/"):
        raise InvalidArgument(f"the image's path '{path}' is not absolute")
    return path


def _optional_document(text: str | None) -> str | None:
    return document(text) if text is not None else None


def _texts(params: list[dict[str, Any]], known: tuple[str, ...]) -> dict[str, str]:
    """The parameters by name; raises for one that is unknown, no text, or there twice."""
    found = from_params(params)
    for name, value in found.items():
        if name not in known:
            raise ParameterUnsupported(f"argument unsupported: parameter '{name}' not supported")
        if isinstance(value, list):
            raise InvalidArgument(f"parameter '{name}' occurs multiple times")
        if not isinstance(value, str):
            raise InvalidArgument(f"the parameter '{name}' has to be a string")
    return found


def _typed(name: str, value: Any) -> Any:
    """A statistic with the type that libvirt's clients expect of it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (Typed.INT if name in _INTS else Typed.ULLONG, value)
    return value

"""One guest: what it is, and what is done to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from virtup.daemon.bodies import domain_body
from virtup.daemon.registry import Args, Reply, handles
from virtup.errors import (
    Code,
    Fault,
    InvalidArgument,
    OperationDenied,
    OperationInvalid,
    OperationUnsupported,
    VirtError,
    XmlInvalid,
)

if TYPE_CHECKING:
    from virtup.daemon.client import Client
    from virtup.drivers.guest import Guest
    from virtup.model.domain import Domain

XML_SECURE, XML_MIGRATABLE, XML_KNOWN = 1, 8, 15
METADATA_DESCRIPTION, METADATA_TITLE = 0, 1
AFFECT_LIVE, AFFECT_CONFIG, VCPU_MAXIMUM, VCPU_GUEST = 1, 2, 4, 8
_ENCODING = re.compile(r"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']""")


def guest_of(client: Client, args: Args) -> Guest:
    """The guest that a call's ``dom`` names; raises DomainNotFound."""
    return client.hypervisor.domains.resolve(args["dom"])


def document(text: str) -> str:
    """A document that came over the wire as text, whatever encoding it declares.

    Raises XmlInvalid with the line when its bytes are not what it declares.
    """
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        declared = _ENCODING.match(text)
        name = declared[1] if declared else "UTF-8"
        line = text.count("\n", 0, exc.start) + 1
        raw = text.encode("utf-8", "surrogateescape")
        try:
            return raw.decode(name)
        except (LookupError, UnicodeDecodeError):
            raise XmlInvalid(f"the document is not valid {name}, at line {line}") from None
    return text


# -- made and ended --------------------------------------------------------------------------------


@handles("DOMAIN_CREATE_XML", writes="virDomainCreateXML")
async def create_xml(client: Client, args: Args) -> Reply:
    """Start a guest that is not defined."""
    xml = document(args["xml_desc"])
    guest = await client.hypervisor.domains.create(xml, args["flags"], client.id)
    return {"dom": domain_body(guest.ref)}


@handles("DOMAIN_DEFINE_XML", writes="virDomainDefineXML")
async def define_xml(client: Client, args: Args) -> Reply:
    """Define a guest."""
    guest = await client.hypervisor.domains.define(document(args["xml"]), 0)
    return {"dom": domain_body(guest.ref)}


@handles("DOMAIN_DEFINE_XML_FLAGS", writes="virDomainDefineXMLFlags")
async def define_xml_flags(client: Client, args: Args) -> Reply:
    """Define a guest."""
    guest = await client.hypervisor.domains.define(document(args["xml"]), args["flags"])
    return {"dom": domain_body(guest.ref)}


@handles("DOMAIN_UNDEFINE", writes="virDomainUndefine")
async def undefine(client: Client, args: Args) -> Reply:
    """Forget a definition."""
    await guest_of(client, args).undefine(0)
    return None


@handles("DOMAIN_UNDEFINE_FLAGS", writes="virDomainUndefineFlags")
async def undefine_flags(client: Client, args: Args) -> Reply:
    """Forget a definition."""
    await guest_of(client, args).undefine(args["flags"])
    return None


@handles("DOMAIN_CREATE", writes="virDomainCreate")
async def create(client: Client, args: Args) -> Reply:
    """Start a defined guest."""
    await guest_of(client, args).start(0, client.id)
    return None


@handles("DOMAIN_CREATE_WITH_FLAGS", writes="virDomainCreateWithFlags")
async def create_with_flags(client: Client, args: Args) -> Reply:
    """Start a defined guest."""
    guest = guest_of(client, args)
    await guest.start(args["flags"], client.id)
    return {"dom": domain_body(guest.ref)}


@handles("DOMAIN_DESTROY", writes="virDomainDestroy")
async def destroy(client: Client, args: Args) -> Reply:
    """End a guest at once."""
    await guest_of(client, args).destroy(0)
    return None


@handles("DOMAIN_DESTROY_FLAGS", writes="virDomainDestroyFlags")
async def destroy_flags(client: Client, args: Args) -> Reply:
    """End a guest at once."""
    await guest_of(client, args).destroy(args["flags"])
    return None


@handles("DOMAIN_SHUTDOWN", writes="virDomainShutdown")
async def shutdown(client: Client, args: Args) -> Reply:
    """Ask a guest to shut down."""
    await guest_of(client, args).shutdown(0)
    return None


@handles("DOMAIN_SHUTDOWN_FLAGS", writes="virDomainShutdownFlags")
async def shutdown_flags(client: Client, args: Args) -> Reply:
    """Ask a guest to shut down."""
    await guest_of(client, args).shutdown(args["flags"])
    return None


@handles("DOMAIN_REBOOT", writes="virDomainReboot")
async def reboot(client: Client, args: Args) -> Reply:
    """Ask a guest to reboot."""
    await guest_of(client, args).reboot(args["flags"])
    return None


@handles("DOMAIN_RESET", writes="virDomainReset")
async def reset(client: Client, args: Args) -> Reply:
    """Reset a guest without asking it."""
    await guest_of(client, args).reset(args["flags"])
    return None


@handles("DOMAIN_SUSPEND", writes="virDomainSuspend")
async def suspend(client: Client, args: Args) -> Reply:
    """Stop a guest's vCPUs."""
    await guest_of(client, args).suspend()
    return None


@handles("DOMAIN_RESUME", writes="virDomainResume")
async def resume(client: Client, args: Args) -> Reply:
    """Let a guest's vCPUs run again."""
    await guest_of(client, args).resume()
    return None


@handles("DOMAIN_SET_AUTOSTART", writes="virDomainSetAutostart")
async def set_autostart(client: Client, args: Args) -> Reply:
    """Have a guest started with the host, or not."""
    await guest_of(client, args).set_autostart(bool(args["autostart"]))
    return None


@handles("DOMAIN_SET_TIME", writes="virDomainSetTime")
async def set_time(client: Client, args: Args) -> Reply:
    """Have a guest's clock set by its agent."""
    await guest_of(client, args).set_time(args["seconds"], args["nseconds"], args["flags"])
    return None


@handles("DOMAIN_SET_AUTOSTART_ONCE", writes="virDomainSetAutostartOnce")
async def set_autostart_once(client: Client, args: Args) -> Reply:
    """Have a guest started with the host the next time alone, or not."""
    await guest_of(client, args).set_autostart_once(bool(args["autostart"]))
    return None


# -- read ------------------------------------------------------------------------------------------


@handles("DOMAIN_GET_XML_DESC")
async def get_xml_desc(client: Client, args: Args) -> Reply:
    """Tell a guest's XML; its secrets only to who may write."""
    guest, flags = guest_of(client, args), args["flags"]
    if flags & ~XML_KNOWN:
        raise InvalidArgument(f"unsupported flags (0x{flags & ~XML_KNOWN:x})")
    if client.readonly and flags & (XML_SECURE | XML_MIGRATABLE):
        raise OperationDenied("virDomainGetXMLDesc with secure flag")
    return {"xml": guest.xml(flags)}


@handles("CONNECT_DOMAIN_XML_TO_NATIVE", writes="virConnectDomainXMLToNative")
async def xml_to_native(client: Client, args: Args) -> Reply:
    """Tell the command line that a document would give."""
    refuse_any_flags(args)
    xml = document(args["domainXml"])
    return {
        "nativeConfig": await client.hypervisor.domains.xml_to_native(args["nativeFormat"], xml)
    }


@handles("DOMAIN_GET_INFO")
async def get_info(client: Client, args: Args) -> Reply:
    """Tell a guest's state, memory and CPU time."""
    return guest_of(client, args).info()


@handles("DOMAIN_MEMORY_STATS")
async def memory_stats(client: Client, args: Args) -> Reply:
    """Tell what a running guest has of memory, as far as that is known without asking it."""
    refuse_any_flags(args)
    found = guest_of(client, args).memory_stats()
    stats = [{"tag": tag, "val": value} for tag, value in found.items()]
    return {"stats": stats[: args["maxStats"]]}


@handles("DOMAIN_GET_STATE")
async def get_state(client: Client, args: Args) -> Reply:
    """Tell a guest's state and why it is in it."""
    refuse_any_flags(args)
    state, reason = guest_of(client, args).state()
    return {"state": state, "reason": reason}


@handles("DOMAIN_GET_OS_TYPE")
async def get_os_type(client: Client, args: Args) -> Reply:
    """Tell a guest's OS type."""
    return {"type": guest_of(client, args).os_type()}


@handles("DOMAIN_GET_AUTOSTART")
async def get_autostart(client: Client, args: Args) -> Reply:
    """Tell whether a guest starts with the host."""
    return {"autostart": int(guest_of(client, args).autostart)}


@handles("DOMAIN_GET_AUTOSTART_ONCE")
async def get_autostart_once(client: Client, args: Args) -> Reply:
    """Tell whether a guest starts with the host the next time."""
    return {"autostart": int(guest_of(client, args).autostart_once)}


@handles("DOMAIN_IS_ACTIVE")
async def is_active(client: Client, args: Args) -> Reply:
    """Tell whether a guest runs."""
    return {"active": int(guest_of(client, args).active)}


@handles("DOMAIN_IS_PERSISTENT")
async def is_persistent(client: Client, args: Args) -> Reply:
    """Tell whether a guest is defined."""
    return {"persistent": int(guest_of(client, args).persistent)}


@handles("DOMAIN_IS_UPDATED")
async def is_updated(client: Client, args: Args) -> Reply:
    """Tell whether a guest's definition changed since it started."""
    return {"updated": int(guest_of(client, args).updated)}


@handles("DOMAIN_GET_MESSAGES")
async def get_messages(client: Client, args: Args) -> Reply:
    """Tell what should be known about a guest, such as what taints it."""
    return {"msgs": guest_of(client, args).messages(args["flags"])}


@handles("DOMAIN_GET_METADATA")
async def get_metadata(client: Client, args: Args) -> Reply:
    """Tell a guest's title or description."""
    guest, flags = guest_of(client, args), args["flags"]
    definition = _chosen_definition(guest, flags)
    texts = {METADATA_DESCRIPTION: definition.description, METADATA_TITLE: definition.title}
    if args["type"] not in texts:
        raise OperationUnsupported("metadata elements are told by the guest's XML alone")
    text = texts[args["type"]]
    if text is None:
        raise VirtError(
            "metadata not found: Requested metadata element is not present",
            code=Code.NO_DOMAIN_METADATA,
            fault=Fault.CALLER,
        )
    return {"metadata": text}


@handles("DOMAIN_GET_MAX_MEMORY")
async def get_max_memory(client: Client, args: Args) -> Reply:
    """Tell how much memory a guest may have, in KiB."""
    return {"memory": guest_of(client, args).info()["maxMem"]}


@handles("DOMAIN_GET_VCPUS_FLAGS")
async def get_vcpus_flags(client: Client, args: Args) -> Reply:
    """Tell how many vCPUs a guest has, or may have."""
    guest, flags = guest_of(client, args), args["flags"]
    if flags & VCPU_GUEST:
        raise OperationUnsupported("the guest agent is not asked for its vCPUs")
    definition = _chosen_definition(guest, flags & ~VCPU_MAXIMUM)
    if flags & VCPU_MAXIMUM:
        return {"num": definition.vcpus}
    return {"num": guest.info()["nrVirtCpu"]}


@handles("DOMAIN_GET_MAX_VCPUS")
async def get_max_vcpus(client: Client, args: Args) -> Reply:
    """Tell how many vCPUs a guest may have."""
    return {"num": _chosen_definition(guest_of(client, args), 0).vcpus}


@handles("DOMAIN_GET_CONTROL_INFO")
async def get_control_info(client: Client, args: Args) -> Reply:
    """Tell that a running guest's monitor is free: no call waits for another guest's."""
    refuse_any_flags(args)
    if not guest_of(client, args).active:
        raise OperationInvalid("domain is not running")
    return {"state": 0, "details": 0, "stateTime": 0}


@handles("DOMAIN_GET_SECURITY_LABEL")
async def get_security_label(client: Client, args: Args) -> Reply:
    """Tell that a guest has no security label."""
    guest_of(client, args)
    return {"label": "", "enforcing": 0}


@handles("DOMAIN_GET_SECURITY_LABEL_LIST")
async def get_security_label_list(client: Client, args: Args) -> Reply:
    """Tell that a guest has no security labels."""
    guest_of(client, args)
    return {"labels": [], "ret": 0}


def _chosen_definition(guest: Guest, flags: int) -> Domain:
    """The live or the persistent definition, as ``virDomainModificationImpact`` asks for."""
    if flags & ~(AFFECT_LIVE | AFFECT_CONFIG):
        raise InvalidArgument(f"unsupported flags (0x{flags:x})")
    if flags & AFFECT_LIVE and not guest.active:
        raise OperationInvalid("domain is not running")
    if flags & AFFECT_CONFIG and not guest.persistent:
        raise OperationInvalid("transient domains do not have any persistent config")
    live = guest.machine is not None and not flags & AFFECT_CONFIG
    return guest.machine.live if live and guest.machine is not None else guest.definition


def refuse_any_flags(args: Args) -> None:
    """Refuse a call with flags that takes none."""
    if args["flags"]:
        raise InvalidArgument(f"unsupported flags (0x{args['flags']:x})")

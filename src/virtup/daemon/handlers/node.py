"""The host: what it is, what its QEMU can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtup.daemon.registry import Args, Reply, handles
from virtup.errors import InvalidArgument

if TYPE_CHECKING:
    from virtup.daemon.client import Client

MAX_VCPUS = {None: 16, "qemu": 16, "kvm": 1024}
"""What libvirt 9.0 answers for x86_64: a constant for QEMU's own emulation, KVM's limit."""


@handles("CONNECT_GET_VERSION", abandoned=True)
async def get_version(client: Client, _args: Args) -> Reply:
    """Tell QEMU's version, as 1,000,000 * major + 1,000 * minor + micro."""
    return {"hv_ver": await client.hypervisor.node.version()}


@handles("CONNECT_GET_HOSTNAME", abandoned=True)
async def get_hostname(client: Client, _args: Args) -> Reply:
    """Tell the host's name."""
    return {"hostname": await client.hypervisor.node.hostname()}


@handles("NODE_GET_INFO")
async def get_info(client: Client, _args: Args) -> Reply:
    """Tell the host's processors and memory."""
    return client.hypervisor.node.info()


@handles("CONNECT_GET_CAPABILITIES", abandoned=True)
async def get_capabilities(client: Client, _args: Args) -> Reply:
    """Tell what the host and its QEMUs can run."""
    return {"capabilities": await client.hypervisor.node.capabilities_xml()}


@handles("CONNECT_GET_DOMAIN_CAPABILITIES", abandoned=True)
async def get_domain_capabilities(client: Client, args: Args) -> Reply:
    """Tell what a guest of one emulator and machine type can have."""
    xml = await client.hypervisor.node.domain_capabilities_xml(
        args["emulatorbin"], args["arch"], args["machine"], args["virttype"], args["flags"]
    )
    return {"capabilities": xml}


@handles("CONNECT_GET_MAX_VCPUS")
async def get_max_vcpus(_client: Client, args: Args) -> Reply:
    """Tell how many vCPUs a guest of one domain type may have."""
    if args["type"] not in MAX_VCPUS:
        raise InvalidArgument(f"unknown type '{args['type']}'")
    return {"max_vcpus": MAX_VCPUS[args["type"]]}


@handles("NODE_GET_SECURITY_MODEL")
async def get_security_model(_client: Client, _args: Args) -> Reply:
    """Tell that no security model labels guests, as libvirt says it."""
    return {"model": "none", "doi": "0"}

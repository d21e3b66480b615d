"""virtup's own program: what libvirt has no call for; requests and replies are JSON texts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtup import __version__
from virtup.daemon.registry import Args, Reply, handles
from virtup.daemon.requests import domain, reply, request
from virtup.errors import InvalidArgument, OperationDenied
from virtup.wire.tables import VIRTUP

if TYPE_CHECKING:
    from virtup.daemon.client import Client


@handles("PING", program=VIRTUP, unopened=True)
async def ping(_client: Client, args: Args) -> Reply:
    """Tell who serves: ``{"version", "pid"}``."""
    request(args)
    return reply({"version": __version__, "pid": os.getpid()})


@handles("CHECK", program=VIRTUP)
async def check(client: Client, args: Args) -> Reply:
    """Tell what a start would come to: of ``{"domain"}``, ``{"xml"}`` or ``{"all": true}``.

    The reply is a verdict, of all of them ``{"verdicts": [...]}``. A document may name a program
    to run and any file of the host: a read-only connection may not have one looked into.
    """
    asked = request(args)
    checks = client.hypervisor.checks
    if asked.get("all") is True:
        return reply({"verdicts": [one.to_dict() for one in await checks.all()]})
    xml = asked.get("xml")
    if not isinstance(xml, str):
        return reply(await client.hypervisor.check(domain(asked)))
    if client.readonly:
        raise OperationDenied("read only access prevents the check of a document")
    return reply((await checks.document(xml)).to_dict())


@handles("VERIFY_IMAGE", program=VIRTUP, writes="the check of an image")
async def verify_image(client: Client, args: Args) -> Reply:
    """Read the whole image at ``{"path": absolute}`` and tell what is in it and wrong with it.

    The reply has ``path``, ``verdict`` (``whole``, ``not checkable``, ``damaged``, ``consumed``,
    ``disks changed``, ``cannot run here``), ``damage`` and ``sentence`` (both empty where nothing
    is wrong), and ``contents``.
    """
    path = request(args).get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidArgument("the request has no 'path', the absolute path of an image")
    return reply(await client.hypervisor.domains.verify_image(path))


@handles("BOOT", program=VIRTUP)
async def boot(client: Client, args: Args) -> Reply:
    """Tell what started with the host: ``{"guests": [...], "save_dir"}``, as the driver has it."""
    request(args)
    return reply(client.hypervisor.boot_summary())

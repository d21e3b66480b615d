"""A server in this process, with a fake hypervisor behind it and a real socket before it."""

import asyncio
import dataclasses

import pytest

from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.peer import Peer
from virtup.daemon.config import Config
from virtup.daemon.server import Server
from virtup.host import link


class Served:
    """A running server; ``connect`` makes clients that are closed with it."""

    def __init__(self, hypervisor, server, path):
        self.hypervisor = hypervisor
        self.server = server
        self.path = path
        self.peers = []

    async def connect(self, *, readonly=False, **how):
        peer = await Peer.connect(self.path + "-ro" * readonly, **how)
        self.peers.append(peer)
        return peer

    async def settled(self, ask, what):
        async with asyncio.timeout(20):
            while not ask():
                await asyncio.sleep(0.005)
        assert ask(), what


@pytest.fixture
async def serve(tmp_path_factory):
    """``await serve(max_clients=1)`` gives a Served; everything ends with the test."""
    running = []

    async def start(*, kind="system", idle_s=0.0, **config):
        hypervisor = FakeHypervisor(kind)
        server = Server(hypervisor, dataclasses.replace(Config(), **config), idle_s=idle_s)
        path = str(tmp_path_factory.mktemp("s") / "sock")
        ends = [(link.listen(path), False), (link.listen(path + "-ro"), True)]
        await server.listen(ends)
        served = Served(hypervisor, server, path)
        served.task = asyncio.ensure_future(server.serve())
        running.append(served)
        return served

    yield start
    for served in running:
        for peer in served.peers:
            peer.close()
        served.server.stop()
        await asyncio.wait_for(served.task, 20)
        for guest in served.hypervisor.domains.all():
            for console in guest.consoles:
                console.close()
                console.far.close()
    await asyncio.sleep(0)

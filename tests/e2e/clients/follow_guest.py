#!/usr/bin/python3
"""What a program written for libvirt does with a guest, through Debian's python3-libvirt.

    follow_guest.py URI XMLFILE

Run by the tests with the system's Python, which has that module. Prints a JSON object of what was
seen; everything that libvirt says on standard error is silenced.
"""

import json
import sys
import threading
import time

import libvirt
import libvirt_qemu

BOUND_S = 60
seen = {"events": [], "agent": [], "closed": [], "console": ""}


def loop():
    while True:
        libvirt.virEventRunDefaultImpl()


def until(holds, what):
    end = time.monotonic() + BOUND_S
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"not in time: {what}: {json.dumps(seen)}")
        time.sleep(0.02)


def on_lifecycle(_conn, dom, event, detail, _opaque):
    seen["events"].append([dom.name(), event, detail])


def on_agent(_conn, dom, state, reason, _opaque):
    seen["agent"].append([dom.name(), state, reason])


def on_close(_conn, reason, _opaque):
    seen["closed"].append(reason)


def refused(act, *args):
    """The libvirt error that a call ends in: code, domain, message."""
    try:
        act(*args)
    except libvirt.libvirtError as error:
        return [error.get_error_code(), error.get_error_domain(), error.get_error_message()]
    return None


def look_around(conn):
    seen["connection"] = {
        "type": conn.getType(),
        "uri": conn.getURI(),
        "alive": conn.isAlive(),
        "secure": conn.isSecure(),
        "encrypted": conn.isEncrypted(),
        "versions": [conn.getVersion() > 2_000_000, conn.getLibVersion()],
        "info": len(conn.getInfo()),
        "hostname": bool(conn.getHostname()),
        "capabilities": conn.getCapabilities().startswith("<capabilities>"),
        "domain capabilities": conn.getDomainCapabilities(None, "x86_64", "q35", "qemu", 0)[:20],
        "networks": conn.listNetworks(),
        "domains": [conn.numOfDomains(), conn.listDefinedDomains(), conn.listDomainsID()],
    }
    seen["missing"] = refused(conn.lookupByName, "nobody")
    seen["bad xml"] = refused(conn.defineXML, "<domain")[:2]


def describe(dom):
    return {
        "name": dom.name(),
        "uuid": dom.UUIDString(),
        "id": dom.ID(),
        "os": dom.OSType(),
        "state": dom.state(),
        "info": dom.info()[:4],
        "active": dom.isActive(),
        "persistent": dom.isPersistent(),
        "autostart": dom.autostart(),
        "memory": dom.maxMemory(),
        "xml": dom.XMLDesc(0).startswith("<domain type='qemu'"),
    }


def blocking_console(conn, dom):
    """A console as a program reads it that has nothing else to do."""
    stream = conn.newStream(0)
    dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    text = b""
    while b"GUEST-READY" not in text:
        text += stream.recv(1024)
    stream.abort()
    seen["console"] = text.decode(errors="replace")


def console_in_the_loop(conn, dom):
    """A console as virt-manager reads it: from the event loop, without blocking."""
    stream = conn.newStream(libvirt.VIR_STREAM_NONBLOCK)
    dom.openConsole(None, stream, 0)
    got = []

    def ready(_stream, events, _opaque):
        if events & libvirt.VIR_STREAM_EVENT_READABLE:
            data = stream.recv(1024)
            if isinstance(data, bytes):
                got.append(data)

    stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE, ready, None)
    until(lambda: b"tick" in b"".join(got), "the console ticks")
    seen["second console"] = refused(dom.openConsole, None, conn.newStream(0), 0)[0]
    stream.eventRemoveCallback()
    stream.finish()


def main(uri, path):
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=loop, daemon=True).start()
    conn = libvirt.open(uri)
    conn.setKeepAlive(5, 3)
    conn.registerCloseCallback(on_close, None)
    for kind, callback in (
        (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_lifecycle),
        (libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, on_agent),
    ):
        conn.domainEventRegisterAny(None, kind, callback, None)
    look_around(conn)
    with open(path) as file:
        dom = conn.defineXML(file.read())
    dom.setAutostart(1)
    seen["defined"] = describe(dom)
    dom.create()
    seen["running"] = describe(dom)
    blocking_console(conn, dom)
    console_in_the_loop(conn, dom)
    dom.suspend()
    seen["paused"] = dom.state()
    dom.resume()
    seen["monitor"] = json.loads(
        libvirt_qemu.qemuMonitorCommand(dom, '{"execute":"query-status"}', 0)
    )["return"]["status"]
    until(lambda: ["vm", 1, 2] in seen["agent"], "the agent is told of")
    seen["agent says"] = libvirt_qemu.qemuAgentCommand(dom, '{"execute":"guest-ping"}', 5, 0)
    seen["already"] = refused(dom.create)
    seen["listed"] = [
        one.name() for one in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    ]
    dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    until(lambda: not dom.isActive(), "the guest goes down")
    seen["off"] = dom.state()
    dom.setAutostart(0)
    dom.undefine()
    until(lambda: seen["events"] and seen["events"][-1][1:] == [1, 0], "the end is told of")
    conn.unregisterCloseCallback()
    conn.close()
    json.dump(seen, sys.stdout)


main(*sys.argv[1:])

"""capabilities, domcapabilities, hostname, nodeinfo, uri, version."""

from __future__ import annotations

from virtup.cli.grammar import flag, text
from virtup.cli.run import Run
from virtup.cli.verb import verb

API_VERSION = "9.0.0"
"""The version of libvirt whose RPC and forms virtup speaks; told where virsh tells its library's."""

_NODE = (
    ("CPU model", "model", "{}"),
    ("CPU(s)", "cpus", "{}"),
    ("CPU frequency", "mhz", "{} MHz"),
    ("CPU socket(s)", "sockets", "{}"),
    ("Core(s) per socket", "cores", "{}"),
    ("Thread(s) per core", "threads", "{}"),
    ("NUMA cell(s)", "nodes", "{}"),
    ("Memory size", "memory", "{} KiB"),
)


@verb("uri", "tell the connection URI of the daemon")
def uri(run: Run) -> None:
    """Print the URI that was given, or the daemon's own."""
    target = run.conn.target
    given = target.given if target is not None else None
    run.value("uri", given or run.conn.call("CONNECT_GET_URI")["uri"])


@verb("hostname", "tell the name of the host")
def hostname(run: Run) -> None:
    """Print the host's name."""
    with run.trying("failed to get hostname"):
        run.value("hostname", run.conn.call("CONNECT_GET_HOSTNAME")["hostname"])


@verb("nodeinfo", "tell what the host has", description="CPUs and memory of the host.")
def nodeinfo(run: Run) -> None:
    """Print the host's CPUs and memory."""
    with run.trying("failed to get node information"):
        info = run.conn.call("NODE_GET_INFO")
    if run.json:
        run.document({"memory_kib" if k == "memory" else k: info[k] for _, k, _ in _NODE})
        return
    run.out("".join(f"{label + ':':<20} {form.format(info[k])}\n" for label, k, form in _NODE))


@verb("version", "tell the versions", flag("daemon", "the daemon's version, too"))
def version(run: Run, *, daemon: bool) -> None:
    """Print the versions of the API, QEMU and the daemon."""
    kind = run.conn.call("CONNECT_GET_TYPE")["type"]
    library = dotted(run.conn.call("CONNECT_GET_LIB_VERSION")["lib_ver"])
    with run.trying("failed to get the hypervisor version"):
        hypervisor = dotted(run.conn.call("CONNECT_GET_VERSION")["hv_ver"])
    if run.json:
        from virtup import __version__

        run.document(
            {"virtup": __version__, "api": API_VERSION, kind.lower(): hypervisor, "daemon": library}
        )
        return
    run.line(f"Compiled against library: libvirt {API_VERSION}")
    run.line(f"Using library: libvirt {API_VERSION}")
    run.line(f"Using API: {kind} {API_VERSION}")
    run.line(f"Running hypervisor: {kind} {hypervisor}")
    if daemon:
        run.line(f"Running against daemon: {library}")


@verb("capabilities", "tell what the host can do")
def capabilities(run: Run) -> None:
    """Print the host's capabilities as XML."""
    with run.trying("failed to get capabilities"):
        run.value("xml", run.conn.call("CONNECT_GET_CAPABILITIES")["capabilities"])


@verb(
    "domcapabilities",
    "tell what an emulator can do on this host",
    text("virttype", "type of virtualization (/domain/@type)", completes=("kvm", "qemu")),
    text("emulatorbin", "the emulator (/domain/devices/emulator)", completes="file"),
    text("arch", "architecture (/domain/os/type/@arch)"),
    text("machine", "machine type (/domain/os/type/@machine)"),
)
def domcapabilities(
    run: Run,
    *,
    virttype: str | None,
    emulatorbin: str | None,
    arch: str | None,
    machine: str | None,
) -> None:
    """Print an emulator's capabilities as XML."""
    with run.trying("failed to get emulator capabilities"):
        reply = run.conn.call(
            "CONNECT_GET_DOMAIN_CAPABILITIES",
            emulatorbin=emulatorbin,
            arch=arch,
            machine=machine,
            virttype=virttype,
            flags=0,
        )
    run.value("xml", reply["capabilities"])


def dotted(number: int) -> str:
    """A version as libvirt counts it (a million, a thousand, one) with dots."""
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"

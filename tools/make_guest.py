#!/usr/bin/env python3
"""Make the tiny Linux guest of the demo and the tests.

    make_guest.py [DIR]

DIR (default: $VIRTUP_GUEST, else /var/lib/virtup/demo for root, ~/.cache/virtup/demo for others)
gets ``vmlinuz``, Debian's cloud kernel; ``initrd.img``, busybox and the drivers of QEMU's devices;
``initrd-agent.img``, the same with QEMU's guest agent; and ``disk.img``, an empty disk of 16 MiB.
The packages come through apt and are only unpacked, never installed, so no root is needed.
A guest that is there and made by this same program is kept. The last line printed is DIR.

It runs before the project's environment exists: the standard library and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNEL = "linux-image-cloud-amd64"
AGENT = "qemu-guest-agent"
DRIVERS = """
    virtio_pci virtio_net virtio_blk virtio_scsi virtio_balloon virtio_rng virtio_console
    button evdev ata_piix sd_mod
"""
APPLETS = """
    sh cat dd dmesg echo find free getty grep halt head hostname ip kill login ls mkdir modprobe
    mount ping poweroff ps reboot route sed setsid sleep sort stty sync top udhcpc uname vi xargs
"""
DISK_BYTES = 16 << 20
FILES = ("vmlinuz", "initrd.img", "initrd-agent.img", "disk.img")


class Refusal(Exception):
    """The guest cannot be made; the text is for a person."""


def main() -> int:
    """Make the guest or keep it, and print where it is."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else default_dir()
    try:
        make(target)
    except Refusal as refusal:
        print(f"make_guest: {refusal}", file=sys.stderr)
        return 1
    print(target)
    return 0


def default_dir() -> Path:
    """Where the guest is kept when nobody says otherwise."""
    if chosen := os.environ.get("VIRTUP_GUEST"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/virtup/demo")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "virtup" / "demo"


def make(target: Path) -> None:
    """Fill *target* under a lock; files appear whole or not at all."""
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        recipe, stamp = fingerprint(), target / ".made-by"
        whole = all((target / name).exists() for name in FILES)
        if not (whole and stamp.exists() and stamp.read_text() == recipe):
            print("making the guest: a kernel and a busybox, once", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="virtup-guest.") as scratch:
                build(target, Path(scratch))
            stamp.write_text(recipe)
        open_up(target)


def open_up(target: Path) -> None:
    """Let every user read the guest, as QEMU's must, and be its owner again.

    A demo or a libvirt that was broken off may have left it otherwise.
    """
    target.chmod(0o755)
    for name in FILES:
        with contextlib.suppress(OSError):
            os.removexattr(target / name, "system.posix_acl_access")
        os.chown(target / name, os.geteuid(), os.getegid())
        (target / name).chmod(0o644)


def fingerprint() -> str:
    """Change whenever this program or what it packs of its own changes."""
    digest = hashlib.sha256()
    for path in sorted([Path(__file__), *(HERE / "guest").iterdir()]):
        digest.update(path.read_bytes())
    return digest.hexdigest() + "\n"


def build(target: Path, scratch: Path) -> None:
    """Fetch the packages and write the four files."""
    busybox = find_busybox(scratch)
    apt = Apt(scratch)
    kernel, modules = unpack_kernel(apt.download(apt.dependency(KERNEL, "linux-image-")))
    tree = base_tree(busybox, modules)
    with_agent = {**tree, **agent_tree(apt.download(AGENT))}
    publish(target / "vmlinuz", kernel)
    publish(target / "initrd.img", pack(tree))
    publish(target / "initrd-agent.img", pack(with_agent))
    disk = target / "disk.img"
    if not disk.exists():
        publish(disk, b"")
        os.truncate(disk, DISK_BYTES)


def publish(path: Path, data: bytes) -> None:
    """Write *data* to *path*, seen by others only when it is whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a program of Debian's and return what it printed; raise Refusal with its words."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise Refusal(
            f"'{command[0]}' is not installed; the guest is made of Debian's packages"
        ) from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise Refusal(f"'{' '.join(command)}' failed: {words}")
    return done.stdout


class Apt:
    """Packages by name through apt, with package lists of our own if the host has none."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        if not self.known():
            print("fetching Debian's package lists", file=sys.stderr)
            state = scratch / "apt"
            (state / "lists" / "partial").mkdir(parents=True)
            (state / "cache" / "archives" / "partial").mkdir(parents=True)
            self.options += ["-o", f"Dir::State::lists={state}/lists"]
            self.options += ["-o", f"Dir::Cache={state}/cache"]
            run("apt-get", *self.options, "-qq", "update")

    def known(self) -> bool:
        """Whether the host's own lists know the kernel and the agent."""
        listed = [run("apt-cache", "policy", name) for name in (KERNEL, AGENT)]
        return all(re.search(r"Candidate: (?!\(none\))", text) for text in listed)

    def dependency(self, package: str, prefix: str) -> str:
        """Name the package that a metapackage stands for."""
        text = run("apt-cache", *self.options, "depends", package)
        found = re.search(rf"Depends: ({re.escape(prefix)}\S+)", text)
        if not found:
            raise Refusal(f"the package '{package}' does not name a kernel")
        return found[1]

    def download(self, package: str) -> Path:
        """Fetch the newest *package*; its file lies in the scratch directory."""
        place = self.scratch / package
        place.mkdir(parents=True)
        run("apt-get", *self.options, "-qq", "download", package, cwd=place)
        files = list(place.glob("*.deb"))
        if len(files) != 1:
            raise Refusal(f"apt brought {len(files)} files for the package '{package}', not one")
        return files[0]


def find_busybox(scratch: Path) -> bytes:
    """Return a busybox that needs no library: the host's, else the one from Debian's package."""
    for place in ("/bin/busybox", "/usr/bin/busybox"):
        if Path(place).exists() and b"\0/lib64/ld-linux" not in Path(place).read_bytes():
            return Path(place).read_bytes()
    for name, data in members(Apt(scratch / "busybox").download("busybox-static")):
        if name.endswith("bin/busybox"):
            return data
    raise Refusal("the package 'busybox-static' has no busybox in it")


def members(package: Path) -> Iterator[tuple[str, bytes]]:
    """Give each regular file of a package with its path, without unpacking it to disk."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for entry in archive:
                reader = archive.extractfile(entry) if entry.isreg() else None
                if reader:
                    yield entry.name.removeprefix("./"), reader.read()


def unpack_kernel(package: Path) -> tuple[bytes, dict[str, bytes]]:
    """Return the kernel and the modules that the guest's drivers need, by file path."""
    kernel, found = b"", dict[str, tuple[str, bytes]]()
    for path, data in members(package):
        if path.startswith("boot/vmlinuz-"):
            kernel = data
        elif path.endswith(".ko"):
            found[module_name(path)] = (path.removeprefix("usr/"), data)
    wanted, queue = dict[str, bytes](), DRIVERS.split()
    while queue:
        name = queue.pop()
        if name not in found:
            raise Refusal(f"the kernel's package has no module '{name}'")
        path, data = found[name]
        if path not in wanted:
            wanted[path] = data
            queue += depends(data)
    if not kernel:
        raise Refusal("the kernel's package has no kernel in it")
    return kernel, wanted


def module_name(path: str) -> str:
    """Return the name that other modules call the one in *path* by."""
    return path.rpartition("/")[2].removesuffix(".ko").replace("-", "_")


def modinfo(module: bytes, key: str) -> list[str]:
    """Return the values that a module's .modinfo section has for *key*."""
    return [m.decode() for m in re.findall(rb"\0" + key.encode() + rb"=([^\0]*)\0", module)]


def depends(module: bytes) -> list[str]:
    """Return the names of the modules that must be loaded before this one."""
    return [
        name.replace("-", "_")
        for text in modinfo(module, "depends")
        for name in text.split(",")
        if name
    ]


def module_tables(modules: dict[str, bytes]) -> dict[str, bytes]:
    """Return modules.dep and modules.alias, as depmod would write them, beside the modules.

    What a module needs is loaded from the end of its line, so each stands after all that need it.
    """
    root = next(iter(modules)).split("/kernel/")[0]
    paths = {module_name(path): path for path in modules}

    def needs(name: str) -> list[str]:
        direct = depends(modules[paths[name]])
        every = direct + [far for near in direct for far in needs(near)]
        return list(dict.fromkeys(reversed(every)))[::-1]

    def inside(name: str) -> str:
        return paths[name].removeprefix(root + "/")

    dep = [f"{inside(n)}: {' '.join(inside(d) for d in needs(n))}".rstrip() for n in paths]
    alias = [
        f"alias {text} {n}" for n, path in paths.items() for text in modinfo(modules[path], "alias")
    ]
    return {
        f"{root}/modules.dep": "\n".join([*dep, ""]).encode(),
        f"{root}/modules.alias": "\n".join([*alias, ""]).encode(),
    }


def base_tree(busybox: bytes, modules: dict[str, bytes]) -> dict[str, bytes | str]:
    """Return the guest's root directory: bytes are files, a text is a link's target."""
    tree: dict[str, bytes | str] = {"bin/busybox": busybox, "sbin": "bin"}
    tree |= {f"bin/{applet}": "busybox" for applet in APPLETS.split()}
    tree |= {"init": (HERE / "guest" / "init").read_bytes()}
    tree |= {
        f"bin/{name}": (HERE / "guest" / name).read_bytes() for name in ("dhcp-lease", "shutdown")
    }
    tree |= {
        "etc/passwd": b"root::0:0:root:/:/bin/sh\n",
        "etc/group": b"root:x:0:\n",
        "etc/issue": b"\nLog in as root; there is no password.\n\n",
    }
    return tree | modules | module_tables(modules)


def agent_tree(package: Path) -> dict[str, bytes | str]:
    """Return QEMU's guest agent with the host's own libraries that it needs."""
    agent = next((d for name, d in members(package) if name.endswith("/qemu-ga")), b"")
    with tempfile.NamedTemporaryFile(prefix="qemu-ga.") as program:
        program.write(agent)
        program.flush()
        text = run("ldd", program.name)
    if "not found" in text:
        missing = re.findall(r"(\S+) => not found", text)
        raise Refusal(f"the guest agent needs {', '.join(missing)}, which QEMU's package brings")
    libraries = re.findall(r"(?:=> )?(/\S+) \(0x", text)
    tree: dict[str, bytes | str] = {"bin/qemu-ga": agent}
    return tree | {path.lstrip("/"): Path(path).read_bytes() for path in libraries}


def pack(tree: dict[str, bytes | str]) -> bytes:
    """Return *tree* as the kernel takes it: a gzipped cpio archive of the "newc" form."""
    out = io.BytesIO()
    directories = {"proc", "sys", "dev", "run", "tmp", "etc"}
    for path in tree:
        parts = path.split("/")[:-1]
        directories |= {"/".join(parts[: i + 1]) for i in range(len(parts))}
    for number, path in enumerate(sorted(directories)):
        entry(out, number, path, 0o040755, b"")
    for number, (path, content) in enumerate(sorted(tree.items()), len(directories)):
        if isinstance(content, str):
            entry(out, number, path, 0o120777, content.encode())
        else:
            entry(out, number, path, 0o100755, content)
    entry(out, 0, "TRAILER!!!", 0, b"")
    return gzip.compress(out.getvalue(), 6, mtime=0)


def entry(out: io.BytesIO, number: int, path: str, mode: int, content: bytes) -> None:
    """Add one file, directory or link to the archive."""
    name = path.encode() + b"\0"
    fields = (number + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
    out.write(b"\0" * (-out.tell() % 4) + content)
    out.write(b"\0" * (-out.tell() % 4))


if __name__ == "__main__":
    sys.exit(main())

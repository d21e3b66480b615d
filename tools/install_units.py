#!/usr/bin/env python3
"""Install the systemd units: virtupd, its socket, and virtup-guests.

    install_units.py [--user] [--bindir DIR] [--destdir DIR]

The units go to ``/etc/systemd/system``, with ``--user`` to the user units of everybody for root
(``/etc/systemd/user``) and to ``~/.config/systemd/user`` for others. DIR of ``--bindir`` is where
virtupd and virtup-guests are (default: beside this Python, else /usr/local/bin, else /usr/bin).
``--destdir`` puts everything below another root, for packagers. Nothing is enabled or started: the
commands that do are printed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

UNITS = Path(__file__).resolve().parent.parent / "systemd"
PROGRAMS = ("virtupd", "virtup-guests")
WRITTEN_FOR = "/usr/bin/"


def main() -> int:
    """Install, and say what to do next; 1 when the programs are not there."""
    options = _options()
    bindir = options.bindir or _find()
    if bindir is None:
        print("virtupd and virtup-guests were not found; say --bindir DIR", file=sys.stderr)
        return 1
    kind = "user" if options.user else "system"
    target = Path(options.destdir + str(_target(kind)))
    target.mkdir(parents=True, exist_ok=True)
    for unit in sorted((UNITS / kind).iterdir()):
        text = unit.read_text().replace(WRITTEN_FOR, f"{bindir.rstrip('/')}/")
        place = target / unit.name
        if not place.exists() or place.read_text() != text:
            place.write_text(text)
            print(f"written: {place}")
    scope = " --user" if options.user else ""
    print("now run:")
    print(f"    systemctl{scope} daemon-reload")
    print(f"    systemctl{scope} enable --now virtupd.socket virtupd.service virtup-guests.service")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Install virtup's systemd units.")
    parser.add_argument("--user", action="store_true", help="units of users' own managers")
    parser.add_argument("--bindir", metavar="DIR", help="where virtupd and virtup-guests are")
    parser.add_argument("--destdir", metavar="DIR", default="", help="install below this root")
    return parser.parse_args()


def _find() -> str | None:
    places = (os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin")
    return next((p for p in places if all(os.access(f"{p}/{n}", os.X_OK) for n in PROGRAMS)), None)


def _target(kind: str) -> Path:
    if kind == "user" and os.geteuid() != 0:
        config = os.environ.get("XDG_CONFIG_HOME") or f"{Path.home()}/.config"
        return Path(config) / "systemd" / "user"
    return Path("/etc/systemd") / kind


if __name__ == "__main__":
    sys.exit(main())

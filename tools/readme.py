#!/usr/bin/env python3
"""Put what the demo or the bench really printed into the README.

    readme.py demo       runs tools/demo.py
    readme.py figures    runs bench/run.py

Each goes between ``<!-- NAME -->`` and ``<!-- /NAME -->``; nothing else of the file changes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"
COMMANDS = {
    "demo": [sys.executable, "tools/demo.py"],
    "figures": [sys.executable, "bench/run.py"],
}
CONTROL = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|c)|[\x00-\x08\x0b-\x1f]")


def main() -> int:
    """Run the program that is named and replace its block."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print(f"usage: readme.py {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    name = sys.argv[1]
    done = subprocess.run(
        COMMANDS[name], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(f"readme: '{name}' ended with {done.returncode}:\n{done.stdout}", file=sys.stderr)
        return 1
    README.write_text(filled(README.read_text(), name, plain(done.stdout)))
    return 0


def plain(text: str) -> str:
    """Return *text* without what a terminal takes as orders, and without trailing blanks."""
    lines = [CONTROL.sub("", line).rstrip() for line in text.split("\n")]
    return "\n".join(lines).strip("\n")


def block(text: str, name: str) -> str:
    """Return what stands in the block *name*. Raises ValueError if there is not exactly one."""
    found = _pattern(name).findall(text)
    if len(found) != 1:
        raise ValueError(f"{README.name} has {len(found)} blocks '{name}'")
    return str(found[0])


def filled(text: str, name: str, content: str) -> str:
    """Return *text* with *content* in the block *name*."""
    block(text, name)
    new = f"<!-- {name} -->\n```console\n{content}\n```\n<!-- /{name} -->"
    return _pattern(name).sub(lambda _: new, text)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->\n```console\n(.*?)\n?```\n<!-- /{name} -->", re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())

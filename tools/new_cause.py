#!/usr/bin/env python3
"""Scaffold a cause: ``tools/new_cause.py storage disk-is-on-fire``.

Writes ``src/virtup/causes/FAMILY/NAME.py`` with the next free code, the four headings and one rule
to replace. The proof of the catalogue fails until the page is whole and the examples hold.
"""

import argparse
import re
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / "src" / "virtup" / "causes"

TEMPLATE = '''"""SENTENCE: what is wrong, in at most a hundred characters.

## What it means

## How to confirm

## What to do

## Strings it goes by
- `words of QEMU or libvirt`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "{code}"
SLUG = "{slug}"

_WORDS = re.compile(r"words of QEMU about '(?P<subject>[^'\\n]+)'", re.IGNORECASE)
POSITIVE = (Evidence(stderr="qemu-system-x86_64: words of QEMU about 'this'\\n"),)
NEGATIVE = (Evidence(stderr="qemu-system-x86_64: words like these\\n"),)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: why."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when what."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    yield _found(
        f"The subject '{{seen['subject']}}' is in the sentence.",
        seen["subject"],
        Certainty.LIKELY,
        (seen.quote,),
        (Fix("what to do"),),
        seen.at,
    )
'''


def next_code(home: Path) -> str:
    """Return the code after the highest that any cause has; a code is never used again."""
    pattern = re.compile(r'^CODE = "VU(\d{3})"', re.MULTILINE)
    used = [int(n) for path in home.rglob("*.py") for n in pattern.findall(path.read_text())]
    return f"VU{max(used, default=0) + 1:03d}"


def scaffold(family: str, slug: str, home: Path = HOME) -> Path:
    """Write the file of the cause *slug* and return its path. Raises SystemExit on a bad name."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", slug):
        raise SystemExit(f"'{slug}' is no slug: words of a-z and 0-9, joined by '-', at least two")
    families = sorted(path.name for path in home.iterdir() if (path / "__init__.py").exists())
    if family not in families:
        raise SystemExit(f"'{family}' is no family; there are: {', '.join(families)}")
    path = home / family / f"{slug.replace('-', '_')}.py"
    if path.exists() or any(f'SLUG = "{slug}"' in one.read_text() for one in home.rglob("*.py")):
        raise SystemExit(f"there is a cause '{slug}' already")
    path.write_text(TEMPLATE.format(code=next_code(home), slug=slug))
    return path


def main(argv: list[str]) -> None:
    """Read the two names and scaffold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("family", help="the folder of the catalogue: storage, qemu, kvm, ...")
    parser.add_argument("slug", help="the cause's name, for the pattern, not the cure")
    words = parser.parse_args(argv)
    path = scaffold(words.family, words.slug)
    sys.stdout.write(f"{path}\nnow: its page, its rule, and pytest tests/unit/causes\n")


if __name__ == "__main__":
    main(sys.argv[1:])

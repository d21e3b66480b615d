#!/usr/bin/env python3
"""Run all tests in two processes, and those few that fail once more, alone.

    run_tests.py [PYTEST ARGUMENTS...]

Tests with a real QEMU wait most of their time, so two run at once; they share one host, and one
that meets another may fail of it. What failed runs again in one process with nothing beside it: a
test that fails there too fails the run. One that passes alone is named at the end, for it is to be
mended, or virtup is. When more than a few fail, that is no accident, and none is asked again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

AGAIN_MAX = 8
"""More failures than these are not asked again."""
FAILED = 1
"""pytest's exit status when tests ran and some failed; the others say that it could not run."""
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main(args: list[str]) -> int:
    """Run in the current folder; pytest's exit status."""
    pytest = [sys.executable, "-m", "pytest"]
    beside = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--cache-clear"]
    status = subprocess.call([*pytest, *beside, *args])
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    known = all("::" in test for test in failed)  # otherwise it could not begin
    if status != FAILED or not known or not 0 < len(failed) <= AGAIN_MAX:
        return status
    print(f"\n{tests(failed)} failed beside others, and now once more alone:", flush=True)
    status = subprocess.call([*pytest, "-p", "no:randomly", "--last-failed", *args, "-n", "0"])
    still = set(json.loads(LAST_FAILED.read_text()))
    alone = [test for test in failed if test not in still]
    if alone:
        print(f"\n{tests(alone)} failed beside others and passed alone, and should be mended:")
        print(*(f"    {test}" for test in alone), sep="\n")
    return status


def tests(which: list[str]) -> str:
    """Count them in words."""
    return f"{len(which)} test{'' if len(which) == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

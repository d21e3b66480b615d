"""The system's own tools, run to their end: no shell, no input, a bounded time."""

from __future__ import annotations

import subprocess

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
LIMIT_S = 30


def said_by(tool: str, *arguments: str) -> str:
    """Run a tool to its end; return its words when it failed, else nothing."""
    try:
        ran = subprocess.run(
            (tool, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_S,
            env={"LC_ALL": "C", "PATH": SBIN},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"{tool}: {exc}"
    if ran.returncode == 0:
        return ""
    words = (ran.stderr or ran.stdout).strip() or f"exit status {ran.returncode}"
    return f"{tool}: {words}"

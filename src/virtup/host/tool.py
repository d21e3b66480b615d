"""The system's own tools, run to their end: no shell, no input, a bounded time."""

from __future__ import annotations

import subprocess

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
LIMIT_S = 30


def answer_of(tool: str, *arguments: str, limit_s: float = LIMIT_S) -> str:
    """Run a tool to its end; return what it printed, nothing when it failed."""
    try:
        ran = _run(tool, *arguments, limit_s=limit_s)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""


def said_by(tool: str, *arguments: str, limit_s: float = LIMIT_S) -> str:
    """Run a tool to its end; return its words when it failed, else nothing."""
    try:
        ran = _run(tool, *arguments, limit_s=limit_s)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"{tool}: {exc}"
    if ran.returncode == 0:
        return ""
    words = (ran.stderr or ran.stdout).strip() or f"exit status {ran.returncode}"
    return f"{tool}: {words}"


def _run(tool: str, *arguments: str, limit_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (tool, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=limit_s,
        env={"LC_ALL": "C", "PATH": SBIN},
    )

"""qemu-agent-command, qemu-monitor-command."""

from __future__ import annotations

import json
from typing import Any

from virtup.cli.grammar import Failure, flag, guest, number, text, words
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.errors import InvalidArgument

_HMP = 1
_DEFAULT, _BLOCK, _NOWAIT = -1, -2, 0


@verb(
    "qemu-monitor-command",
    "give QEMU's monitor a command",
    guest(),
    flag("hmp", "the command is in the human monitor's language"),
    flag("pretty", "indent the reply"),
    flag("return-value", "print only what stands under 'return' in the reply"),
    text("pass-fds", "pass file descriptors N,M,... with it (not supported)", positional=False),
    words("cmd", "command"),
    description=(
        "A command that is no JSON object is taken as a name and its arguments:\n"
        "  qemu-monitor-command DOMAIN query-status\n"
        '  qemu-monitor-command DOMAIN block_resize \'"device": "d0"\' \'"size": 1024\''
    ),
)
def qemu_monitor_command(
    run: Run,
    *,
    domain: str,
    hmp: bool,
    pretty: bool,
    return_value: bool,
    pass_fds: str | None,
    cmd: list[str],
) -> None:
    """Print what QEMU's monitor replies."""
    for name, on in (("pretty", pretty), ("return-value", return_value)):
        if hmp and on:
            raise Failure(f"Options --hmp and --{name} are mutually exclusive")
    if pass_fds is not None:
        raise Failure(f"--pass-fds {pass_fds} is not supported: virtup passes no descriptors")
    handle = run.guest(domain)
    command = " ".join(cmd) if hmp else command_text(cmd)
    reply: str = run.conn.call_qemu(
        "DOMAIN_MONITOR_COMMAND", dom=handle, cmd=command, flags=_HMP if hmp else 0
    )["result"]
    if hmp:
        run.value("reply", reply)
        return
    shown = _returned(reply) if return_value else reply
    _print(run, shown, pretty=pretty, bare=return_value or pretty)


@verb(
    "qemu-agent-command",
    "give the guest's agent a command",
    guest(),
    number("timeout", "seconds to wait for the reply, more than 0"),
    flag("async", "do not wait for the reply"),
    flag("block", "wait for the reply for ever"),
    flag("pretty", "indent the reply"),
    words("cmd", "command"),
)
def qemu_agent_command(
    run: Run,
    *,
    domain: str,
    timeout: int | None,
    block: bool,
    pretty: bool,
    cmd: list[str],
    **given: bool,
) -> None:
    """Print what the agent in the guest replies."""
    handle = run.guest(domain)
    if timeout is not None and timeout < 1:
        raise Failure("timeout must be positive")
    if sum((timeout is not None, given["async"], block)) > 1:
        raise Failure("timeout, async and block options are exclusive")
    limit = _NOWAIT if given["async"] else _BLOCK if block else timeout or _DEFAULT
    reply = run.conn.call_qemu(
        "DOMAIN_AGENT_COMMAND", dom=handle, cmd=" ".join(cmd), timeout=limit, flags=0
    )["result"]
    if reply is not None:
        _print(run, reply, pretty=pretty, bare=False)
        # virsh ends an indented reply of the agent with a line more
        run.out("\n" if pretty and not run.json else "")


def command_text(words: list[str]) -> str:
    """The JSON command for *words*: one already, or a name and arguments.

    Arguments are one JSON object, or the members of one (``"id": "x"``).
    """
    whole = " ".join(words)
    if _parsed(whole) is not None:
        return whole
    name, *rest = words
    command: dict[str, Any] = {"execute": name}
    if rest:
        arguments = " ".join(rest)
        inner = _parsed(arguments)
        if inner is None:
            inner = _parsed("{" + ", ".join(rest) + "}")
        if inner is None:
            raise Failure(
                f"failed to wrap arguments '{arguments}' into a QMP command wrapper",
                InvalidArgument(
                    f"the arguments of '{name}' are no JSON object: write '{{\"name\": value}}', "
                    "or '\"name\": value' for each"
                ),
            )
        command["arguments"] = inner
    return json.dumps(command)


def indented(value: Any, indent: str = "") -> str:
    """*value* as JSON in the form of libvirt: two spaces a level, empty lists with a gap."""
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(k)}: {indented(v, inner)}" for k, v in value.items()]
        return _bracketed("{}", items, indent)
    if isinstance(value, list):
        return _bracketed("[]", [indented(item, inner) for item in value], indent)
    return json.dumps(value, ensure_ascii=False)


def _bracketed(brackets: str, items: list[str], indent: str) -> str:
    body = ",\n".join(f"{indent}  {item}" for item in items)
    return f"{brackets[0]}\n{body}\n{indent}{brackets[1]}"


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _returned(reply: str) -> str:
    value = _parsed(reply) or {}
    if "return" not in value:
        raise Failure("'return' member missing")
    return json.dumps(value["return"], separators=(",", ":"), ensure_ascii=False)


def _print(run: Run, reply: str, *, pretty: bool, bare: bool) -> None:
    """Print a reply; virsh puts no line break of its own behind one that is *bare*."""
    if run.json:
        try:
            run.document(json.loads(reply))
        except ValueError:
            run.document({"reply": reply})
        return
    shown = indented(json.loads(reply)) if pretty else reply
    run.out(shown if bare else f"{shown}\n")

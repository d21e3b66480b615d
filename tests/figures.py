"""Figures that tests find out: they stand together at the end of a run, whoever ran the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Tell = Callable[[str], None]
"""What the fixture ``tell`` is: it takes one or more lines."""

_LINES = pytest.StashKey[list[str]]()
_SENT = "figures"


def lines(config: pytest.Config) -> list[str]:
    """Return the lines that were told in this process, and in those that it started."""
    return config.stash.setdefault(_LINES, [])


class Figures:
    """The plugin that brings them from the processes that run tests to the one that reports."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what was told here to the process that reports."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_SENT] = lines(session.config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take what was told in another process."""
        output = getattr(node, "workeroutput", None) or {}
        lines(node.config).extend(output.get(_SENT, []))  # type: ignore[attr-defined]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print all of it."""
        told = lines(terminalreporter.config)
        if told:
            terminalreporter.section("figures")
            for line in told:
                terminalreporter.line(line)

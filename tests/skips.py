"""Check of skipped tests: with `CI` set, a skip whose reason is not in expected_skips.txt fails the run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

__all__ = ["EXPECTED", "unexpected"]

EXPECTED = Path(__file__).with_name("expected_skips.txt")


def unexpected(reasons: list[str], expected: str) -> list[str]:
    """Return the reasons that no line of `expected`, a regular expression each, matches as a whole."""
    patterns = [line for line in expected.splitlines() if line and not line.startswith("#")]
    return [reason for reason in reasons if not any(re.fullmatch(pattern, reason) for pattern in patterns)]


def pytest_configure(config: pytest.Config) -> None:
    """Collect the run's skips."""
    config.pluginmanager.register(_Skips(), "skips-of-this-run")


class _Skips:
    def __init__(self) -> None:
        self._found: dict[str, str] = {}  # reason: the first test that was skipped for it

    def _add(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
            self._found.setdefault(report.longrepr[2].removeprefix("Skipped: "), report.nodeid)

    pytest_runtest_logreport = _add
    pytest_collectreport = _add

    def _unexpected(self) -> list[str]:
        if not os.environ.get("CI"):
            return []
        return unexpected(list(self._found), EXPECTED.read_text(encoding="utf-8"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for reason in self._unexpected():
            terminalreporter.write_line(
                f"unexpected skip, not in {EXPECTED.name}: {reason} ({self._found[reason]})", red=True
            )

"""A skip that nobody expects fails the run where `CI` is set, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skips import unexpected

SKIPPED = """
import pytest

@pytest.mark.parametrize("reason", ["this system has no /dev/full", "no reason at all"])
def test_of_a_machine(reason):
    pytest.skip(reason)
"""


@pytest.mark.parametrize(("ci", "exit_code"), [("true", 1), ("", 0)])
def test_an_unexpected_skip_fails_a_run_of_ci(tmp_path: Path, ci: str, exit_code: int) -> None:
    """The exit code says so, and the summary names the reason and the test, but not the skip that is expected."""
    (tmp_path / "test_of_a_machine.py").write_text(SKIPPED)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "skips", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    line = "unexpected skip, not in expected_skips.txt: no reason at all (test_of_a_machine.py::test_of_a_machine["
    assert (line in done.stdout) == bool(ci)
    assert done.stdout.count("unexpected skip") == bool(ci)


def test_a_reason_is_matched_as_a_whole() -> None:
    """A line of the list is a pattern of the whole reason; comments and empty lines are none."""
    assert unexpected(["no tool", "no tools", "# no"], "# no\n\nno tool\n") == ["no tools", "# no"]

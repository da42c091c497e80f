"""Shared by all rooms: how property tests draw their examples, and the folder of real data, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# `make test` draws the same examples every time, `make fuzz` others and more; neither asks how fast the machine is.
# A fixture may serve all examples of a test: those that write do so under a folder of the test's own.
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("test", derandomize=True, **QUIET)
settings.register_profile("fuzz", max_examples=2000, print_blob=True, **QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real layers, networks and measured counts; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("EIE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"the real data are not here: {folder} (set EIE_SHARED to their folder)")
    return folder

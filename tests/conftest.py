"""Shared by all rooms: how property tests draw their examples, and the folder of real data, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# `make test` draws the same examples every time and asserts no speed; `make fuzz` draws others, and more of them.
settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real layers, networks and measured counts; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("EIE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"the real data are not here: {folder} (set EIE_SHARED to their folder)")
    return folder

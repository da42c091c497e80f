"""Fixtures shared by all rooms: the folder of real data, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real layers, networks and measured counts; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("EIE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"the real data are not here: {folder} (set EIE_SHARED to their folder)")
    return folder

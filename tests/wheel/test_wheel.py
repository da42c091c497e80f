"""A wheel, as a user gets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import eie

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_wheel_works_where_there_is_no_compiler(tmp_path: Path) -> None:
    """Built, repaired and installed in an empty environment, it runs and simulates a layer: tests/wheel/smoke.py."""
    done = subprocess.run(
        [ROOT / ".ci" / "wheel", tmp_path],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (wheel,) = tmp_path.iterdir()
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert wheel.name.startswith(f"eie-{eie.__version__}-{tag}-{tag}-")
    assert "-linux_" not in wheel.name  # which no index takes: it must say manylinux

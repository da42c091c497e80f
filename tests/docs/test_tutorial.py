"""What the tutorial tells a reader to expect is what its commands give."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_five_commands_make_a_file_a_tenth_its_size(tmp_path: Path) -> None:
    """As often right as the model was, within what 540 digits can tell; the chip reads the digit as it is."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    section = TUTORIAL.read_text(encoding="utf-8").split("\n## ")[1]
    assert section.startswith("A tenth of its size in five commands")
    for title, text in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', section, re.S):
        (tmp_path / title).write_text(text, encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(.*?)```", section, re.S)
    assert len(commands.splitlines()) == 5
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = [
        subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=True
        ).stdout
        for command in commands.splitlines()
    ]
    right, digit = re.findall(r"right: ([\d.]+)%.*\ndigit\.npy is a (\d)", said[0])[0]
    (smaller,) = re.findall(r"([\d.]+) times fewer than float32", said[1])
    assert float(smaller) > 15
    for numerics in ("float32", "int16", "int8", "chip"):
        (found,) = re.findall(rf"^\s+{numerics}\s+([\d.]+)", said[2], re.M)
        assert float(found) > float(right) - 1.5  # the standard error of 97 % of 540 is 0.7 points
    assert re.findall(r"^\s+(\d)\s+-?[\d.]+", said[3], re.M)[0] == digit
    assert "All 3 layers" in said[4]

"""The front door: what the README tells a newcomer to type works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_python_example_runs(tmp_path: Path) -> None:
    """The example prints cycles, time and efficiency, and five outputs."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    cycles, latency_us, efficiency = done.stdout.split()[:3]
    assert float(latency_us) == int(cycles) / 800
    assert (int(cycles), round(float(efficiency), 4)) == (4178, 0.7782)


def test_links_lead_somewhere() -> None:
    """Every relative link and picture of the top pages is there."""
    for page in ("README.md", "ARCHITECTURE.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert (ROOT / target).exists(), f"{page} links to {target}"

"""The documentation: it builds strictly, and what it tells a reader to type works as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT / "docs"))
    for path in (ROOT / "docs").rglob("*.md")
    if re.search(r"^```(sh|python)\b", path.read_text(encoding="utf-8"), re.M)
)
BLOCK = re.compile(r'^```(sh|python|toml)(?: title="([^"]+)")?\n(.*?)^```', re.M | re.S)


SLOW = {
    "tutorial.md",
    "how-to/compress.md",
    "how-to/transformers.md",
    "how-to/the-paper.md",
    "how-to/the-rtl.md",
    "how-to/drive-the-chip.md",
    "how-to/a-c-program.md",
    "beyond.md",
}  # all nine layers, a build, or a training


@pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.slow if page in SLOW else ()) for page in PAGES])
def test_a_pages_commands_work_in_their_order(page: str, tmp_path: Path) -> None:
    """Blocks with a title are written to that file, Python blocks run, and every line of a shell block ends well."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for kind, title, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if title:
            (tmp_path / title).write_text(text, encoding="utf-8")
        if title or kind == "toml":
            continue
        commands = [[sys.executable, "-c", text]]
        if kind == "sh":
            commands = [["sh", "-c", line] for line in text.splitlines() if line.strip()]
        for command in commands:
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, f"{page}: {command[-1]}\n{done.stderr}"
            ran += 1
    assert ran


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """No broken link, no page outside the navigation, no docstring that cannot be found."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "chip" / "index.html").read_text(encoding="utf-8").count("queue_depth")

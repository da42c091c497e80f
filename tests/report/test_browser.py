"""The report in a real browser: no console errors, every chart drawn, nothing wider than the screen."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.report import Report, reproduction_section
from eie.support.tables import Column, Provenance

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def reproduction(name: str, *, lines: bool, logarithmic: bool = True) -> Reproduction:
    places: list[tuple[str, str | int]] = [(panel, place) for panel in "ABC" for place in (1, 2, 4, 8)]
    return Reproduction(
        name=name,
        title=f"{name}: a test",
        source="nowhere",
        labels=(Column("panel", "panel"), Column("place", "place")),
        comparisons=tuple(
            Comparison({"panel": panel, "place": place}, 10.0 * int(place), 11.0, Provenance.SIMULATED, "us")
            for panel, place in places
        ),
        scale=Scale.RATIO,
        verdict="Fine.",
        plot=Plot("place", "panel", "time (us)", lines=lines, logarithmic=logarithmic),
    )


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [500, 1280])
def test_report_draws_without_errors(tmp_path: Path, width: int) -> None:
    """At phone and desk width every kind of chart is drawn, the console stays silent and nothing overflows."""
    report = Report("Test", "A test.")
    report.add(reproduction_section(reproduction("dots", lines=False)))
    report.add(reproduction_section(reproduction("curves", lines=True)))
    report.add(reproduction_section(reproduction("linear", lines=True, logarithmic=False)))
    page = tmp_path / "report.html"
    report.write(page)
    probe = (
        "<script>addEventListener('error', e => document.body.dataset.failed = e.message);"
        "setTimeout(() => document.body.dataset.overflow = document.documentElement.scrollWidth - innerWidth, 4000)"
        "</script>"
    )
    page.write_text(page.read_text(encoding="utf-8").replace("<main>", f"{probe}<main>"), encoding="utf-8")
    ran = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900",
            "--virtual-time-budget=8000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )  # fmt: skip
    assert re.findall(r"CONSOLE.*", ran.stderr) == []
    assert "data-failed" not in ran.stdout
    assert re.findall(r'data-drawn="(\w+)"', ran.stdout) == ["true"] * 3
    points = re.findall(r'aria-roledescription="point"', ran.stdout)
    assert len(points) == 3 * 2 * 12  # three charts, ours and the paper's, twelve numbers each
    overflow = re.search(r'data-overflow="(-?\d+)"', ran.stdout)
    assert overflow is not None
    assert int(overflow[1]) <= 0

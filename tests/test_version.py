"""The version is written once, and everything that repeats it agrees."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import eie

ROOT = Path(__file__).parents[1]


def test_package_citation_and_changelog_agree() -> None:
    """The installed package, CITATION.cff and the changelog's newest heading have the version of the source."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", eie.__version__)
    assert version("eie") == eie.__version__
    assert f"\nversion: {eie.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.match(r"\[?([\d.]+)\]?", headings[0])[1] == eie.__version__


def test_changelog_tells_changes_under_known_headings() -> None:
    """Each release has a version, a date or "unreleased", and changes by kind, as Keep a Changelog has them."""
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    for release in releases:
        heading, *lines = release.splitlines()
        assert re.fullmatch(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d{2}-\d{2})\)", heading)
        kinds = [line[4:] for line in lines if line.startswith("### ")]
        assert kinds
        assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
        assert len(kinds) == len(set(kinds))

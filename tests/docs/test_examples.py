"""Pages whose examples are a session of Python: every line gives what the page says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SESSION = re.compile(r"^```pycon\n(.*?)^```", re.M | re.S)
# docs/hardware.md has a session for each rule, and a test of its own.
PAGES = sorted(
    str(path.relative_to(DOCS))
    for path in DOCS.rglob("*.md")
    if path.name != "hardware.md" and SESSION.search(path.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize("page", PAGES)
def test_a_pages_session_is_what_happens(page: str) -> None:
    """All blocks of a page are one session, from top to bottom."""
    source = "\n".join(SESSION.findall((DOCS / page).read_text(encoding="utf-8")))
    test = doctest.DocTestParser().get_doctest(source, {"__name__": "page"}, page, page, 0)
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert result.failed == 0, "".join(said)
    assert result.attempted > 5

import json
import re
from pathlib import Path

import altair as alt
import pytest

from eie.errors import InputError
from eie.report import Report, Section
from eie.support.tables import Column, Provenance, Table

TABLE = Table.of(
    (Column("name", "name"), Column("time", "time", "us", Provenance.MEASURED)),
    [{"name": "<b>", "time": 1234.5}, {"name": "b"}],
)
CHART = alt.Chart(alt.Data(values=[{"x": 1, "y": 2}])).mark_point().encode(x="x:Q", y="y:Q")


def report() -> Report:
    made = Report("A title", "A sentence with </script> in it.")
    made.headline("9.9 µs", "simulated here")
    made.add(Section("one", "First & only", "It shows </script>.", TABLE, CHART, details=("a detail",)))
    return made


def test_the_page_fetches_nothing() -> None:
    """No element names an address outside the file."""
    page = re.sub(r"(<script[^>]*>).*?</script>", r"\1", report().html(), flags=re.S)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page) == []
    assert "@import" not in page


def test_text_is_escaped_and_cannot_end_a_script() -> None:
    """Names and sentences are shown as they are, whatever they hold."""
    page = report().html()
    assert "First &amp; only" in page
    assert "&lt;b&gt;" in page
    assert page.count("</script>") == page.count("<script")


def test_tables_carry_units_provenance_and_exact_values() -> None:
    """A heading has unit and provenance; a number is shown short and sorted by its exact value."""
    page = report().html()
    assert "time (µs)" in page
    assert "<small>measured here</small>" in page
    assert 'data-value="1234.5">1,234<' in page or 'data-value="1234.5">1,235<' in page


def test_charts_travel_as_data() -> None:
    """The Vega-Lite description of every chart stands in the page under its section's name."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', report().html(), re.S)
    assert found is not None
    assert json.loads(found[1])["one"]["mark"]["type"] == "point"


def test_two_sections_of_one_name_are_refused() -> None:
    """A name is an anchor and a file name."""
    made = report()
    with pytest.raises(InputError) as error:
        made.add(Section("one", "Again", ""))
    assert str(error.value) == "the report already has a section named 'one'"


def test_figures_and_tables_are_written_beside_each_other(tmp_path: Path) -> None:
    """Every chart as SVG, PDF and PNG, every table as CSV."""
    written = report().write_figures(tmp_path / "figures")
    assert [path.name for path in written] == ["one.svg", "one.pdf", "one.png", "one.csv"]
    heads = [path.read_bytes()[:4] for path in written]
    assert heads == [b"<svg", b"%PDF", b"\x89PNG", b"name"]


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A missing folder is one sentence."""
    with pytest.raises(InputError) as error:
        report().write(tmp_path / "missing" / "report.html")
    assert str(error.value) == (
        f"cannot write {tmp_path}/missing/report.html: the folder {tmp_path}/missing does not exist"
    )

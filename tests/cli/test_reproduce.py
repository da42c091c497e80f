import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eie.cli.commands import app
from eie.errors import InputError

run = CliRunner().invoke


def test_table3_as_json_is_one_document_and_writes_the_report(tmp_path: Path) -> None:
    """stdout is JSON alone, with agreement, verdict and a row per number; the report stands where it was asked for."""
    out = tmp_path / "report.html"
    ran = run(app, ["reproduce", "table3", "--json", "--out", str(out)])
    assert ran.exit_code == 0
    document = json.loads(ran.stdout)
    (table,) = document["reproductions"]
    assert table["name"] == "table3"
    assert len(table["rows"]) == 27
    assert {row["provenance"] for row in table["rows"]} == {"put in: calibrated on the paper"}
    assert (table["agreement"], table["put_in"]) == (None, 27)
    assert "Table III" in out.read_text(encoding="utf-8")
    assert document["report"] == str(out)


def test_an_unknown_name_is_one_sentence(tmp_path: Path) -> None:
    """Nothing is worked out and nothing written."""
    ran = run(app, ["reproduce", "table9", "--out", str(tmp_path / "report.html")])
    assert isinstance(ran.exception, InputError)
    assert str(ran.exception).startswith("nothing to reproduce is named 'table9'; there are table1, table2")
    assert list(tmp_path.iterdir()) == []


def test_missing_streams_are_named(tmp_path: Path) -> None:
    """A folder that is not there is refused before any work."""
    with pytest.raises(InputError) as error:
        run(app, ["reproduce", "table3", "--data", str(tmp_path / "none")], catch_exceptions=False)
    assert str(error.value) == f"folder {tmp_path / 'none'} does not exist"

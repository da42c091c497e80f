import csv
from pathlib import Path

import pytest

from eie.errors import InputError
from eie.support.tables import Column, Provenance, Table, shown

COLUMNS = (Column("layer", "layer"), Column("time", "time", "us", Provenance.SIMULATED))


def test_csv_has_units_and_full_precision(tmp_path: Path) -> None:
    """The heading carries the unit; numbers are written exactly; an absent value is an empty cell."""
    path = tmp_path / "times.csv"
    Table.of(COLUMNS, [{"layer": "a", "time": 1 / 3}, {"layer": "b"}]).write_csv(path)
    with open(path, newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [["layer", "time (us)"], ["a", repr(1 / 3)], ["b", ""]]


def test_a_row_with_an_unknown_key_is_refused() -> None:
    """A row's keys are the table's columns."""
    with pytest.raises(InputError) as error:
        Table.of(COLUMNS, [{"layer": "a", "power": 1.0}])
    assert str(error.value) == "the table has no column 'power'; its columns are layer, time"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (12345, "12,345"), (0.0, "0"), (12345.6, "12,346"), (0.123456, "0.1235"), ("x", "x")],
)
def test_values_are_shown_to_four_digits(value: object, text: str) -> None:
    """Numbers are shown to four significant digits, thousands separated, None as nothing."""
    assert shown(value) == text  # type: ignore[arg-type]

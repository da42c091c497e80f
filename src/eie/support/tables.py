"""Tables with a unit for each column and a provenance for each number."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from eie.errors import InputError
from eie.support.output_files import atomic_write

__all__ = ["Column", "Provenance", "Table", "Value", "shown", "unit_sign"]

Value = str | int | float | bool | None


class Provenance(StrEnum):
    """Where a number comes from."""

    MEASURED = "measured here"
    SIMULATED = "simulated here"
    MODELLED = "modelled here"
    GENERATED = "generated here"
    PUBLISHED = "counted on published weights"
    REPORTED = "reported in the paper"
    DERIVED = "worked out from the paper's other tables"
    CALIBRATED = "put in: calibrated on the paper"


@dataclass(frozen=True)
class Column:
    """One column: the rows' key, a title, a unit ("" for none), and a provenance if all its numbers share one."""

    key: str
    title: str
    unit: str = ""
    provenance: Provenance | None = None

    @property
    def heading(self) -> str:
        """The title with its unit, as printed."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Table:
    """Columns and rows; a row maps each column's key to a value, a missing key or None being an empty cell."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]

    def __post_init__(self) -> None:
        """Check that every row's keys are columns."""
        keys = {column.key for column in self.columns}
        for row in self.rows:
            for key in row:
                if key not in keys:
                    raise InputError(f"the table has no column {key!r}; its columns are {', '.join(sorted(keys))}")

    @classmethod
    def of(cls, columns: Sequence[Column], rows: Iterable[Mapping[str, Value]]) -> Table:
        """Return a table of any sequence of columns and any iterable of rows."""
        return cls(tuple(columns), tuple(rows))

    def write_csv(self, path: Path) -> None:
        """Write the table, one heading line with units, full precision; nothing is left behind when it fails."""
        with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow([column.heading for column in self.columns])
            writer.writerows([row.get(column.key) for column in self.columns] for row in self.rows)


def unit_sign(unit: str) -> str:
    """A unit as a page shows it: "µm²" for "um2"; files and terminals keep the plain letters."""
    return {"um2": "µm²", "mm2": "mm²", "us": "µs", "frames/s/mm2": "frames/s/mm²", "x": "×"}.get(unit, unit)


def shown(value: Value) -> str:
    """Return a value as text: numbers to four significant digits, "" for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value == 0 or abs(value) >= 1000:
            return f"{value:,.0f}"
        return f"{value:.4g}"
    return value

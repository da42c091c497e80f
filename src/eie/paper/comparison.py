"""One table or figure of the paper, ours beside theirs: the numbers, how far they part, and a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from eie.support.tables import Column, Provenance, Table, Value

__all__ = ["Agreement", "Comparison", "Plot", "Reproduction", "Scale", "agreement", "agreement_words", "modelled"]


class Scale(Enum):
    """How ours and the paper's are compared: as a ratio (times, energies) or by difference in points (percentages)."""

    RATIO = "ratio"
    POINTS = "points"


@dataclass(frozen=True)
class Comparison:
    """One number of the paper and ours; either may be missing.

    `labels` maps the reproduction's label columns to this number's place. What is measured on this machine is another
    machine than the paper's, what is worked out from the paper's other tables is not ours, and what a model was
    calibrated on comes back by construction: all are shown and do not count as agreement or its lack. Nor does what is
    not `counted`, such as one of several assumptions.
    """

    labels: Mapping[str, Value]
    ours: float | None
    paper: float | None
    provenance: Provenance
    unit: str = ""
    note: str = ""
    counted: bool = True

    @property
    def ratio(self) -> float | None:
        """Ours over the paper's."""
        if self.ours is None or not self.paper:
            return None
        return self.ours / self.paper

    @property
    def difference(self) -> float | None:
        """Ours less the paper's, in their unit."""
        if self.ours is None or self.paper is None:
            return None
        return self.ours - self.paper

    @property
    def counts(self) -> bool:
        """Whether the number belongs in the agreement: both are there, ours is of the chip and was not put in."""
        not_ours = (Provenance.MEASURED, Provenance.DERIVED, Provenance.CALIBRATED)
        return self.counted and self.ours is not None and self.paper is not None and self.provenance not in not_ours


@dataclass(frozen=True)
class Agreement:
    """Mean absolute difference from the paper, in % of the paper's number or in points, over `count` numbers."""

    value: float
    unit: str
    count: int

    def __str__(self) -> str:
        """Value, unit and count in words."""
        return f"{self.value:.1f} {self.unit} over {self.counted}"

    @property
    def counted(self) -> str:
        """How many numbers it is over, in words."""
        return f"{self.count} number{'s' if self.count != 1 else ''}"


@dataclass(frozen=True)
class Plot:
    """How to draw the comparisons: along the label `category`, one panel per value of the label `panel`.

    Lines need a numeric category (drawn on a base-2 logarithmic axis); points take any. `value_title` is the value
    axis's, without the unit. `relative` draws ours over the paper's, for numbers of several units; `line_at_one` marks
    where both are the same.
    """

    category: str
    panel: str | None
    value_title: str
    lines: bool = False
    logarithmic: bool = False
    relative: bool = False
    line_at_one: bool = False


@dataclass(frozen=True)
class Reproduction:
    """A table or figure reproduced: `labels` are the columns that say which number of the paper a row is.

    `headlines` are the few numbers a reader wants first: each with its unit, and what it is.
    """

    name: str
    title: str
    source: str
    labels: tuple[Column, ...]
    comparisons: tuple[Comparison, ...]
    scale: Scale
    verdict: str
    plot: Plot
    conditions: str = ""
    headlines: tuple[tuple[str, str], ...] = ()

    @property
    def agreement(self) -> Agreement | None:
        """The mean absolute difference over all numbers that count; None where there is none."""
        return agreement(self.comparisons, self.scale)

    @property
    def put_in(self) -> int:
        """How many of the paper's numbers are no agreement, for ours were calibrated on them."""
        return sum(one.provenance is Provenance.CALIBRATED for one in self.comparisons)

    @property
    def table(self) -> Table:
        """Every comparison as a row: labels, ours, the paper's, how far apart, unit, and where ours comes from."""
        apart = (
            Column("ratio", "ours / paper")
            if self.scale is Scale.RATIO
            else Column("difference", "ours - paper", "points")
        )
        columns = (
            *self.labels,
            Column("ours", "ours"),
            Column("paper", "paper", provenance=Provenance.REPORTED),
            apart,
            Column("unit", "unit"),
            Column("provenance", "ours is"),
            Column("note", "note"),
        )
        rows = (
            {
                **one.labels,
                "ours": one.ours,
                "paper": one.paper,
                apart.key: one.ratio if self.scale is Scale.RATIO else one.difference,
                "unit": one.unit,
                "provenance": str(one.provenance) if one.ours is not None else "",
                "note": one.note,
            }
            for one in self.comparisons
        )
        kept = columns if any(one.note for one in self.comparisons) else columns[:-1]
        return Table.of(kept, ({column.key: row[column.key] for column in kept} for row in rows))

    def as_dict(self) -> dict[str, Any]:
        """The whole reproduction as plain JSON values."""
        agreed = self.agreement
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "conditions": self.conditions,
            "verdict": self.verdict,
            "agreement": None
            if agreed is None
            else {"mean_absolute_difference": agreed.value, "unit": agreed.unit, "count": agreed.count},
            "put_in": self.put_in,
            "columns": [
                {"key": column.key, "title": column.title, "unit": column.unit, "provenance": column.provenance}
                for column in self.table.columns
            ],
            "rows": [dict(row) for row in self.table.rows],
        }


def agreement_words(reproduction: Reproduction) -> tuple[str, ...]:
    """Sentences on how far ours are from the paper's, and how many numbers were put in and are no agreement."""
    agreed, put_in = reproduction.agreement, reproduction.put_in
    return (
        *([f"Mean absolute difference from the paper: {agreed}."] if agreed else ()),
        *([f"Not counted, for the model was calibrated on them: {put_in} of its numbers."] if put_in else ()),
    )


def modelled(put_in: float) -> tuple[Provenance, str]:
    """The provenance and note of a modelled number of which the share `put_in`, 0 to 1, is the paper's own."""
    if put_in > 0.995:
        return Provenance.CALIBRATED, ""
    return Provenance.MODELLED, f"{put_in:.0%} put in" if put_in > 0.005 else ""


def agreement(comparisons: tuple[Comparison, ...], scale: Scale) -> Agreement | None:
    """The mean absolute difference of those comparisons that count: mean |ours/paper - 1|, or mean |ours - paper|."""
    counted = [one for one in comparisons if one.counts]
    if scale is Scale.RATIO:
        apart = [abs(one.ratio - 1) * 100 for one in counted if one.ratio is not None]
    else:
        apart = [abs(one.difference) for one in counted if one.difference is not None]
    if not apart:
        return None
    return Agreement(float(np.mean(apart)), "%" if scale is Scale.RATIO else "points", len(apart))

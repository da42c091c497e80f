"""The Pareto front of a sweep: the chips that no other beats in time, energy and area at once."""

from __future__ import annotations

import numpy as np

from eie.explore.space import OUTSIDE, PARAMETERS
from eie.support.extras import needed_for

with needed_for("a sweep"):
    import polars as pl

__all__ = ["pareto_front"]

OBJECTIVES = ("latency_us", "energy_nj", "area_mm2")


def pareto_front(table: pl.DataFrame, *, fitting: bool = False) -> pl.DataFrame:
    """The configurations, over all their layers together, that are on the front, by rising time.

    Time and energy are summed over the layers, run one after the other; the area is the chip's. Configurations that
    were not run on every layer of the table are left out, for their sums would not compare; of those that differ only
    in an external memory that they do not use, the first stays. `fits` tells whether a configuration holds every layer
    by itself, or an external memory does, and its memories keep its clock; with `fitting` only such ones compete.
    """
    layers = table["layer"].n_unique()
    chips = (
        table.group_by(PARAMETERS, maintain_order=True)
        .agg(
            pl.col("layer").n_unique().alias("layers"),
            pl.col("latency_us").sum(),
            pl.col("energy_nj").sum(),
            pl.col("area_mm2").max(),
            pl.col("slowest_memory_ns").max(),
            pl.col("fits").all(),
        )
        .filter((pl.col("layers") == layers) & (pl.col("fits") | (not fitting)))
        .unique(
            subset=[name for name in (*PARAMETERS, *OBJECTIVES) if name not in OUTSIDE],
            keep="first",
            maintain_order=True,
        )
        .sort(OBJECTIVES)
    )
    values = chips.select(OBJECTIVES).to_numpy()
    front: list[int] = []
    for place, value in enumerate(values):  # sorted by time: only what is on the front so far can beat the next
        better = values[front]
        beaten = bool(np.any(np.all(better <= value, axis=1) & np.any(better < value, axis=1)))
        if not beaten:
            front.append(place)
    return chips[front]

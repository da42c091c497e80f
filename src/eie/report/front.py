"""A sweep's Pareto front as a chart: time against energy, area as colour, what does not fit crossed."""

from __future__ import annotations

import altair as alt
import polars as pl

from eie.explore import PARAMETERS

__all__ = ["front_chart"]

FITS, MISFIT = "fits", "does not fit"
SHAPES = {FITS: "circle", MISFIT: "cross"}


def front_chart(front: pl.DataFrame) -> alt.TopLevelMixin:
    """Draw the rows of `pareto_front`; hovering over a point names its design, by the parameters that differ.

    A chip that does not fit is a cross: its memories do not hold every layer, or cannot be read in every cycle.
    """
    varied = [name for name in PARAMETERS if front[name].n_unique() > 1]
    rows = front.with_columns(pl.when("fits").then(pl.lit(FITS)).otherwise(pl.lit(MISFIT)).alias("fitting")).to_dicts()
    fitting = sorted({str(row["fitting"]) for row in rows}, key=[FITS, MISFIT].index)
    scale = alt.Scale(type="log", nice=False, padding=16)
    axis = alt.Axis(labelOverlap="greedy", format=",~r")
    # From light to dark: told apart with any colour vision, and in grey.
    area = alt.Scale(scheme="viridis", reverse=True)
    shapes = alt.Scale(domain=fitting, range=[SHAPES[name] for name in fitting])
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=alt.X("latency_us:Q", title="time of all layers (µs)", scale=scale, axis=axis),
            y=alt.Y("energy_nj:Q", title="energy of all layers (nJ)", scale=scale, axis=axis),
            color=alt.Color("area_mm2:Q", title="area (mm²)", scale=area),
            shape=alt.Shape("fitting:N", title=None, scale=shapes),
            tooltip=[
                *(alt.Tooltip(f"{name}:N") for name in varied),
                alt.Tooltip("latency_us:Q", title="time (µs)", format=",.4~r"),
                alt.Tooltip("energy_nj:Q", title="energy (nJ)", format=",.4~r"),
                alt.Tooltip("area_mm2:Q", title="area (mm²)", format=",.4~r"),
                alt.Tooltip("slowest_memory_ns:Q", title="slowest memory (ns)", format=".3~r"),
                alt.Tooltip("fitting:N", title="the chip"),
            ],
        )
    )
    finished: alt.TopLevelMixin = chart.properties(width=620, height=400, title="Pareto front of time, energy and area")
    return finished

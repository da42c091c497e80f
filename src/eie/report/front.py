"""A sweep's own report, and its front as a chart: time against energy, area as colour, what does not fit crossed."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from eie.cost import load_technology
from eie.explore import PARAMETERS, Space
from eie.report.charts import CONNECTOR, finished, log_axis
from eie.report.page import Report, Section
from eie.support.tables import Column, Provenance, Table, shown, unit_sign

__all__ = ["front_chart", "sweep_report"]

FITS, MISFIT = "fits", "does not fit"
ABOVE: dict[str, Any] = {"orient": "top", "direction": "horizontal"}
SHAPES = {FITS: "circle", MISFIT: "cross"}


def front_chart(front: pl.DataFrame) -> alt.TopLevelMixin:
    """Draw the rows of `pareto_front`; hovering over a point names its design, by the parameters that differ.

    A chip that does not fit is a cross: its memories do not hold every layer, or cannot be read in every cycle.
    """
    varied = [name for name in PARAMETERS if front[name].n_unique() > 1]
    rows = front.with_columns(pl.when("fits").then(pl.lit(FITS)).otherwise(pl.lit(MISFIT)).alias("fitting")).to_dicts()
    fitting = sorted({str(row["fitting"]) for row in rows}, key=[FITS, MISFIT].index)
    scale = alt.Scale(type="log", nice=False, padding=16)
    times, energies = ([row[name] for row in rows] for name in ("latency_us", "energy_nj"))
    # From light to dark: told apart with any colour vision, and in grey; neither end is lost on white or on black.
    area = alt.Scale(scheme=alt.SchemeParams("viridis", extent=[0.25, 0.9]), reverse=True)
    shape = alt.Legend(**ABOVE, symbolFillColor=CONNECTOR, symbolStrokeColor=CONNECTOR)
    shapes = alt.Scale(domain=fitting, range=[SHAPES[name] for name in fitting])
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=alt.X("latency_us:Q", title="time of all layers (µs)", scale=scale, axis=log_axis(times)),
            y=alt.Y("energy_nj:Q", title="energy of all layers (nJ)", scale=scale, axis=log_axis(energies)),
            color=alt.Color(
                "area_mm2:Q", title="area (mm²)", scale=area, legend=alt.Legend(**ABOVE, gradientLength=150)
            ),
            shape=alt.Shape("fitting:N", title=None, scale=shapes, legend=shape),
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
    return finished(chart.properties(width=620, height=400))


# The columns of a front that are numbers of the chip, as the report heads them.
NUMBERS = (
    Column("latency_us", "time of all layers", "us"),
    Column("energy_nj", "energy of all layers", "nJ", Provenance.MODELLED),
    Column("area_mm2", "area", "mm2", Provenance.MODELLED),
    Column("slowest_memory_ns", "slowest memory", "ns", Provenance.MODELLED),
    Column("fits", "fits"),
)

TIMES = {
    False: "Times are simulated here, exact; energy and area are modelled here.",
    True: "Times are simulated here, and modelled where weights come from an external memory; energy and area are "
    "modelled here.",
}


def sweep_report(space: Space, table: pl.DataFrame, front: pl.DataFrame, fitting: pl.DataFrame) -> Report:
    """The page of a sweep: what was swept, the front of what fits, the front of all, and each layer by itself."""
    layers = space.layer_names
    designs = table.height // max(table["layer"].n_unique(), 1)
    varied = [name for name in PARAMETERS if table[name].n_unique() > 1]
    swept = "; ".join(f"{name} {_values(table[name])}" for name in varied) or "nothing"
    report = Report(
        title=f"Sweep: {space.name}",
        sentence=f"{table.height:,} runs, {designs:,} designs on {len(layers)} layer{'s' if len(layers) != 1 else ''}: "
        f"{', '.join(layers)}. Swept: {swept}. {TIMES[bool(table['external_bytes'].max())]} "
        f"Technology: {load_technology(space.technology).title}.",
        beside_paper=False,
    )
    best = fitting if fitting.height else front
    whose = "of the designs that fit" if fitting.height else "of all designs, none of which fits"
    for column, what in zip(NUMBERS, ("fastest", "least energy", "smallest"), strict=False):
        for row in best.sort(column.key).head(1).to_dicts():
            design = ", ".join(f"{name} {row[name]}" for name in varied) or "the only design"
            report.headline(f"{shown(row[column.key])} {unit_sign(column.unit)}", f"{what} {whose}: {design}")
    if not front.height:
        report.sentence += " No design was run on every layer, so that there is no front."
        report.add(_by_layer(table, layers))
        return report
    if fitting.height:
        report.add(
            Section(
                "fits",
                "The front of what fits",
                "Designs that hold every layer, on the chip or in an external memory, keep their clock, and that no "
                "other such design beats in time, energy and area at once. Time and energy are sums over the layers.",
                table=_front_table(fitting, varied),
                chart=front_chart(fitting),
            )
        )
    misfits = front.height - int(front["fits"].sum())
    report.add(
        Section(
            "front",
            "The front of all designs",
            f"{front.height} of {designs:,} designs are beaten by no other; {misfits} of these would not work as they "
            "are, because a memory does not hold a layer or cannot be read in every cycle.",
            table=_front_table(front, varied),
            chart=front_chart(front),
        )
    )
    report.add(_by_layer(table, layers))
    return report


def _values(column: pl.Series) -> str:
    values = column.unique().sort().to_list()
    return (
        f"{values[0]} to {values[-1]}" if len(values) > 4 and column.dtype.is_numeric() else ", ".join(map(str, values))
    )


def _front_table(front: pl.DataFrame, varied: list[str]) -> Table:
    columns = (*(Column(name, name.replace("_", " ")) for name in varied), *NUMBERS)
    return Table.of(columns, front.select([column.key for column in columns]).to_dicts())


def _by_layer(table: pl.DataFrame, layers: list[str]) -> Section:
    """The least time and energy of each layer, over all designs and over those on which it fits."""
    rows: list[dict[str, Any]] = []
    for layer in layers:
        own = table.filter(pl.col("layer") == layer)
        fits = own.filter("fits")
        rows.append(
            {
                "layer": layer,
                "time": own["latency_us"].min(),
                "time_fits": fits["latency_us"].min() if fits.height else None,
                "energy": own["energy_nj"].min(),
                "energy_fits": fits["energy_nj"].min() if fits.height else None,
                "designs": fits.height,
            }
        )
    columns = (
        Column("layer", "layer"),
        Column("time", "least time", "us"),
        Column("time_fits", "least time where it fits", "us"),
        Column("energy", "least energy", "nJ", Provenance.MODELLED),
        Column("energy_fits", "least energy where it fits", "nJ", Provenance.MODELLED),
        Column("designs", "designs on which it fits"),
    )
    return Section(
        "layers",
        "Each layer by itself",
        "The least time and the least energy that any design of the sweep has for the layer, not always the same one.",
        table=Table.of(columns, rows),
    )

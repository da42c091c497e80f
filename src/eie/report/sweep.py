"""A sweep of the engine beside its peers as a page: who is faster where, and time over density, activity and batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt

from eie.peers.sweep import FASTER, LEVEL, SLOWER, Cell, Sweep, advice
from eie.report.charts import OURS, PANEL_WIDTH, PAPER, finished, log_axis
from eie.report.page import Report, Section
from eie.support.processor import build, processor
from eie.support.tables import Column, Provenance, Table, Value

__all__ = ["cells_table", "curves_chart", "map_chart", "points_table", "sweep_report"]

OURS_NAME, PEER_NAME = "ours", "best peer"
MOST_LINES = 3
ROW = 30
TITLES = {"density": "weights kept (%)", "activity": "inputs active (%)", "batch": "batch"}
# What each curve is drawn over, with a panel and a colour for the other two.
AROUND = {"density": ("batch", "activity"), "activity": ("density", "batch"), "batch": ("density", "activity")}
ABOVE: dict[str, Any] = {"orient": "top", "direction": "horizontal"}


def sweep_report(sweep: Sweep) -> Report:
    """Return the page: who is faster where, the three curves of each numerics, and every number as a table."""
    grid = sweep.grid
    busy = sum(cell.busy for cell in sweep.cells)
    report = Report(
        title="Time over density, activity and batch",
        sentence=f"A layer of {grid.outputs:,} x {grid.inputs:,}, measured here on {processor()}, {sweep.threads} "
        f"thread{'s' if sweep.threads > 1 else ''}, {build()}. Contenders take turns, weights warm; medians and "
        f"quartiles. float32 and int16 stand beside float32 libraries, int8 beside those right to 8 bits."
        + (f" The machine was busy with other work in {busy} of {len(sweep.cells)} comparisons." if busy else ""),
        beside_paper=False,
    )
    for numerics in grid.numerics:
        cells = [cell for cell in sweep.cells if cell.numerics == numerics]
        verdicts = Counter(cell.verdict for cell in cells)
        report.headline(
            f"{verdicts[FASTER]} of {len(cells)}",
            f"{numerics}: ours is faster; level in {verdicts[LEVEL]}, slower in {verdicts[SLOWER]}",
        )
    for numerics in grid.numerics:
        cells = [cell for cell in sweep.cells if cell.numerics == numerics]
        report.add(
            Section(
                f"{numerics}-map",
                f"{numerics}: where to use what",
                "The best peer's time over ours: above 1 ours is faster. Where a peer is, the place has a frame.",
                table=cells_table(cells),
                chart=map_chart(cells) if any(cell.ratio for cell in cells) else None,
                details=tuple(advice(sweep, numerics)),
            )
        )
        for x, (panel, shade) in AROUND.items():
            if len({getattr(cell, x) for cell in cells}) > 1:
                report.add(
                    Section(
                        f"{numerics}-over-{x}",
                        f"{numerics}: time over {x}",
                        "Ours drawn through, the best peer dashed; a cross where the peer is faster.",
                        chart=curves_chart(cells, x, panel, shade),
                    )
                )
    return report


def map_chart(cells: Sequence[Cell]) -> alt.TopLevelMixin:
    """Draw the ratio of the best peer's time to ours over activity and density, a panel per batch."""
    rows = [row for row in map(_row, cells) if row["ratio"] is not None]
    densities = len({cell.density for cell in cells})
    # Blue where ours is faster, vermilion where the peer is, pale where neither is; the numbers say it without colour.
    colour = alt.Scale(type="log", domain=[0.25, 1, 4], range=[PAPER, "#f2f2f2", OURS], clamp=True)
    base = alt.Chart().encode(
        x=alt.X("activity:O", title=TITLES["activity"], axis=alt.Axis(labelAngle=0)),
        y=alt.Y("density:O", title=TITLES["density"], sort="descending"),
    )
    squares = base.mark_rect().encode(
        color=alt.Color(
            "ratio:Q", title="peer's time / ours", scale=colour, legend=alt.Legend(**ABOVE, values=[0.25, 0.5, 1, 2, 4])
        ),
        tooltip=_tooltip(),
    )
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text("ratio:Q", format=".2~r"),
        color=alt.condition("datum.ratio > 2.2 || datum.ratio < 0.4", alt.value("white"), alt.value("#1b1f24")),
    )
    frames = base.mark_rect(fillOpacity=0, stroke="#1b1f24", strokeWidth=2.5).transform_filter(
        f"datum.verdict == '{SLOWER}'"
    )
    layered = alt.layer(squares, frames, numbers, data=alt.InlineData(values=rows))
    return finished(_panels(layered, "batch", cells, height=ROW * densities))


def curves_chart(cells: Sequence[Cell], x: str, panel: str, shade: str) -> alt.TopLevelMixin:
    """Draw time over `x`, a panel per `panel`, a colour per `shade`: ours through, the best peer dashed.

    Of more than three shades the first, the middle and the last are drawn.
    """
    shades = sorted({getattr(cell, shade) for cell in cells})
    if len(shades) > MOST_LINES:
        shades = [shades[0], shades[len(shades) // 2], shades[-1]]
    rows = []
    for cell in cells:
        if getattr(cell, shade) in shades:
            row = _row(cell)
            rows.append(row | {"whose": OURS_NAME, "time": cell.us})
            if cell.peer_us is not None:
                rows.append(row | {"whose": PEER_NAME, "time": cell.peer_us, "verdict": LEVEL})
    straight = alt.Scale(type="linear") if x == "activity" else alt.Scale(type="log", nice=False)
    places = sorted({_row(cell)[x] for cell in cells})
    axis = alt.Axis(values=places, labelExpr="format(datum.value, '~g')", labelOverlap="greedy", labelSeparation=6)
    colours = alt.Scale(scheme=alt.SchemeParams("viridis", extent=[0.15, 0.85]), reverse=True)
    marks = alt.Chart().encode(
        x=alt.X(f"{x}:Q", title=TITLES[x], scale=straight, axis=axis),
        y=alt.Y(
            "time:Q",
            title="time of a call (µs)",
            scale=alt.Scale(type="log", nice=False, padding=8),
            axis=log_axis([row["time"] for row in rows]),
        ),
        color=alt.Color(f"{shade}:O", title=TITLES[shade], scale=colours, legend=alt.Legend(**ABOVE)),
    )
    whose = alt.StrokeDash(
        "whose:N",
        title=None,
        scale=alt.Scale(domain=[OURS_NAME, PEER_NAME], range=[[1, 0], [5, 4]]),
        legend=alt.Legend(**ABOVE),
    )
    lines = marks.mark_line(strokeWidth=2).encode(strokeDash=whose, detail="whose:N")
    points = marks.mark_point(filled=True, size=30, opacity=1).encode(tooltip=_tooltip())
    slower = marks.transform_filter(f"datum.verdict == '{SLOWER}'")
    crosses = slower.mark_point(shape="cross", angle=45, size=110, filled=True, opacity=1).encode(
        color=alt.value(PAPER), tooltip=_tooltip()
    )
    layered = alt.layer(lines, points, crosses, data=alt.InlineData(values=rows))
    return finished(_panels(layered, panel, cells, height=180))


def _panels(chart: Any, panel: str, cells: Sequence[Cell], height: int) -> alt.FacetChart:
    titles = list(dict.fromkeys(_title(panel, _row(cell)[panel]) for cell in cells))
    faceted: alt.FacetChart = chart.properties(width=PANEL_WIDTH, height=height).facet(
        facet=alt.Facet(f"{panel}_title:N", sort=titles, title=None, header=alt.Header(labelFontWeight="bold")),
        columns=2,
    )
    return faceted


def _row(cell: Cell) -> dict[str, Any]:
    """A cell as a chart and a table take it: shares in %, quartiles as two numbers."""
    low, high = cell.ratio_quartiles or (None, None)
    row: dict[str, Any] = {
        "density": 100 * cell.density,
        "activity": 100 * cell.activity,
        "batch": cell.batch,
        "us": cell.us,
        "us_low": cell.quartiles_us[0],
        "us_high": cell.quartiles_us[1],
        "peer": cell.peer,
        "peer_us": cell.peer_us,
        "ratio": cell.ratio,
        "ratio_low": low,
        "ratio_high": high,
        "verdict": cell.verdict,
        "busy": cell.busy,
    }
    return row | {f"{axis}_title": _title(axis, row[axis]) for axis in ("density", "batch")}


def _title(axis: str, value: float) -> str:
    return f"batch {value:g}" if axis == "batch" else f"{value:.4g} % of the weights kept"


def _tooltip() -> list[alt.Tooltip]:
    numbers = {"us": "ours (µs)", "peer_us": "best peer (µs)", "ratio": "ratio"}
    return [
        *(alt.Tooltip(f"{axis}:Q", title=title) for axis, title in TITLES.items()),
        alt.Tooltip("peer:N", title="best peer"),
        *(alt.Tooltip(f"{key}:Q", title=title, format=",.4~r") for key, title in numbers.items()),
        alt.Tooltip("verdict:N", title="ours is"),
    ]


def cells_table(cells: Sequence[Cell]) -> Table:
    """Return one row per density, activity and batch of one numerics: ours, the best peer, and their ratio."""
    measured = Provenance.MEASURED
    columns = (
        Column("density", "weights kept", "%"),
        Column("activity", "inputs active", "%"),
        Column("batch", "batch"),
        Column("us", "ours", "us", measured),
        Column("us_low", "quartile", "us", measured),
        Column("us_high", "quartile", "us", measured),
        Column("peer", "best peer"),
        Column("peer_us", "its time", "us", measured),
        Column("ratio", "its time / ours", "x", measured),
        Column("ratio_low", "quartile", "x", measured),
        Column("ratio_high", "quartile", "x", measured),
        Column("verdict", "ours is"),
        Column("busy", "machine busy"),
    )
    keys = [column.key for column in columns]
    return Table.of(columns, ({key: row[key] for key in keys} for row in map(_row, cells)))


def points_table(sweep: Sweep) -> Table:
    """Return one row per contender that was timed, ours and peers."""
    columns = (
        Column("density", "weights kept", "%"),
        Column("activity", "inputs active", "%"),
        Column("batch", "batch"),
        Column("contender", "contender"),
        Column("us", "median", "us", Provenance.MEASURED),
        Column("low", "quartile", "us", Provenance.MEASURED),
        Column("high", "quartile", "us", Provenance.MEASURED),
        Column("busy", "machine busy"),
        Column("error", "error, of the largest output"),
        Column("wrong", "wrong"),
    )
    rows: list[dict[str, Value]] = [
        {
            "density": 100 * point.density,
            "activity": 100 * point.activity,
            "batch": point.batch,
            "contender": point.contender,
            "us": point.us,
            "low": point.quartiles_us[0],
            "high": point.quartiles_us[1],
            "busy": point.busy,
            "error": point.error,
            "wrong": point.wrong,
        }
        for point in sweep.points
    ]
    return Table.of(columns, rows)

"""Altair charts of a comparison with the paper: ours and the paper's always in the same two colours and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from eie.paper.comparison import Comparison, Plot, Reproduction
from eie.support.extras import needed_for
from eie.support.tables import Provenance, Value, unit_sign

with needed_for("the report"):
    import altair as alt

__all__ = ["OURS", "PAPER", "agreement_chart", "comparison_chart", "finished", "log_axis"]

# Okabe and Ito's blue and vermilion: told apart with any colour vision, and readable on white and on near black.
OURS, PAPER = "#0072B2", "#D55E00"
CONNECTOR = "#888888"
OURS_NAME, PAPER_NAME = "ours", "paper"
SERIES = {
    Provenance.CALIBRATED: "put in: calibrated on the paper",
    Provenance.DERIVED: "worked out from the paper's tables",
}
# Colour, fill, shape and size of each series: hollow is what is not ours although worked out here; circles show around
# the diamonds that cover them.
STYLES = {
    OURS_NAME: (OURS, OURS, "circle", 110),
    SERIES[Provenance.CALIBRATED]: (OURS, "transparent", "circle", 110),
    PAPER_NAME: (PAPER, PAPER, "diamond", 40),
    SERIES[Provenance.DERIVED]: (PAPER, "transparent", "diamond", 90),
}
Points = list[dict[str, Any]]
PANEL_WIDTH = 240
SINGLE_WIDTH = 620


def comparison_chart(reproduction: Reproduction) -> alt.TopLevelMixin:
    """Draw a reproduction as its `plot` says: points or lines, ours and the paper's, a panel per panel label."""
    plot = reproduction.plot
    points = _points(reproduction)
    layers = _lines(reproduction, points) if plot.lines else _dots(reproduction, points)
    chart = alt.layer(*layers, data=alt.InlineData(values=points))
    if plot.panel is None:
        return finished(chart.properties(width=SINGLE_WIDTH))
    panels = list(dict.fromkeys(_panel(one, reproduction) for one in reproduction.comparisons))
    columns = 3 if plot.lines else 2  # a narrower page has fewer
    faceted = chart.properties(width=PANEL_WIDTH, height=_panel_height(reproduction)).facet(
        facet=alt.Facet("panel:N", sort=panels, title=None, header=alt.Header(labelFontWeight="bold")),
        columns=columns,
    )
    if any(
        len(panels) % fewer for fewer in range(1, columns + 1)
    ):  # where the last row has gaps, each panel has its axis
        faceted = faceted.resolve_axis(x="independent")
    if not _several_units(reproduction):  # one unit, one axis: panels can be compared
        return finished(faceted)
    return finished(faceted.resolve_scale(y="independent") if plot.lines else faceted.resolve_scale(x="independent"))


def agreement_chart(rows: Sequence[Mapping[str, Value]]) -> alt.TopLevelMixin:
    """A dot per table or figure (`name`) at its mean absolute `difference`, a panel per `unit`."""
    names = [str(row["name"]) for row in rows]
    dots = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
        .mark_point(filled=True, size=75, opacity=1, color=OURS)
        .encode(
            x=alt.X(
                "difference:Q",
                title="mean absolute difference",
                scale=alt.Scale(zero=True),
                axis=alt.Axis(labelOverlap="greedy", labelSeparation=6),
            ),
            y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(grid=True)),
            tooltip=[alt.Tooltip(f"{key}:{kind}") for key, kind in (("name", "N"), ("difference", "Q"), ("unit", "N"))],
        )
    )
    faceted = dots.properties(width=PANEL_WIDTH, height=24 * len(names)).facet(
        facet=alt.Facet("unit:N", title=None, header=alt.Header(labelFontWeight="bold")), columns=2
    )
    return finished(faceted.resolve_scale(x="independent"))


def _several_units(reproduction: Reproduction) -> bool:
    return len({one.unit for one in reproduction.comparisons}) > 1


def _panel(one: Comparison, reproduction: Reproduction) -> str:
    """The panel's title: its label, with the unit where panels differ in it."""
    label = str(one.labels[reproduction.plot.panel]) if reproduction.plot.panel else ""
    return f"{label} ({unit_sign(one.unit)})" if _several_units(reproduction) else label


def _value_title(reproduction: Reproduction) -> str | None:
    """The value axis's title with its unit; panels of several units have theirs in the panels' titles."""
    plot = reproduction.plot
    if plot.relative or _several_units(reproduction):
        return plot.value_title or None
    return f"{plot.value_title} ({unit_sign(reproduction.comparisons[0].unit)})"


def _points(reproduction: Reproduction) -> list[dict[str, Any]]:
    """One row per drawn point: category, panel, whose, value, unit, and where it comes from."""
    plot = reproduction.plot
    points = []
    for one in reproduction.comparisons:
        mine = one.ratio if plot.relative else one.ours
        for whose, value, origin in (
            (SERIES.get(one.provenance, OURS_NAME), mine, str(one.provenance)),
            (PAPER_NAME, None if plot.relative else one.paper, str(Provenance.REPORTED)),
        ):
            if value is None or (plot.logarithmic and value <= 0):
                continue
            points.append(
                {
                    "category": one.labels[plot.category],
                    "panel": _panel(one, reproduction),
                    "whose": whose,
                    "size": STYLES[whose][-1],
                    "value": value,
                    "unit": "" if plot.relative else unit_sign(one.unit),
                    "origin": origin,
                    "note": one.note,
                }
            )
    return points


def _dots(reproduction: Reproduction, points: Points) -> list[alt.Chart]:
    """A row per category, a dot for ours and one for the paper's, joined by a thin line."""
    plot = reproduction.plot
    category = alt.Y("category:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=300))
    value = alt.X("value:Q", title=_value_title(reproduction), scale=_scale(plot), axis=_value_axis(plot, points))
    joined = alt.Chart().mark_line(color=CONNECTOR, strokeWidth=1.5).encode(x=value, y=category, detail="category:N")
    dots = (
        alt.Chart()
        .mark_point(opacity=1, strokeWidth=2)
        .encode(x=value, y=category, tooltip=_tooltip(plot), **_series(points))
    )
    at_one = alt.Chart().mark_rule(color=CONNECTOR, strokeDash=[4, 3]).encode(x=alt.XDatum(1))
    return [*([at_one] if plot.line_at_one else []), joined, dots]


def _lines(reproduction: Reproduction, points: Points) -> list[alt.Chart]:
    """Lines over a numeric category on a base-2 axis, with a point at every number."""
    plot = reproduction.plot
    category = alt.X(
        "category:Q",
        title=plot.category,
        scale=alt.Scale(type="log", base=2),
        axis=alt.Axis(format="d", labelOverlap="greedy", labelSeparation=6),
    )
    value = alt.Y("value:Q", title=_value_title(reproduction), scale=_scale(plot), axis=_value_axis(plot, points))
    series = _series(points)
    drawn = alt.Chart().encode(x=category, y=value)
    return [
        drawn.mark_line(strokeWidth=2).encode(color=series["color"]),
        drawn.mark_point(opacity=1, strokeWidth=1.5).encode(tooltip=_tooltip(plot), **series),
    ]


def _scale(plot: Plot) -> alt.Scale:
    """Logarithmic, or linear from zero, so that lengths can be compared."""
    return alt.Scale(type="log", nice=False, padding=12) if plot.logarithmic else alt.Scale(type="linear", zero=True)


def _value_axis(plot: Plot, points: Points) -> alt.Axis:
    """An axis that leaves out labels that would collide; on a logarithmic one they stand at 1, 2 and 5."""
    values = [point["value"] for point in points]
    return log_axis(values) if plot.logarithmic and values else alt.Axis(labelOverlap="greedy", labelSeparation=6)


def log_axis(values: Sequence[float]) -> alt.Axis:
    """A logarithmic axis over `values`, at least one, with labels at 1, 2 and 5 that do not collide.

    Where fewer than three of these lie within the values, every digit has one.
    """
    digits: tuple[int, ...] = (1, 2, 5)
    first, last = floor(log10(min(values))), ceil(log10(max(values)))
    within = [d * 10.0**p for p in range(first, last + 1) for d in digits if min(values) <= d * 10.0**p <= max(values)]
    if len(within) < 3:
        digits = tuple(range(1, 10))
    steps = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
    label = "format(datum.value, datum.value < 1000 ? '~g' : '~s')"
    return alt.Axis(values=steps, labelExpr=label, labelOverlap="greedy", labelSeparation=6)


def _series(points: Points) -> dict[str, Any]:
    """Colour, fill and shape of the series drawn, and each point's size; one without a mark is in no legend."""
    drawn = [name for name in STYLES if any(point["whose"] == name for point in points)]
    if len(drawn) == 1:
        colour, fill, shape, size = STYLES[drawn[0]]
        alone = {"color": colour, "fill": fill, "shape": shape, "size": size}
        return {channel: alt.value(value) for channel, value in alone.items()}
    colours, fills, shapes, _ = zip(*(STYLES[name] for name in drawn), strict=True)
    legend = alt.Legend(orient="top", direction="horizontal", symbolOpacity=1, columns=2, labelLimit=260)

    def scale(values: Sequence[str]) -> alt.Scale:
        return alt.Scale(domain=drawn, range=list(values))

    return {
        "color": alt.Color("whose:N", title=None, scale=scale(colours), legend=legend),
        "fill": alt.Fill("whose:N", title=None, scale=scale(fills), legend=legend),
        "shape": alt.Shape("whose:N", title=None, scale=scale(shapes), legend=legend),
        "size": alt.Size("size:Q", scale=None),
    }


def _tooltip(plot: Plot) -> list[alt.Tooltip]:
    shown = [alt.Tooltip("category:N", title=plot.category)]
    if plot.panel:
        shown.append(alt.Tooltip("panel:N", title=plot.panel))
    return [
        *shown,
        alt.Tooltip("whose:N", title="whose"),
        alt.Tooltip("value:Q", title=plot.value_title or "number", format=",.4~r"),
        alt.Tooltip("unit:N", title="unit"),
        alt.Tooltip("origin:N", title="provenance"),
        alt.Tooltip("note:N", title="note"),
    ]


def _panel_height(reproduction: Reproduction) -> int:
    if reproduction.plot.lines:
        return 150
    rows = {one.labels[reproduction.plot.category] for one in reproduction.comparisons}
    return 24 * len(rows)


def finished(chart: Any) -> alt.TopLevelMixin:
    """The chart with the look that all of them share."""
    configured: alt.TopLevelMixin = (
        chart.configure(background="transparent")
        .configure_view(strokeOpacity=0.25)
        .configure_axis(gridOpacity=0.25, labelFontSize=11, titleFontSize=12, titleFontWeight="normal")
    )
    return configured

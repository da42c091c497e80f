"""Altair charts of a comparison with the paper: ours and the paper's always in the same two colours and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from eie.paper.comparison import Comparison, Plot, Reproduction
from eie.support.tables import Value

__all__ = ["OURS", "PAPER", "agreement_chart", "comparison_chart"]

# Okabe and Ito's blue and vermilion: told apart with any colour vision, and readable on white and on near black.
OURS, PAPER = "#0072B2", "#D55E00"
CONNECTOR = "#888888"
PANEL_WIDTH = 240
SINGLE_WIDTH = 620


def comparison_chart(reproduction: Reproduction) -> alt.TopLevelMixin:
    """Draw a reproduction as its `plot` says: points or lines, ours and the paper's, a panel per panel label."""
    plot = reproduction.plot
    data = alt.InlineData(values=_points(reproduction))
    layers = _lines(plot) if plot.lines else _dots(plot)
    chart = alt.layer(*layers, data=data)
    if plot.panel is None:
        return _finished(chart.properties(width=SINGLE_WIDTH))
    panels = list(dict.fromkeys(_panel(one, reproduction) for one in reproduction.comparisons))
    faceted = chart.properties(width=PANEL_WIDTH, height=_panel_height(reproduction)).facet(
        facet=alt.Facet("panel:N", sort=panels, title=None, header=alt.Header(labelFontWeight="bold")),
        columns=3 if plot.lines else 2,
    )
    if not plot.lines:
        return _finished(faceted.resolve_scale(x="independent"))
    return _finished(faceted.resolve_scale(y="independent") if _several_units(reproduction) else faceted)


def agreement_chart(rows: Sequence[Mapping[str, Value]]) -> alt.TopLevelMixin:
    """A dot per table or figure (`name`) at its mean absolute `difference`, a panel per `unit`."""
    names = [str(row["name"]) for row in rows]
    dots = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
        .mark_point(filled=True, size=75, opacity=1, color=OURS)
        .encode(
            x=alt.X("difference:Q", title="mean absolute difference", scale=alt.Scale(zero=True)),
            y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(grid=True)),
            tooltip=[alt.Tooltip(f"{key}:{kind}") for key, kind in (("name", "N"), ("difference", "Q"), ("unit", "N"))],
        )
    )
    faceted = dots.properties(width=PANEL_WIDTH, height=24 * len(names)).facet(
        facet=alt.Facet("unit:N", title=None, header=alt.Header(labelFontWeight="bold")), columns=2
    )
    return _finished(faceted.resolve_scale(x="independent"))


def _several_units(reproduction: Reproduction) -> bool:
    return len({one.unit for one in reproduction.comparisons}) > 1


def _panel(one: Comparison, reproduction: Reproduction) -> str:
    """The panel's title: its label, with the unit where panels differ in it."""
    label = str(one.labels[reproduction.plot.panel]) if reproduction.plot.panel else ""
    return f"{label} ({one.unit})" if _several_units(reproduction) else label


def _points(reproduction: Reproduction) -> list[dict[str, Any]]:
    """One row per drawn point: category, panel, whose, value, unit, and where it comes from."""
    plot = reproduction.plot
    points = []
    for one in reproduction.comparisons:
        for whose, value, origin in (
            ("ours", one.ours, str(one.provenance)),
            ("paper", one.paper, "reported in the paper"),
        ):
            if value is None or (plot.logarithmic and value <= 0):
                continue
            points.append(
                {
                    "category": one.labels[plot.category],
                    "panel": _panel(one, reproduction),
                    "whose": whose,
                    "value": value,
                    "unit": one.unit,
                    "origin": origin,
                }
            )
    return points


def _dots(plot: Plot) -> list[alt.Chart]:
    """A row per category, a dot for ours and one for the paper's, joined by a thin line."""
    category = alt.Y("category:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=220))
    scale = alt.Scale(type="log", nice=False, padding=12) if plot.logarithmic else alt.Scale(type="linear")
    value = alt.X(
        "value:Q", title=plot.value_title, scale=scale, axis=alt.Axis(labelOverlap="greedy", labelSeparation=6)
    )
    joined = alt.Chart().mark_line(color=CONNECTOR, strokeWidth=1.5).encode(x=value, y=category, detail="category:N")
    dots = (
        alt.Chart()
        .mark_point(filled=True, size=75, opacity=1)
        .encode(x=value, y=category, color=_colour(), shape=_shape(), tooltip=_tooltip(plot))
    )
    return [joined, dots]


def _lines(plot: Plot) -> list[alt.Chart]:
    """Lines over a numeric category on a base-2 axis, with a point at every number."""
    category = alt.X(
        "category:Q",
        title=plot.category,
        scale=alt.Scale(type="log", base=2),
        axis=alt.Axis(format="d", labelOverlap=True),
    )
    scale = alt.Scale(type="log") if plot.logarithmic else alt.Scale(type="linear", zero=False)
    value = alt.Y("value:Q", title=plot.value_title, scale=scale)
    drawn = alt.Chart().encode(x=category, y=value, color=_colour())
    return [
        drawn.mark_line(strokeWidth=2),
        drawn.mark_point(filled=True, size=45, opacity=1).encode(shape=_shape(), tooltip=_tooltip(plot)),
    ]


def _colour() -> alt.Color:
    return alt.Color(
        "whose:N", title=None, scale=alt.Scale(domain=["ours", "paper"], range=[OURS, PAPER]), legend=_legend()
    )


def _shape() -> alt.Shape:
    return alt.Shape(
        "whose:N", title=None, scale=alt.Scale(domain=["ours", "paper"], range=["circle", "diamond"]), legend=_legend()
    )


def _legend() -> alt.Legend:
    return alt.Legend(orient="top", direction="horizontal", symbolOpacity=1)


def _tooltip(plot: Plot) -> list[alt.Tooltip]:
    shown = [alt.Tooltip("category:N", title=plot.category)]
    if plot.panel:
        shown.append(alt.Tooltip("panel:N", title=plot.panel))
    return [
        *shown,
        alt.Tooltip("whose:N", title="whose"),
        alt.Tooltip("value:Q", title="value", format=",.4~r"),
        alt.Tooltip("unit:N", title="unit"),
        alt.Tooltip("origin:N", title="provenance"),
    ]


def _panel_height(reproduction: Reproduction) -> int:
    if reproduction.plot.lines:
        return 150
    rows = {one.labels[reproduction.plot.category] for one in reproduction.comparisons}
    return 24 * len(rows)


def _finished(chart: Any) -> alt.TopLevelMixin:
    finished: alt.TopLevelMixin = (
        chart.configure(background="transparent")
        .configure_view(strokeOpacity=0.25)
        .configure_axis(gridOpacity=0.25, labelFontSize=11, titleFontSize=12, titleFontWeight="normal")
    )
    return finished

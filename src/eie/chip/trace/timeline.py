"""A chart of PEs by cycles, coloured by state, as HTML, PNG, SVG or PDF, by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eie.chip.trace.states import Activity, State
from eie.support.chart_files import write_chart
from eie.support.extras import needed_for

if TYPE_CHECKING:
    import altair as alt

__all__ = ["timeline_chart", "write_timeline"]

# The palette of Okabe and Ito, distinguishable with any colour vision.
_COLOURS = {
    "busy": "#0072B2",
    "padding": "#E69F00",
    "empty column": "#CC79A7",
    "starved": "#D9D9D9",
    "drained": "#666666",
}
_STATES = {
    "busy": State.BUSY,
    "padding": State.PADDING,
    "empty column": State.EMPTY_COLUMN,
    "starved": State.STARVED,
    "drained": State.DRAINED,
}
WIDTH = 900
COLUMNS = 300  # bins of cycles; a cell shows its PE's most frequent state in the bin


def timeline_chart(activity: Activity) -> alt.Chart:
    """Return the chart: a row per PE, a cell per bin of cycles, coloured by the most frequent state in the bin."""
    with needed_for("a timeline"):
        import altair as alt

    n_cycles = len(activity.cycles)
    edges = np.unique(np.linspace(0, n_cycles, min(COLUMNS, n_cycles) + 1).astype(int))
    names = list(_STATES)
    # (state, PE, bin): how many of a bin's cycles the PE was in the state
    shares = np.stack(
        [np.add.reduceat(activity.states == state, edges[:-1], axis=1, dtype=np.int64) for state in _STATES.values()]
    )
    most = shares.argmax(axis=0)
    first = activity.cycles.start + edges
    values = [
        {"pe": pe, "begin": int(first[at]), "end": int(first[at + 1]), "state": names[most[row, at]]}
        for row, pe in enumerate(activity.pes)
        for at in range(len(edges) - 1)
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=values), width=WIDTH, height=max(120, 9 * len(activity.pes)))
        .mark_rect()
        .encode(
            x=alt.X("begin:Q", title="cycle", scale=alt.Scale(domain=[int(first[0]), int(first[-1])], nice=False)),
            x2="end:Q",
            y=alt.Y("pe:O", title="PE", axis=alt.Axis(values=list(activity.pes)[:: max(1, len(activity.pes) // 16)])),
            color=alt.Color(
                "state:N",
                title=None,
                scale=alt.Scale(domain=names, range=list(_COLOURS.values())),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[alt.Tooltip("pe:O", title="PE"), "begin:Q", "end:Q", "state:N"],
        )
        .properties(title=f"What each PE does most, cycles {first[0]:,} to {first[-1]:,} (simulated)")
    )
    return chart


def write_timeline(activity: Activity, path: Path) -> None:
    """Write the chart in the format of the path's ending. Raises InputError for an ending of no such format."""
    write_chart(timeline_chart(activity), path, "timeline")

"""Writing a chart to a file in the format of its ending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eie.support.extras import require
from eie.support.output_files import atomic_write, require_output

if TYPE_CHECKING:
    import altair as alt

__all__ = ["CHART_ENDINGS", "CHART_FORMATS", "write_chart"]

CHART_FORMATS: tuple[Literal["html", "png", "svg", "pdf"], ...] = ("html", "png", "svg", "pdf")
CHART_ENDINGS = tuple(f".{one}" for one in CHART_FORMATS)


def write_chart(chart: alt.TopLevelMixin, path: Path, what: str) -> None:
    """Write `chart` as self-contained HTML, PNG, SVG or PDF, by the ending of `path`; `what` names it in errors.

    Raises InputError for another ending, and MissingExtra without vl-convert-python.
    """
    require_output(path, f"a {what}", CHART_ENDINGS)
    require(f"a {what}", "vl_convert")
    kind = next(one for one in CHART_FORMATS if path.suffix.lower() == f".{one}")
    with atomic_write(path) as temporary:
        if kind == "html":
            chart.save(str(temporary), format="html", inline=True)
        else:
            chart.save(str(temporary), format=kind, scale_factor=1.5)

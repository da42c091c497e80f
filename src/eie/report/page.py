"""report.html: one file that needs nothing else, made of sections with a sentence, a chart and a table."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from eie.errors import InputError
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write
from eie.support.tables import Column, Table, Value, shown, unit_sign

with needed_for("the report"):
    import altair as alt
    import vl_convert

__all__ = ["Report", "Section"]

MARKS = (
    '<p class="key"><span class="ours">●</span> ours <span class="put-in">○</span> put in, calibrated on the paper '
    '<span class="paper">◆</span> reported in the paper <span class="derived">◇</span> worked out from its other tables'
    "</p>"
)


@dataclass(frozen=True)
class Section:
    """A part of the report: `name` is its anchor and file name, `sentence` says what the chart and the table show."""

    name: str
    title: str
    sentence: str
    table: Table | None = None
    chart: alt.TopLevelMixin | None = None
    details: tuple[str, ...] = ()


@dataclass
class Report:
    """A title, a sentence that says what was run, headline numbers, and sections in the order they were added.

    `beside_paper` says whether charts have the paper's marks beside ours, which the page then explains.
    """

    title: str
    sentence: str
    headlines: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    beside_paper: bool = True

    def headline(self, value: str, meaning: str) -> None:
        """Put a number, with its unit, on the first screen; `meaning` says what it is and where it comes from."""
        self.headlines.append((value, meaning))

    def add(self, section: Section) -> None:
        """Append a section. Raises InputError where one of that name is there already."""
        if any(other.name == section.name for other in self.sections):
            raise InputError(f"the report already has a section named {section.name!r}")
        self.sections.append(section)

    def html(self) -> str:
        """The whole page: styles, scripts and data inline, no address fetched."""
        charts = {one.name: one.chart.to_dict() for one in self.sections if one.chart is not None}
        return Template(_asset("page.html")).substitute(
            title=html.escape(self.title),
            sentence=html.escape(self.sentence),
            style=_asset("page.css"),
            headlines="".join(
                f"<li><b>{html.escape(value)}</b><span>{html.escape(meaning)}</span></li>"
                for value, meaning in self.headlines
            ),
            contents="".join(
                f'<li><a href="#{html.escape(one.name)}">{html.escape(one.title)}</a></li>' for one in self.sections
            ),
            key=MARKS if self.beside_paper else "",
            sections="".join(_section(one) for one in self.sections),
            charts=_inline_json(charts),
            libraries=_chart_libraries() if charts else "",
            script=(_asset("charts.js") if charts else "") + _asset("page.js"),
        )

    def write(self, path: Path) -> None:
        """Write the page to `path`, whole or not at all."""
        text = self.html()
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_figures(self, folder: Path, formats: Sequence[str] = ("svg", "pdf", "png")) -> list[Path]:
        """Write every section's chart in each format and every table as CSV into `folder`, made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for section in self.sections:
            if section.chart is not None:
                for kind in formats:
                    path = folder / f"{section.name}.{kind}"
                    with atomic_write(path) as temporary:
                        temporary.write_bytes(_RENDERERS[kind](section.chart.to_dict()))
                    written.append(path)
            if section.table is not None:
                path = folder / f"{section.name}.csv"
                section.table.write_csv(path)
                written.append(path)
        return written


def _section(section: Section) -> str:
    name = html.escape(section.name)
    parts = [f'<section id="{name}"><h2>{html.escape(section.title)}</h2><p>{html.escape(section.sentence)}</p>']
    if section.chart is not None:
        parts.append(f'<div class="chart" data-chart="{name}"></div>')
    if section.table is not None:
        parts.append(_table(section.table))
    parts += [f'<p class="detail">{html.escape(detail)}</p>' for detail in section.details]
    return "".join(parts) + "</section>"


def _table(table: Table) -> str:
    head = "".join(_heading(column) for column in table.columns)
    body = "".join(_row(table.columns, row) for row in table.rows)
    summary = f"Table: {len(table.rows)} rows"
    return (
        f"<details{' open' if len(table.rows) <= OPEN_ROWS else ''}><summary>{summary}</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


# A table of more rows starts folded, so that the next chart is in reach.
OPEN_ROWS = 45


def _heading(column: Column) -> str:
    origin = f"<small>{html.escape(column.provenance)}</small>" if column.provenance else ""
    heading = replace(column, unit=unit_sign(column.unit)).heading
    return f'<th scope="col"><button type="button">{html.escape(heading)}</button>{origin}</th>'


def _row(columns: tuple[Column, ...], row: Mapping[str, Value]) -> str:
    cells = []
    for column in columns:
        value = row.get(column.key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        exact = f' class="number" data-value="{value!r}"' if number else ""
        text = unit_sign(shown(value)) if column.key == "unit" else shown(value)
        cells.append(f"<td{exact}>{html.escape(text)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _inline_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (files("eie.report") / "page" / name).read_text(encoding="utf-8")


VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
PIXELS_PER_INCH = 144

_RENDERERS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "svg": lambda chart: vl_convert.vegalite_to_svg(chart, vl_version=VEGA_LITE).encode(),
    "pdf": lambda chart: vl_convert.vegalite_to_pdf(chart, vl_version=VEGA_LITE),
    "png": lambda chart: vl_convert.vegalite_to_png(chart, vl_version=VEGA_LITE, ppi=PIXELS_PER_INCH),
}


@cache
def _chart_libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed in the version the charts are written for, bundled offline, as global names."""
    bundle = vl_convert.javascript_bundle(GLOBAL_NAMES, VEGA_LITE)
    return bundle.replace("</script", "<\\/script")


GLOBAL_NAMES = "window.vegaEmbed = vegaEmbed;"

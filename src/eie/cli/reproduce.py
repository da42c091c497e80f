"""`eie reproduce`: the paper's tables and figures, ours beside theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cost import load_technology
from eie.paper import REPRODUCTIONS, Reproduction, Study, agreement_words, reproduce, selected
from eie.support.output_files import require_folder, require_output
from eie.support.tables import Value, shown

__all__ = ["command", "print_reproduction"]


def command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help=f"{', '.join(REPRODUCTIONS)}, or all.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the authors' simulator streams: adds the real Alex-8 to the generated layers."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the report, one HTML file.")] = Path("report.html"),
    figures: Annotated[
        Path | None, typer.Option(help="Folder for every figure as SVG, PDF and PNG and every table as CSV.")
    ] = None,
    technology: Annotated[
        str, typer.Option(help="Energy and area: a technology's name, or the path of a technology file (.toml).")
    ] = "eie-paper-45nm",
    as_json: JsonOption = False,
) -> None:
    """Reproduce tables and figures of the paper, print ours beside the paper's, and write an HTML report.

    Example: eie reproduce table3 table4 --out report.html
    """
    from eie.report import reproduction_report  # Altair takes longer to import than the other commands to run

    wanted = selected(names)
    require_output(out, "a report", (".html",))
    require_folder(figures)
    study = Study(data, lambda line: log.print(line, style="dim"), load_technology(technology))
    results = []
    for name in wanted:
        results.append(reproduce(name, study))
        if not as_json:
            print_reproduction(results[-1])
    report = reproduction_report(results)
    report.write(out)
    if figures is not None:
        report.write_figures(figures)
    if as_json:
        print_json({"reproductions": [reproduction.as_dict() for reproduction in results], "report": out})
    else:
        result.print(f"Report: {out.resolve()}")


def print_reproduction(reproduction: Reproduction) -> None:
    """Print a grid of ours / the paper's, then the agreement, the verdict and the conditions in words."""
    plot = reproduction.plot
    across, down = (plot.category, plot.panel) if plot.lines else (plot.panel, plot.category)
    reported = any(comparison.paper is not None for comparison in reproduction.comparisons)
    numbers = "ours / paper" if reported else "ours"
    several = len({one.unit for one in reproduction.comparisons}) > 1
    columns: dict[Value, str] = {}
    rows: dict[Value, dict[Value, str]] = {}
    for one in reproduction.comparisons:
        column, row = (one.labels[label] if label else None for label in (across, down))
        columns[column] = f"{shown(column) or numbers}{f', {one.unit}' if several and across == plot.panel else ''}"
        rows.setdefault(row, {})[column] = _brief(one.ours) + (f" / {_brief(one.paper)}" if reported else "")
    print_table(
        f"{reproduction.title}, {numbers}{_unit(reproduction)}",
        (down or "", *columns.values()),
        [(shown(row), *(cells.get(column) for column in columns)) for row, cells in rows.items()],
    )
    for sentence in agreement_words(reproduction):
        result.print(sentence)
    result.print(f"{reproduction.verdict}\n{reproduction.conditions}".rstrip() + "\n")


def _unit(reproduction: Reproduction) -> str:
    """Return ", in UNIT" if all numbers share one unit, else ""."""
    units = {comparison.unit for comparison in reproduction.comparisons}
    return f", in {units.pop()}" if len(units) == 1 else ""


def _brief(value: float | None) -> str:
    """Return a number in three digits, or in full from a thousand on, to keep the grid narrow."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

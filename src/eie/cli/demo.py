"""`eie demo`: every part of the package once, on data that are installed with it, in under a minute and a half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eie.chip import Hardware
from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cli.reproduce import print_reproduction
from eie.paper import Study, reproduce
from eie.support.output_files import require_output

__all__ = ["command"]

TABLES = ("table3", "table4")


def command(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the authors' simulator streams: adds the real Alex-8.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the report, one HTML file.")] = Path("report.html"),
    as_json: JsonOption = False,
) -> None:
    """Compress a small network, run and simulate it; then reproduce two tables of the paper, with a report."""
    from eie.demo import compress_digits  # scikit-learn and Altair take longer to import than other commands to run
    from eie.report import reproduction_report
    from eie.report.digits import digits_headline, digits_section, digits_table

    require_output(out, "a report", (".html",))

    def progress(line: str) -> None:
        log.print(line, style="dim")

    study = Study(data, progress)
    digits = compress_digits(progress, Hardware())
    table = digits_table(digits)
    if not as_json:
        print_table(
            "Handwritten digits (scikit-learn's), 64-300-100-10, one digit at a time",
            [column.heading for column in table.columns],
            [[row.get(column.key) for column in table.columns] for row in table.rows],
        )
        result.print()
    reproductions = []
    for name in TABLES:
        reproductions.append(reproduce(name, study))
        if not as_json:
            print_reproduction(reproductions[-1])
    report = reproduction_report(reproductions)
    report.sections.insert(0, digits_section(digits))
    report.headlines.insert(0, digits_headline(digits))
    report.write(out)
    if as_json:
        print_json(
            {
                "digits": [dict(row) for row in table.rows],
                "reproductions": [reproduction.as_dict() for reproduction in reproductions],
                "report": out.resolve(),
            }
        )
    else:
        result.print(f"Report: {out.resolve()}")

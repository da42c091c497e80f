"""Charts, and the one-file HTML report.

    report = Report(title="What this is", sentence="What was run, on what.")
    report.headline("12.2 µs", "Alex-7 on EIE, simulated here")
    report.add(Section("accuracy", "Accuracy", "What it shows.", table=Table.of(columns, rows), chart=chart))
    report.write(Path("report.html"))

A `Section` has a name (its anchor), a title, a sentence, and optionally an `eie.support.tables.Table` (each column with
its unit and provenance) and an Altair chart; `reproduction_section` makes one of a `Reproduction` of the paper.
"""

from __future__ import annotations

from eie.report.charts import OURS, PAPER, comparison_chart
from eie.report.page import Report, Section
from eie.report.paper import reproduction_report, reproduction_section

__all__ = [
    "OURS",
    "PAPER",
    "Report",
    "Section",
    "comparison_chart",
    "reproduction_report",
    "reproduction_section",
]

"""The report of reproduced tables and figures: one section each, and the agreement of all on the first screen."""

from __future__ import annotations

from collections.abc import Sequence

from eie.paper.comparison import Reproduction, agreement_words
from eie.report.charts import agreement_chart, comparison_chart
from eie.report.page import Report, Section
from eie.support.tables import Column, Table, Value

__all__ = ["reproduction_report", "reproduction_section"]


def reproduction_section(reproduction: Reproduction) -> Section:
    """Title, verdict, agreement and source in words; the chart; and every number with its provenance."""
    details = (
        " ".join(agreement_words(reproduction)),
        reproduction.conditions,
        f"Source of the paper's numbers: {reproduction.source}.",
    )
    return Section(
        name=reproduction.name,
        title=reproduction.title,
        sentence=reproduction.verdict,
        details=tuple(text for text in details if text),
        table=reproduction.table,
        chart=comparison_chart(reproduction),
    )


def reproduction_report(reproductions: Sequence[Reproduction]) -> Report:
    """A report with the reproductions' headlines first, then how far each is from the paper, then each by itself."""
    report = Report(
        title="EIE, ours beside the paper's",
        sentence=(
            "The tables and figures of the Efficient Inference Engine (ISCA 2016), worked out again: cycles simulated "
            "exactly, energy and area modelled, this CPU measured. Each number says where it comes from."
        ),
    )
    for reproduction in reproductions:
        for value, meaning in reproduction.headlines:
            report.headline(value, meaning)
    if sum(reproduction.agreement is not None for reproduction in reproductions) > 1:
        report.add(agreement_section(reproductions))
    for reproduction in reproductions:
        report.add(reproduction_section(reproduction))
    return report


def agreement_section(reproductions: Sequence[Reproduction]) -> Section:
    """How far each table and figure is from the paper on average."""
    columns = (
        Column("name", "table or figure"),
        Column("difference", "mean absolute difference"),
        Column("unit", "unit"),
        Column("count", "numbers"),
        Column("put_in", "put in, not counted"),
    )
    agreed = [(one, one.agreement) for one in reproductions if one.agreement is not None]
    rows: list[dict[str, Value]] = [
        {
            "name": one.title.partition(":")[0],
            "difference": agreement.value,
            "unit": "% of the paper's" if agreement.unit == "%" else agreement.unit,
            "count": agreement.count,
            "put_in": one.put_in,
        }
        for one, agreement in agreed
    ]
    return Section(
        name="agreement",
        title="How far from the paper",
        sentence=(
            "The mean absolute difference of our numbers from the paper's: in points where both are "
            "percentages, else in "
            "% of the paper's number. Times measured on this CPU are not counted, nor is what follows from the paper's "
            "own tables, nor what a model was calibrated on, which comes back by construction."
        ),
        table=Table.of(columns, rows),
        chart=agreement_chart(rows),
    )

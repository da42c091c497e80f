"""The report of reproduced tables and figures: one section each, and the agreement of all on the first screen."""

from __future__ import annotations

from collections.abc import Sequence

from eie.paper.comparison import Reproduction
from eie.report.charts import comparison_chart
from eie.report.page import Report, Section

__all__ = ["reproduction_report", "reproduction_section"]


def reproduction_section(reproduction: Reproduction) -> Section:
    """Title, verdict, agreement and source in words; the chart; and every number with its provenance."""
    agreed = reproduction.agreement
    details = (
        f"Mean absolute difference from the paper: {agreed}." if agreed else "",
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
    """A report whose headlines are each reproduction's mean absolute difference from the paper."""
    report = Report(
        title="EIE, ours beside the paper's",
        sentence=(
            "The tables and figures of the Efficient Inference Engine (ISCA 2016), worked out again: cycles simulated "
            "exactly, energy and area modelled, this CPU measured. Each number says where it comes from."
        ),
    )
    for reproduction in reproductions:
        if (agreed := reproduction.agreement) is not None:
            report.headline(
                f"{agreed.value:.1f} {agreed.unit}",
                f"{reproduction.title.partition(':')[0]}: mean difference from the paper ({agreed.counted})",
            )
        report.add(reproduction_section(reproduction))
    return report

"""The demo's own section: what became of the handwritten-digits network, as a table and a chart."""

from __future__ import annotations

from eie.demo import DigitsResult
from eie.report.charts import OURS
from eie.report.page import Section
from eie.support.extras import needed_for
from eie.support.tables import Column, Provenance, Table, Value

with needed_for("the report"):
    import altair as alt

__all__ = ["digits_headline", "digits_section", "digits_table"]

DENSE = "dense, float32 (NumPy)"
COMPRESSED = "compressed, int16"
CHIP = "compressed, on the chip"


def digits_table(digits: DigitsResult) -> Table:
    """Return one row per form of the network: accuracy, weights, bytes, time here, cycles and time on the chip."""
    columns = (
        Column("form", "network"),
        Column("accuracy", "accuracy", "%", Provenance.MEASURED),
        Column("weights", "weights"),
        Column("bytes", "size", "bytes"),
        Column("cpu_us", "this CPU", "us", Provenance.MEASURED),
        Column("cycles", "cycles", "", Provenance.SIMULATED),
        Column("chip_us", "EIE", "us", Provenance.SIMULATED),
    )

    def row(form: str, accuracy: float, **more: Value) -> dict[str, Value]:
        return {"form": form, "accuracy": 100 * accuracy, **more}

    kept: dict[str, Value] = {"weights": digits.kept, "bytes": digits.compressed_bytes}
    return Table.of(
        columns,
        (
            row(DENSE, digits.dense_accuracy, weights=digits.weights, bytes=digits.dense_bytes, cpu_us=digits.dense_us),
            row("pruned, float32", digits.pruned_accuracy, weights=digits.kept),
            row("compressed, float32", digits.accuracy["float32"], **kept),
            row(COMPRESSED, digits.accuracy["int16"], **kept, cpu_us=digits.compressed_us),
            row("compressed, int8", digits.accuracy["int8"], **kept),
            row(CHIP, digits.accuracy["chip"], **kept, cycles=digits.cycles, chip_us=digits.chip_us),
        ),
    )


def digits_headline(digits: DigitsResult) -> tuple[str, str]:
    """Return a number and what it is, for the report's first screen."""
    return (
        f"{digits.dense_bytes / digits.compressed_bytes:.0f}x smaller",
        f"handwritten digits: {100 * digits.dense_accuracy:.1f} % right dense, "
        f"{100 * digits.accuracy['chip']:.1f} % compressed, measured here",
    )


def digits_section(digits: DigitsResult) -> Section:
    """Return the section: bytes and time of the dense and the compressed network, and all numbers as a table."""
    kept = digits.kept / digits.weights
    ratio = digits.dense_bytes / digits.compressed_bytes
    return Section(
        name="digits",
        title="A network of your own: handwritten digits, compressed",
        sentence=(
            f"A 64-300-100-10 network trained here keeps {kept:.0%} of its weights in {ratio:.0f} times fewer bytes: "
            f"{100 * digits.dense_accuracy:.1f} % of {digits.test_digits} test digits right before, "
            f"{100 * digits.accuracy['chip']:.1f} % after, in the chip's own arithmetic. "
            f"The chip takes {digits.cycles:,} cycles a digit, and {digits.host_words:,} words from and to the host, "
            "which are not in them."
        ),
        table=digits_table(digits),
        chart=_chart(digits),
        details=(
            "Accuracy and time on this CPU are measured here, one digit a call; a network this small is bound by the "
            "cost of the call, not by its weights. Cycles are simulated exactly for one test digit.",
        ),
    )


def _chart(digits: DigitsResult) -> alt.HConcatChart:
    """Two panels of bars: bytes of weights, and microseconds a digit."""
    size = [(DENSE, digits.dense_bytes), (COMPRESSED, digits.compressed_bytes)]
    time = [(DENSE, digits.dense_us), (COMPRESSED, digits.compressed_us), (CHIP, digits.chip_us)]
    return alt.hconcat(
        _bars(size, "bytes of weights and indices"),
        _bars(time, "microseconds a digit (this CPU measured, chip simulated)"),
    )


def _bars(values: list[tuple[str, int]] | list[tuple[str, float]], title: str) -> alt.Chart:
    data = alt.InlineData(values=[{"network": name, "value": value} for name, value in values])
    chart: alt.Chart = (
        alt.Chart(data, width=230)
        .mark_bar(color=OURS, height=16)
        .encode(
            x=alt.X("value:Q", title=title),
            y=alt.Y("network:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            tooltip=["network:N", alt.Tooltip("value:Q", title=title, format=",.4~g")],
        )
    )
    return chart

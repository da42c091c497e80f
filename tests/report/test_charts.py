"""What a chart of a comparison holds: series by provenance, units on axes, a line at 1."""

from typing import Any

from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.report.charts import comparison_chart
from eie.support.tables import Column, Provenance


def chart(comparisons: list[Comparison], plot: Plot) -> dict[str, Any]:
    reproduction = Reproduction(
        name="table0",
        title="Table 0: a test",
        source="nowhere",
        labels=(Column("layer", "layer"), Column("quantity", "quantity")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict="Fine.",
        plot=plot,
    )
    spec: dict[str, Any] = comparison_chart(reproduction).to_dict()
    return spec


def one(ours: float, paper: float | None, provenance: Provenance, unit: str = "us", quantity: str = "q") -> Comparison:
    return Comparison({"layer": "A", "quantity": quantity}, ours, paper, provenance, unit)


def points(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return list(rows)


def encoding(spec: dict[str, Any]) -> dict[str, Any]:
    encodings: dict[str, Any] = spec["spec"]["layer"][-1]["encoding"]
    return encodings


DOTS = Plot("layer", "quantity", "time", logarithmic=True)


def test_what_is_worked_out_from_the_papers_tables_is_not_drawn_as_ours() -> None:
    """A derived and a calibrated number have series of their own; the legend names what is drawn and no more."""
    spec = chart([one(2, 3, Provenance.DERIVED), one(1, 1, Provenance.CALIBRATED)], DOTS)
    assert {point["whose"] for point in points(spec)} == {
        "worked out from the paper's tables",
        "put in: calibrated on the paper",
        "paper",
    }
    assert "ours" not in encoding(spec)["color"]["scale"]["domain"]
    assert len(encoding(spec)["color"]["scale"]["domain"]) == 3


def test_a_single_series_needs_no_legend() -> None:
    """Ours alone has a fixed colour and shape."""
    assert encoding(chart([one(2, None, Provenance.SIMULATED)], DOTS))["color"] == {"value": "#0072B2"}


def test_axes_name_their_unit() -> None:
    """One unit stands on the axis, several in the panels' titles."""
    same = chart([one(2, 3, Provenance.SIMULATED)], DOTS)
    assert encoding(same)["x"]["title"] == "time (µs)"
    mixed = chart([one(2, 3, Provenance.SIMULATED), one(4, 5, Provenance.MODELLED, "um2", "area")], DOTS)
    assert [point["panel"] for point in points(mixed)] == ["q (µs)", "q (µs)", "area (µm²)", "area (µm²)"]


def test_labels_of_a_logarithmic_axis_stand_at_1_2_and_5() -> None:
    """From the decade below the least number to that above the largest."""
    values = encoding(chart([one(3, 40, Provenance.SIMULATED)], DOTS))["x"]["axis"]["values"]
    assert values == [1, 2, 5, 10, 20, 50, 100, 200, 500]


def test_ratios_have_a_line_at_one() -> None:
    """Ours over the paper's, drawn alone, beside a rule where both are the same."""
    spec = chart([one(3, 2, Provenance.SIMULATED)], Plot("layer", "quantity", "ratio", relative=True, line_at_one=True))
    assert [point["value"] for point in points(spec)] == [1.5]
    assert spec["spec"]["layer"][0]["encoding"]["x"] == {"datum": 1}

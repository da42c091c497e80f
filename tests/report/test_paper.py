from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.report import reproduction_report
from eie.support.tables import Column, Provenance


def reproduction(name: str, ours: float, scale: Scale) -> Reproduction:
    return Reproduction(
        name=name,
        title=f"{name}: a test",
        source="nowhere",
        labels=(Column("layer", "layer"),),
        comparisons=(Comparison({"layer": "A"}, ours, 10.0, Provenance.SIMULATED, "us"),),
        scale=scale,
        verdict="Fine.",
        plot=Plot("layer", None, "time (us)"),
        headlines=((f"{ours} us", f"time of {name}"),),
    )


def test_headlines_come_first_and_agreement_before_the_parts() -> None:
    """Every reproduction's headline is on the first screen; the agreement of all is a section of its own."""
    report = reproduction_report([reproduction("one", 11.0, Scale.RATIO), reproduction("two", 12.0, Scale.POINTS)])
    assert report.headlines == [("11.0 us", "time of one"), ("12.0 us", "time of two")]
    assert [section.name for section in report.sections] == ["agreement", "one", "two"]
    table = report.sections[0].table
    assert table is not None
    assert [dict(row) for row in table.rows] == [
        {"name": "one", "difference": 10.000000000000009, "unit": "% of the paper's", "count": 1, "put_in": 0},
        {"name": "two", "difference": 2.0, "unit": "points", "count": 1, "put_in": 0},
    ]


def test_a_single_reproduction_needs_no_overview() -> None:
    """Its own section says how far it is."""
    report = reproduction_report([reproduction("one", 11.0, Scale.RATIO)])
    assert [section.name for section in report.sections] == ["one"]
    assert report.sections[0].details[0] == "Mean absolute difference from the paper: 10.0 % over 1 number."

"""The page of a sweep: every place in a map, the slower ones framed and crossed, all numbers in tables."""

from __future__ import annotations

from eie.peers.sweep import FASTER, SLOWER, Cell, Grid, Point, Sweep
from eie.report.sweep import curves_chart, map_chart, points_table, sweep_report

GRID = Grid(densities=(0.1, 1.0), activities=(0.0, 0.3, 0.6, 1.0), batches=(1, 16), numerics=("int8",))


def cells() -> list[Cell]:
    """Slower at full density and a batch of 16 only."""
    return [
        Cell(
            density,
            activity,
            batch,
            "int8",
            10.0,
            (9.0, 11.0),
            "MKL dense",
            5.0 if density == 1 and batch == 16 else 20.0,
            (4.0, 21.0),
            0.5 if density == 1 and batch == 16 else 2.0,
            (0.4, 2.1),
            SLOWER if density == 1 and batch == 16 else FASTER,
            busy=activity == 1,
        )
        for density in GRID.densities
        for batch in GRID.batches
        for activity in GRID.activities
    ]


def test_the_map_has_every_place_and_frames_the_slower() -> None:
    """A row per place, in per cent; the frame's filter is the verdict."""
    spec = map_chart(cells()).to_dict()
    (rows,) = spec["datasets"].values() if "datasets" in spec else [spec["data"]["values"]]
    assert len(rows) == GRID.cells
    assert sorted({row["density"] for row in rows}) == [10, 100]
    assert spec["facet"]["sort"] == ["batch 1", "batch 16"]
    (filtered,) = [layer for layer in spec["spec"]["layer"] if "transform" in layer]
    assert filtered["transform"] == [{"filter": "datum.verdict == 'slower'"}]


def test_curves_have_ours_and_the_peer() -> None:
    """Of four activities three are drawn; the cross is on ours and not on the peer."""
    spec = curves_chart(cells(), "density", "batch", "activity").to_dict()
    (rows,) = spec["datasets"].values() if "datasets" in spec else [spec["data"]["values"]]
    assert sorted({row["activity"] for row in rows}) == [0, 60, 100]
    assert {(row["whose"], row["verdict"]) for row in rows if row["density"] == 100 and row["batch"] == 16} == {
        ("ours", "slower"),
        ("best peer", "level"),
    }
    assert len(rows) == 2 * 2 * 2 * 3


def test_the_page_says_who_is_faster_where() -> None:
    """Headline, sentences and tables follow from the cells; a busy machine is said."""
    point = Point(0.1, 1.0, 16, "MKL dense", "", 20.0, (19.0, 21.0), False, 1e-6, False)
    sweep = Sweep(GRID, 1, [point], cells())
    report = sweep_report(sweep)
    assert "busy with other work in 4 of 16 comparisons" in report.sentence
    assert report.headlines == [("12 of 16", "int8: ours is faster; level in 0, slower in 4")]
    assert [section.name for section in report.sections] == [
        "int8-map",
        "int8-over-density",
        "int8-over-activity",
        "int8-over-batch",
    ]
    assert (
        report.sections[0].details[1] == "100 % kept, batch 16, any activity: use MKL dense, up to 2.00 times as fast"
    )
    table = report.sections[0].table
    assert table is not None
    assert len(table.rows) == 16
    (row,) = points_table(sweep).rows
    assert (row["density"], row["activity"], row["contender"], row["us"]) == (10, 100, "MKL dense", 20)

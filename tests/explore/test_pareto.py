import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from eie.chip import Hardware
from eie.explore import pareto_front
from eie.explore.space import HARDWARE, NAMED

DEFAULTS = {**{name: getattr(Hardware(), name) for name in HARDWARE}, **NAMED}
SPEED = {"slowest_memory_ns": 1.17, "fits": True}


def table(points: list[tuple[int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {**DEFAULTS, "n_pe": place + 1, "layer": "a", "latency_us": t, "energy_nj": e, "area_mm2": a, **SPEED}
            for place, (t, e, a) in enumerate(points)
        ]
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int, int]]) -> None:
    """Against the definition: no worse in all three and better in one beats."""

    def beats(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
        return all(x <= y for x, y in zip(one, other, strict=True)) and one != other

    expected = {place + 1 for place, one in enumerate(points) if not any(beats(other, one) for other in points)}
    assert set(pareto_front(table(points))["n_pe"].to_list()) == expected


def test_sums_are_over_all_layers_and_half_run_configurations_are_left_out() -> None:
    """A chip that ran one layer of two does not win by it."""
    rows = table([(1, 1, 1), (5, 5, 5)]).with_columns(pl.lit("a").alias("layer"))
    second = rows.filter(pl.col("n_pe") == 2).with_columns(pl.lit("b").alias("layer"))
    front = pareto_front(pl.concat([rows, second]))
    assert front["n_pe"].to_list() == [2]
    assert front["latency_us"].to_list() == [10]


def test_only_what_fits_competes_where_that_is_asked() -> None:
    """The fastest chip does not fit one of its layers: the next one is the front."""
    rows = table([(1, 1, 1), (5, 5, 5)]).with_columns((pl.col("n_pe") == 2).alias("fits"))
    assert pareto_front(rows)["n_pe"].to_list() == [1]
    assert pareto_front(rows, fitting=True)["n_pe"].to_list() == [2]

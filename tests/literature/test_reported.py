import math

import pytest

from eie.literature import reported

TABLES = [f"table{n}" for n in range(1, 6)] + [
    "figure6",
    "figure7",
    "figure8",
    "figure9",
    "figure10",
    "figure11",
    "figure12",
    "figure13",
]


@pytest.mark.parametrize("name", [*TABLES, "power"])
def test_every_data_file_says_where_its_numbers_come_from(name: str) -> None:
    """Title, source and how it was read stand in each file."""
    data = reported(name)
    assert {"title", "source", "evidence"} <= data.keys()


def test_table_2_adds_up() -> None:
    """Kinds and units each sum to one PE: areas exactly, powers to the last digit printed."""
    table = reported("table2")
    for split in ("kinds", "units"):
        assert sum(row["area_um2"] for row in table[split].values()) == table["total"]["area_um2"]
        assert sum(row["power_mw"] for row in table[split].values()) == pytest.approx(9.157, abs=0.0011)


def test_table_5_follows_from_table_4() -> None:
    """EIE's frames per second are one over Table IV's Alex-7; so are those of CPU, GPU and mobile GPU."""
    times, platforms = reported("table4"), reported("table5")["platforms"]
    alex7 = times["layers"].index("Alex-7")
    assert platforms["EIE 64 PE"]["frames_per_s"] == round(1e6 / times["eie"]["actual"][alex7])
    for platform, key in (("Core i7-5930K", "cpu"), ("Titan X", "gpu"), ("Tegra K1", "mobile_gpu")):
        assert platforms[platform]["frames_per_s"] == pytest.approx(1e6 / times[key]["dense_1"][alex7], abs=0.6)


def test_figure_6_headline_is_the_mean_of_its_bars() -> None:
    """EIE's printed 189 is the geometric mean of its nine printed bars."""
    *bars, mean = reported("figure6")["speedup"]["EIE"]
    assert math.prod(bars) ** (1 / 9) == pytest.approx(mean, abs=0.5)


@pytest.mark.parametrize("name", ["figure8", "figure9", "figure12", "figure13"])
def test_digitised_figures_have_a_number_for_every_layer_and_place(name: str) -> None:
    """Nine layers, each as long as the axis."""
    data = reported(name)
    axis = next(data[key] for key in ("queue_depths", "widths_bits", "pes") if key in data)
    series = next(value for key, value in data.items() if isinstance(value, dict) and key != "left")
    assert len(series) == 9
    assert all(len(values) == len(axis) for values in series.values())

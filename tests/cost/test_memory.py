import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie.cost import load_technology
from eie.errors import InputError

LSTP = load_technology("cacti-45nm").memory_set("itrs-lstp, ED2")


def test_a_point_of_the_set_is_returned_as_it_is() -> None:
    """128 KB by 64 bits is 32.29 pJ a read, as CACTI reported it."""
    figures = LSTP.figures(131072, 64)
    assert figures.read_pj == pytest.approx(32.29)
    assert figures.area_um2 == pytest.approx(429589)
    assert figures.access_ns == pytest.approx(2.11)


@given(width=st.integers(32, 512))
def test_between_widths_a_figure_lies_between_its_neighbours(width: int) -> None:
    """Interpolation never leaves the range of the two points beside it."""
    points = sorted((p.width_bits, p.read_pj) for p in LSTP.points if p.capacity_bytes == 131072)
    below = max(pj for bits, pj in points if bits <= width)
    above = min(pj for bits, pj in points if bits >= width)
    assert below - 1e-9 <= LSTP.figures(131072, width).read_pj <= above + 1e-9


def test_between_sizes_a_figure_lies_between_the_corners() -> None:
    """32 KB by 64 bits costs more than 2 KB by 64 bits and less than 128 KB by 64 bits."""
    small, middle, large = (LSTP.figures(size, 64).read_pj for size in (2048, 32768, 131072))
    assert small < middle < large


@pytest.mark.parametrize(("capacity", "width"), [(131072, 1024), (1024, 16), (131072, 8)])
def test_nothing_is_extrapolated(capacity: int, width: int) -> None:
    """Outside of the points there is an error that says what there is."""
    with pytest.raises(InputError) as error:
        LSTP.figures(capacity, width)
    assert str(error.value).startswith(
        f"a memory of {capacity} bytes by {width} bits lies outside the set 'itrs-lstp, ED2', "
        "and so do banks of it; the set has 131072 bytes by 32 bits, "
    )


@pytest.mark.parametrize(("capacity", "width", "bank", "banks"), [(2**20, 64, 2**17, 8), (2**15, 16, 2**14, 2)])
def test_a_larger_memory_is_made_of_equal_banks(capacity: int, width: int, bank: int, banks: int) -> None:
    """Area and leakage of all banks; a read, and its times, of one."""
    small, large = LSTP.figures(bank, width), LSTP.figures(capacity, width)
    assert large.banks == banks
    assert (large.read_pj, large.cycle_ns) == (small.read_pj, small.cycle_ns)
    assert large.area_um2 == pytest.approx(banks * small.area_um2)
    assert large.leakage_mw == pytest.approx(banks * small.leakage_mw)


def test_a_time_that_no_point_has_is_none() -> None:
    """CACTI's access times of the small memories were not kept."""
    figures = LSTP.figures(16384, 16)
    assert (figures.access_ns, figures.cycle_ns) == (None, 1.1)


def test_a_set_of_one_size_has_no_smaller_ones() -> None:
    """Where CACTI was run for one capacity only, smaller ones are refused."""
    with pytest.raises(InputError, match="lies outside the set 'itrs-hp, delay'"):
        load_technology("cacti-45nm").memory_set("itrs-hp, delay").figures(65536, 64)

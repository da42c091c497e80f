import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie.explore.encodings import GeneratedLayer, by_load, encoded, layer_data


def layer(skew: float = 0.0) -> GeneratedLayer:
    return GeneratedLayer(
        name="small", inputs=200, outputs=300, weight_density=0.2, activation_density=0.5, skew=skew, seed=3
    )


def test_an_own_layer_has_its_size_and_densities() -> None:
    """Drawn like the nine, with any shape."""
    drawn = layer_data("small", layer())
    assert drawn.codes.shape == (300, 200)
    assert np.count_nonzero(drawn.codes) / drawn.codes.size == pytest.approx(0.2, abs=0.005)  # 3 sigma


@given(st.integers(1, 8), st.integers(1, 8))
def test_other_code_and_index_bits_keep_the_pattern(code_bits: int, index_bits: int) -> None:
    """Codes fit their bits, and a weight stays a weight."""
    drawn = layer_data("small", layer())
    matrix = encoded(drawn, 8, index_bits, code_bits, "round robin")
    decoded = matrix.decode()
    assert decoded.max() <= 2**code_bits - 1
    assert np.array_equal(decoded > 0, drawn.codes > 0)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 50))
def test_by_load_is_a_permutation_that_respects_room(loads: list[int], n_pe: int) -> None:
    """Every row is somewhere, once, whatever the number of PEs."""
    order = by_load(np.array(loads), n_pe)
    assert sorted(order.tolist()) == list(range(len(loads)))


def test_by_load_evens_out_what_round_robin_does_not() -> None:
    """On skewed rows the fullest PE has less above the mean."""
    loads = np.count_nonzero(layer_data("small", layer(skew=1.0)).codes, axis=1)
    fullest = [max(order_loads(loads[order])) for order in (np.arange(300), by_load(loads, 16))]
    assert fullest[1] < fullest[0]
    assert fullest[1] <= 1.01 * loads.sum() / 16


def order_loads(loads: np.ndarray) -> list[int]:
    return [int(loads[pe::16].sum()) for pe in range(16)]

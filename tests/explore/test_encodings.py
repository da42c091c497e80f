import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie.explore.encodings import encoded
from eie.explore.layers import GeneratedLayer, layer_data


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
    matrix = encoded(drawn, 8, index_bits, code_bits)
    decoded = matrix.decode()
    assert decoded.max() <= 2**code_bits - 1
    assert np.array_equal(decoded > 0, drawn.codes > 0)

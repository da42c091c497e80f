"""Numerics int8: what its reference computes, and how far it is from real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eie.engine import InferenceSession
from eie.engine.int8 import MOST_ROW_WEIGHTS, int8_activations, int8_layer, int8_weights
from eie.errors import InputError
from eie.model.network import Network
from eie.workloads.layers import benchmarks, draw, generate
from engine.layers import layer_of, random_inputs, random_layer, relative_error

BOUND = 6e-3  # of the largest output: what 8-bit libraries reach


def test_worked_example() -> None:
    """Two weights and two activations, by hand: 126 stands for 0.5, 254 for 4."""
    layer = layer_of(np.array([[1, 2], [0, 1]]), np.array([0, 0.5, -0.25, 0]))
    weights, activations = int8_weights(layer), int8_activations(np.array([4, 1], np.float32))
    # 126 rather than 127: -0.25 then is exactly -63 units, and not -63.5.
    assert (weights.values.tolist(), weights.unit) == ([0, 126, -63, 0], 0.5 / 126)
    assert (activations.values.tolist(), activations.unit) == ([254, 64], 4 / 254)
    result = int8_layer(replace(layer, bias=np.array([1, -9], np.float32), relu=True), np.array([4, 1], np.float32))
    assert result.sums.tolist() == [126 * 254 - 63 * 64, 126 * 64]
    unit = np.float32(0.5 / 126 * 4 / 254)
    assert result.outputs.tolist() == [np.float32(result.sums[0]) * unit + np.float32(1), 0]


def test_negative_inputs_take_a_bit_for_the_sign() -> None:
    """Where any activation is below zero, integers go from -127 to 127."""
    assert int8_activations(np.array([-2, 1, 0], np.float32)).values.tolist() == [-127, 64, 0]
    assert int8_activations(np.array([-0.0, 2], np.float32)).values.tolist() == [0, 254]


@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-38, 1e38])
def test_activations_of_any_size(size: float) -> None:
    """Zero, denormal and huge activations keep their unit; the largest is 254 of them."""
    inputs = np.array([size, 0], np.float32)
    activations = int8_activations(inputs)
    assert activations.values.tolist() == ([254, 0] if size else [0, 0])
    assert activations.values[0] * activations.unit == pytest.approx(float(inputs[0]))


def test_code_that_no_weight_has_does_not_count() -> None:
    """A huge codebook entry that is not used leaves the scale to those that are."""
    codes = np.array([[1, 2, 0], [2, 1, 1]])
    book = np.array([0, 0.5, 1, 1e6])
    assert int8_weights(layer_of(codes, book)).values.tolist() == [0, 63, 126, 0]
    inputs = np.array([1, 2, 3], np.float32)
    outputs = InferenceSession(Network((layer_of(codes, book),)), numerics="int8").run(inputs)
    np.testing.assert_allclose(outputs, [2.5, 3.5], rtol=BOUND)


def test_layer_without_weights() -> None:
    """All codes zero: every output is the bias."""
    layer = replace(layer_of(np.zeros((3, 5), int), np.arange(4)), bias=np.array([1, -2, 0], np.float32))
    outputs = InferenceSession(Network((layer,)), numerics="int8").run(np.ones(5, np.float32))
    assert outputs.tolist() == [1, -2, 0]


def test_rows_whose_sum_may_not_fit_32_bits_are_refused() -> None:
    """The longest row whose sum fits runs and is exact; one weight more is an error that names the row."""
    codes = np.ones((2, MOST_ROW_WEIGHTS + 1), np.uint8)
    codes[:, -1] = 0
    inputs = np.ones(MOST_ROW_WEIGHTS + 1, np.float32)
    layer = layer_of(codes, np.array([0, -1]))
    outputs = InferenceSession(Network((layer,)), numerics="int8").run(inputs)
    assert outputs.tolist() == [-MOST_ROW_WEIGHTS] * 2
    codes[1, -1] = 1
    with pytest.raises(InputError) as caught:
        InferenceSession(Network((layer_of(codes, np.array([0, -1])),)), numerics="int8")
    assert str(caught.value) == (
        "layer layer: numerics int8 sums at most 66572 weights a row in 32 bits, but row 1 has 66573; use int16"
    )


@pytest.mark.parametrize("code_bits", range(1, 9))
def test_every_code_width(code_bits: int) -> None:
    """Codes of 1 to 8 bits give the reference's outputs, signed inputs or not."""
    rng = np.random.default_rng(code_bits)
    layer = random_layer(rng, 130, 200, density=0.3, code_bits=code_bits, bias=True)
    session = InferenceSession(Network((layer,)), numerics="int8")
    for inputs in (random_inputs(rng, 3, 200), np.abs(random_inputs(rng, 3, 200))):
        np.testing.assert_array_equal(session.run(inputs), [int8_layer(layer, vector).outputs for vector in inputs])


@pytest.mark.parametrize("name", benchmarks())
def test_accuracy_on_small_versions_of_the_papers_layers(name: str) -> None:
    """An eighth of the rows of each of the nine layers: within 6e-3 of the largest output."""
    data = draw(replace(benchmarks()[name], outputs=benchmarks()[name].outputs // 8))
    assert relative_error(layer_of(data.codes, data.codebook), data.activations, "int8") < BOUND


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmarks())
def test_accuracy_on_the_papers_layers(name: str) -> None:
    """Each of the nine layers, whole: within 6e-3 of the largest output."""
    data = generate(name)
    assert relative_error(layer_of(data.codes, data.codebook), data.activations, "int8") < BOUND


@pytest.mark.parametrize("active", [0.1, 1.0])
def test_accuracy_with_any_codebook_and_signed_inputs(active: float) -> None:
    """Normally distributed weights and inputs: 7 bits and a sign each leave an error of up to 1.5e-2."""
    rng = np.random.default_rng(6)
    layer = random_layer(rng, 500, 2000, density=0.1)
    assert relative_error(layer, random_inputs(rng, 5, 2000, active), "int8") < 1.5e-2

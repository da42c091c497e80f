"""Numerics int16: what its reference computes, and how far it is from real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eie.engine import KERNELS, InferenceSession
from eie.engine.int16 import int16_activations, int16_layer, int16_weights
from eie.model.network import Network
from eie.workloads.layers import benchmarks, draw, generate
from engine.layers import layer_of, numerics_of, random_inputs, random_layer, relative_error, session_or_skip

BOUND = 1e-4  # of the largest output


def test_worked_example() -> None:
    """Two weights and two activations, by hand: 8190 stands for 0.5, 16383 for 4."""
    layer = layer_of(np.array([[1, 2], [0, 1]]), np.array([0, 0.5, -0.25, 0]))
    weights, activations = int16_weights(layer), int16_activations(np.array([4, -1], np.float32))
    # 8190 rather than 8191: -0.25 then is exactly -4095 units.
    assert (weights.values.tolist(), weights.unit) == ([0, 8190, -4095, 0], 0.5 / 8190)
    assert (activations.values.tolist(), activations.unit) == ([16383, -4096], 4 / 16383)
    result = int16_layer(replace(layer, bias=np.array([1, -9], np.float32), relu=True), np.array([4, -1], np.float32))
    assert result.sums.tolist() == [8190 * 16383 + 4095 * 4096, -8190 * 4096]
    unit = np.float32(0.5 / 8190 * 4 / 16383)
    assert result.outputs.tolist() == [np.float32(result.sums[0]) * unit + np.float32(1), 0]


@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-38, 1e38])
def test_activations_of_any_size(size: float) -> None:
    """Zero, denormal and huge activations keep their unit; the largest is 16383 of them."""
    inputs = np.array([size, 0], np.float32)
    activations = int16_activations(inputs)
    assert activations.values.tolist() == ([16383, 0] if size else [0, 0])
    layer = layer_of(np.array([[1, 1]]), np.array([0, 1]))
    outputs = InferenceSession(Network((layer,))).run(inputs)
    np.testing.assert_array_equal(outputs, int16_layer(layer, inputs).outputs)
    if size != 1e-45 and size != 1e-38:  # their outputs' unit is below what float32 can be
        np.testing.assert_allclose(outputs, inputs[:1], rtol=1e-6)


@pytest.mark.parametrize("kernel", [name for name in KERNELS if "int16" in numerics_of(name)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_far_beyond_32_bits_are_exact(kernel: str, sign: int) -> None:
    """Hundreds of thousands of the largest products: what 32 bits cannot hold is carried, and nothing is rounded."""
    codes = np.ones((3, 400_000), np.uint8)
    codes[1, ::2] = 2
    codes[2, -1] = 0
    layer = layer_of(codes, np.array([0, sign, -sign / 8191, 0]))
    inputs = np.full(400_000, 2, np.float32)
    expected = int16_layer(layer, inputs)
    assert abs(expected.sums[0]) == 400_000 * 8191 * 16383 > 2**45
    outputs = session_or_skip(Network((layer,)), "int16", kernel).run(inputs)
    np.testing.assert_array_equal(outputs, expected.outputs)


@pytest.mark.parametrize("name", benchmarks())
def test_accuracy_on_small_versions_of_the_papers_layers(name: str) -> None:
    """An eighth of the rows of each of the nine layers: within 1e-4 of the largest output."""
    data = draw(replace(benchmarks()[name], outputs=benchmarks()[name].outputs // 8))
    assert relative_error(layer_of(data.codes, data.codebook), data.activations, "int16") < BOUND


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmarks())
def test_accuracy_on_the_papers_layers(name: str) -> None:
    """Each of the nine layers, whole: within 1e-4 of the largest output."""
    data = generate(name)
    assert relative_error(layer_of(data.codes, data.codebook), data.activations, "int16") < BOUND


@pytest.mark.parametrize("active", [0.1, 1.0])
def test_accuracy_with_any_codebook_and_signed_inputs(active: float) -> None:
    """Normally distributed weights and inputs: within 2e-4 of the largest output."""
    rng = np.random.default_rng(6)
    layer = random_layer(rng, 500, 2000, density=0.1)
    assert relative_error(layer, random_inputs(rng, 5, 2000, active), "int16") < 2e-4

"""The engine on the layers of the paper: the nine generated ones, and the real Alex-8."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from data_sets import DataSet
from eie.engine import NUMERICS, InferenceSession
from eie.importers.eie_simulator import read_eie_simulator
from eie.model.network import Layer, Network
from eie.model.numerics import dequantise, quantise
from eie.model.reference import float_layer, formats_of
from eie.program.arithmetic import chip_layer
from eie.workloads.layers import benchmarks, generate


def assert_right(network: Network, activations: np.ndarray) -> None:
    """Compare every numerics with the reference: chip to the bit, others within their share of the largest."""
    layer = network.layers[0]
    expected = float_layer(layer, activations.astype(np.float64))
    for numerics in NUMERICS:
        output = InferenceSession(network, numerics=numerics).run(activations)
        if numerics == "chip":
            formats = formats_of(layer)
            values = chip_layer(layer, quantise(activations, formats.activation_fraction)).values
            np.testing.assert_array_equal(output, dequantise(values, formats.output_fraction))
        else:
            bound = {"int8": 6e-3, "int16": 2e-4, "float32": 1e-5}[numerics]
            assert np.abs(output - expected).max() < bound * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("skew", [0.0, 0.6])
@pytest.mark.parametrize("name", benchmarks())
def test_benchmark_layer_is_right_in_every_numerics(name: str, skew: float) -> None:
    """Each of the nine layers, even and skewed, gives the reference's outputs with the kernel that is chosen for it."""
    data = generate(name, skew=skew)
    layer = Layer(name, eie.encode(data.codes, data.codebook), relu=True)
    assert_right(eie.calibrate(Network((layer,)), data.activations), data.activations)


def test_real_alex8_is_right_in_every_numerics(data_set: DataSet) -> None:
    """The authors' own Alex-8 gives the reference's outputs."""
    streams = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    assert_right(eie.calibrate(streams.network, streams.activations), streams.activations)


@pytest.mark.parametrize("active", [0.0, 0.05])
def test_few_active_inputs_and_tiny_layers(active: float) -> None:
    """A tiny layer, 10 x 100, with few or no active inputs is right in every numerics."""
    rng = np.random.default_rng(3)
    codes = np.where(rng.random((10, 100)) < 0.3, rng.integers(1, 16, (10, 100)), 0)
    codebook = np.concatenate(([0], rng.normal(size=15))).astype(np.float32)
    activations = np.where(rng.random(100) < active, rng.integers(1, 9, 100) / 4, 0).astype(np.float32)
    layer = Layer("tiny", eie.encode(codes, codebook, n_pe=4), np.ones(10, np.float32))
    assert_right(eie.calibrate(Network((layer,)), activations), activations)

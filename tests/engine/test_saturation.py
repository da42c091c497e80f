"""Counted on a test set: inputs cut, outputs at a limit, sums that overflowed."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.engine.saturation import saturation
from eie.errors import InputError
from eie.model.network import Layer
from eie.model.numerics import Formats, quantise
from eie.model.reference import formats_of
from eie.program.arithmetic import chip_layer
from networks import image_network


def test_counts_are_those_of_the_readable_arithmetic() -> None:
    """Inputs twice as large as the calibration's: cut values, limits and overflows, one by one."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 16, (9, 40)).astype(np.uint8)
    matrix = eie.encode(codes, np.concatenate(([0], np.linspace(-1, 1, 15))), n_pe=4)
    layer = Layer("fc", matrix, formats=Formats(13, 14, accumulator_bits=17))
    x = rng.normal(size=(20, 40)).astype(np.float32) * 3
    (found,) = saturation(eie.Network((layer,)), x)
    formats = formats_of(layer)
    cut = np.abs(np.rint(x.astype(np.float64) * 2**13) + 0.5) > 2**15 + 0.5
    assert found.saturated_inputs == np.count_nonzero(cut) > 0
    outputs = [chip_layer(layer, quantise(vector, formats.activation_fraction)) for vector in x]
    values = np.array([output.values for output in outputs])
    assert found.saturated_outputs == np.count_nonzero((values == 2**15 - 1) | (values == -(2**15))) > 0
    assert found.overflows == sum(output.overflows for output in outputs) > 0
    assert (found.inputs, found.outputs) == (800, 180)


def test_calibrated_on_the_same_inputs_nothing_is_cut() -> None:
    """Every layer of a network, a convolution's windows among them."""
    x = np.random.default_rng(1).normal(size=(5, 128))
    network = eie.calibrate(image_network(), x)
    found = saturation(network, x)
    assert [layer.name for layer in found] == [layer.name for layer in network.layers]
    assert found[0].inputs == 5 * 64 * 18
    assert all(layer.overflows == 0 for layer in found)
    assert sum(layer.saturated_inputs for layer in found) <= 0.001 * sum(layer.inputs for layer in found)


def test_formats_are_needed() -> None:
    """Without them there is nothing to count."""
    with pytest.raises(InputError) as error:
        saturation(image_network(), np.zeros(128))
    assert str(error.value) == (
        "layer conv1 has no fixed-point formats: choose them with eie.calibrate(network, inputs)"
    )

"""The readable truth, against the formulas of docs/hardware.md, A4 to A7, one output at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from data_sets import DataSet
from eie.errors import InputError
from eie.importers.eie_simulator import read_eie_simulator
from eie.model.numerics import Formats, dequantise, quantise
from eie.model.reference import calibrate, float_layer
from eie.program.arithmetic import chip_layer
from strategies import Case, layers


@given(layers(code_bits=(1, 8)), st.integers(2, 16), st.integers(0, 16), st.booleans(), st.booleans())
def test_chip_layer_is_the_datapath(case: Case, value_bits: int, extra: int, relu: bool, biased: bool) -> None:
    """Every output: rounded products added one by one, wrapping at every step; then saturation and ReLU."""
    half = 2 ** (value_bits - 1)
    formats = Formats(3, 14, value_bits, value_bits + extra)
    activations = np.clip(case.activations, -half, half - 1)
    bias = np.linspace(-3e3, 3e3, len(case.codes)).astype(np.float32) if biased else None
    layer = eie.Layer("layer", case.matrix, bias, relu, formats)
    values, overflows = chip_layer(layer, activations)
    book = [max(-(half - 1), min(half - 1, round(float(w) * 2**14))) for w in case.codebook]
    wrap_half = 2 ** (formats.accumulator_bits - 1)
    expected, expected_overflows = [], 0
    for number, row in enumerate(case.codes.tolist()):
        preset = 0 if bias is None else round(float(bias[number]) * 2.0**formats.output_fraction)
        total = register = max(-wrap_half, min(wrap_half - 1, preset))
        for code, a in zip(row, activations.tolist(), strict=True):
            p = (book[code] * a + half // 2) >> (value_bits - 1)
            total += p
            register = (register + p + wrap_half) % (2 * wrap_half) - wrap_half
        expected_overflows += total != register
        saturated = max(-half, min(half - 1, register))
        expected.append(max(saturated, 0) if relu else saturated)
    assert (values.tolist(), overflows) == (expected, expected_overflows)


@given(layers(code_bits=(1, 8)), st.booleans())
def test_float_layer_is_the_dense_product(case: Case, relu: bool) -> None:
    """The compressed product is the dense one, to rounding."""
    inputs = case.activations / 256
    expected = case.matrix.dense().astype(np.float64) @ inputs
    layer = eie.Layer("layer", case.matrix, relu=relu)
    assert np.allclose(float_layer(layer, inputs), np.maximum(expected, 0) if relu else expected, atol=1e-6)


def test_real_alex8(data_set: DataSet) -> None:
    """Formats as docs/hardware.md, A10, chooses them; output 708 is the largest; the largest error is 8.6e-4 of it."""
    network, activations = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    layer = network.layers[0]
    assert layer.formats == Formats(11, 15)
    assert layer.formats.output_fraction == 11
    exact = float_layer(layer, activations)
    values, overflows = chip_layer(layer, quantise(activations, 11))
    assert (int(values.argmax()), int(exact.argmax()), overflows) == (708, 708, 0)
    error = np.abs(dequantise(values, 11) - exact).max() / np.abs(exact).max()
    assert round(error * 1e4, 1) == 8.6


def test_calibrated_chain_hands_its_format_on() -> None:
    """A later layer's activation format is the output format before it."""
    book = np.concatenate(([0], np.linspace(-1, 1, 15)))
    codes = np.random.default_rng(0).integers(0, 16, (8, 8)).astype(np.uint8)
    matrix = eie.encode(codes, book, n_pe=2)
    network = eie.Network((eie.Layer("a", matrix, relu=True), eie.Layer("b", matrix)))
    first, second = calibrate(network, np.random.default_rng(1).normal(size=(20, 8))).layers
    assert first.formats is not None
    assert second.formats is not None
    assert second.formats.activation_fraction == first.formats.output_fraction


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (np.ones(3), "inputs must have shape (8,) or (batch, 8), not (3,)"),
        (np.ones((0, 8)), "inputs must have shape (8,) or (batch, 8), not (0, 8)"),
        (np.array(["x"] * 8), "inputs must be real numbers, not <U1"),
        (np.array([[0.0] * 8, [0.0] * 7 + [np.inf]]), "inputs must be finite, but number 7 of input 1 is inf"),
    ],
)
def test_inputs_are_checked(inputs: np.ndarray, sentence: str) -> None:
    """Shape, kind and finiteness, each in its own sentence."""
    matrix = eie.encode(np.ones((8, 8), np.uint8), np.arange(16), n_pe=2)
    with pytest.raises(InputError) as error:
        calibrate(eie.Network((eie.Layer("a", matrix),)), inputs)
    assert str(error.value) == sentence


def test_a_layer_without_formats_says_so() -> None:
    """The chip's numbers need formats."""
    layer = eie.Layer("fc", eie.encode(np.ones((8, 8), np.uint8), np.arange(16), n_pe=2))
    with pytest.raises(InputError) as error:
        chip_layer(layer, np.ones(8, np.int64))
    assert str(error.value) == ("layer fc has no fixed-point formats: choose them with eie.calibrate(network, inputs)")
    assert chip_layer(replace(layer, formats=Formats(0, 0)), np.ones(8, np.int64)).overflows == 0

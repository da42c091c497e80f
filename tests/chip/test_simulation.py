"""Networks on the chip: each layer gets what the one before put out."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.chip.stepped import run_stepped
from eie.errors import InputError
from eie.model.numerics import quantise
from eie.program.arithmetic import chip_layer


def network() -> eie.Network:
    rng = np.random.default_rng(5)
    codes = [rng.integers(0, 16, shape).astype(np.uint8) for shape in ((9, 12), (5, 9))]
    book = np.concatenate(([0], rng.normal(size=15)))
    bias = rng.normal(size=9).astype(np.float32)
    return eie.Network(
        (
            eie.Layer("hidden", eie.encode(codes[0], book, n_pe=3), bias, relu=True),
            eie.Layer("out", eie.encode(codes[1], book, n_pe=3)),
        )
    )


def test_outputs_are_handed_on() -> None:
    """The second layer scans the first one's outputs after ReLU, in the chip's own numbers."""
    inputs = np.random.default_rng(1).normal(size=12)
    calibrated = eie.calibrate(network(), inputs)
    hidden, out = eie.simulate_network(calibrated, inputs, eie.Hardware(n_pe=3))
    formats = calibrated.layers[0].formats
    assert formats is not None
    expected = chip_layer(calibrated.layers[0], quantise(inputs, formats.activation_fraction)).values
    assert np.array_equal(hidden.outputs, expected)
    assert out.simulation.counts.broadcasts == np.count_nonzero(expected)
    assert np.array_equal(out.outputs, chip_layer(calibrated.layers[1], expected).values)


def test_another_number_of_pes_changes_time_not_results() -> None:
    """The network is split anew; what it computes stays."""
    inputs = np.random.default_rng(1).normal(size=12)
    few, many = (eie.simulate_network(network(), inputs, eie.Hardware(n_pe=n)) for n in (2, 4))
    assert np.array_equal(few[1].outputs, many[1].outputs)
    assert few[0].simulation.cycles > many[0].simulation.cycles


def test_everything_that_runs_takes_a_matrix_a_layer_or_a_network() -> None:
    """Encoded for any number of PEs, the three are the same to the simulators and to the engine."""
    matrix = network().layers[1].matrix
    layer = eie.Layer("layer", matrix)
    inputs = np.random.default_rng(1).normal(size=9).astype(np.float32)
    for hardware in (None, eie.Hardware(n_pe=3), eie.Hardware(n_pe=2)):
        things = (matrix, layer, eie.Network((layer,)), matrix.interleave(8 if hardware else 3))
        cycles = {eie.simulate(thing, inputs, hardware).cycles for thing in things}
        for thing in things:
            (simulated,) = eie.simulate_network(thing, inputs, hardware)
            (stepped,) = run_stepped(thing, inputs, hardware)
            assert np.array_equal(simulated.outputs, stepped.outputs)
            assert {simulated.simulation.cycles, stepped.cycles} == cycles
    runs = [eie.InferenceSession(eie.calibrate(thing, inputs), numerics="chip").run(inputs) for thing in things]
    assert all(np.array_equal(run, runs[0]) for run in runs)


def test_a_network_takes_what_its_layers_take() -> None:
    """One after the other."""
    inputs = np.random.default_rng(1).normal(size=12)
    whole = eie.simulate(network(), inputs)
    layers = [layer.simulation for layer in eie.simulate_network(network(), inputs)]
    assert whole.cycles == sum(layer.cycles for layer in layers)
    assert whole.counts.macs == sum(layer.counts.macs for layer in layers)


def test_refusals() -> None:
    """A batch, or a layer too large with strict on, is one sentence."""
    with pytest.raises(InputError) as error:
        eie.simulate_network(network(), np.ones((2, 12)), eie.Hardware(n_pe=3))
    assert str(error.value) == "the chip runs one input at a time, but the inputs are a batch of 2"
    with pytest.raises(InputError) as error:
        eie.simulate(network(), np.ones(12), activation_fraction=3)
    assert str(error.value) == ("activation_fraction is for a matrix, and network has formats of its own: leave it out")
    with pytest.raises(InputError) as error:
        eie.simulate_network(network(), np.ones(12), eie.Hardware(n_pe=3, strict=True, pointer_bytes=4))
    assert str(error.value) == (
        "layer hidden does not fit the chip: the pointer memory of PE 0 needs 13 pointers and has 2"
    )

"""The words of the host: the rule beside what is really written and read."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.program.host import HostWords, host_words
from eie.program.lowering import lower_run
from eie.silicon.host_words import counted
from eie.silicon.host_words import host_words as words_of
from eie.silicon.parameters import Parameters
from eie.steps.convolution import Convolution
from eie.steps.image import Image, Window
from silicon.networks import random_network

SIZES = [
    ([30, 15, 7], {"n_pe": 3, "register_entries": 4}),  # batches, passes, and a layer that is kept
    ([8, 8, 8, 8], {"n_pe": 4, "register_entries": 2}),
    ([5, 9, 3], {"n_pe": 1, "register_entries": 3}),
    ([40, 6], {"n_pe": 5, "register_entries": 64, "spmat_width_bits": 16}),
]


@pytest.mark.parametrize(("layers", "sizes"), SIZES)
def test_the_rule_counts_what_goes_to_the_rtl(layers: list[int], sizes: dict[str, int]) -> None:
    """Word by word, of every kind."""
    network = random_network(1, layers, sizes["n_pe"])
    hardware = eie.Hardware(**sizes, batched=True)
    x = np.random.default_rng(0).normal(size=layers[0])
    run = lower_run(network, x, hardware)
    parameters = Parameters.of(run.program)
    vectors = [np.zeros(layer.layer.inputs, np.int64) for layer in run.program.layers]
    written = counted(words_of(run.program, parameters, vectors), parameters)
    assert eie.simulate(run.program.network, x, hardware).host == written


def test_alex8() -> None:
    """The shape of the published layer: what it needs for each input, whatever its weights."""
    codes = np.zeros((1000, 4097), np.uint8)
    codes[0] = 1
    matrix = eie.encode(codes, np.arange(16), n_pe=64)
    found = eie.simulate(matrix, np.ones(4097, int), eie.Hardware(register_entries=65, batched=True)).host
    assert (found.inputs, found.presets, found.settings, found.reads) == (4160, 4160, 7, 1000)
    assert found.per_input == 9327
    assert found.model == 16 + 64 * 4098 + -(-4097 // 8)


def test_a_file_as_long_as_the_layer_where_nothing_is_batched() -> None:
    """Off, `batched` has files as long as the vectors, and one scan."""
    matrix = eie.encode(np.ones((10, 6), int), np.arange(16), n_pe=2)
    hardware = eie.Hardware(n_pe=2, register_entries=2)
    assert eie.simulate(matrix, np.ones(6, int), hardware).host == HostWords(
        model=16 + 2 * 7 + 2 * 4, inputs=6, presets=10, settings=7, reads=10
    )


def test_a_convolution_writes_its_model_once() -> None:
    """Each place is a run of its own; a single pass leaves the weights where they are."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (4, 1 * 9))
    layer = eie.Layer("conv", eie.encode(codes, rng.normal(size=16) * (np.arange(16) > 0), n_pe=2))
    network = eie.Network((Convolution("image", Image(1, 5, 5), Window((3, 3)), layer),))
    (found,) = eie.simulate_network(network, rng.normal(size=25))
    assert found.runs == 9
    (one,) = {host_words(found.lowered.passes, found.simulation.hardware)}
    assert found.simulation.host.model == one.model
    assert found.simulation.host.reads == 9 * one.reads

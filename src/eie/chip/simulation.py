"""A whole network on the chip: each layer simulated with the activations that the layer before hands on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.chip.hardware import Hardware
from eie.chip.memories import require_capacity
from eie.chip.timing import Simulation, simulate_matrix
from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.numerics import dequantise, quantise
from eie.model.reference import calibrate, chip_layer, formats_of, input_batch

__all__ = ["ChipRun", "LayerSimulation", "chip_run", "simulate", "simulate_network"]


class LayerSimulation(NamedTuple):
    """One layer of a network on the chip.

    `activations` went in, in Q(fa); `simulation` is what it took; `outputs` came out, in Q(fo); `overflows` sums
    wrapped. A layer inside another step runs several times, once for each place of a convolution say: `runs` times, one
    row of activations and outputs for each, and `simulation` is their sum.
    """

    layer: Layer
    activations: npt.NDArray[np.int64]  # (inputs,), or (runs, inputs)
    simulation: Simulation
    outputs: npt.NDArray[np.int64]  # (outputs,), or (runs, outputs)
    overflows: int
    runs: int = 1


class ChipRun(NamedTuple):
    """What the chip is given: the network over its PEs with formats, and the first layer's activations in Q(fa)."""

    network: Network
    activations: npt.NDArray[np.int64]


def chip_run(network: Network, inputs: npt.ArrayLike, hardware: Hardware) -> ChipRun:
    """Split a network of linear layers over the hardware's PEs and quantise one input vector of floats.

    Where a layer has no formats, all are chosen from this input. Raises InputError for a batch, a wrong shape and
    values that are not finite.
    """
    batch = _one_input(network, inputs)
    network = _prepared(network, batch, hardware)
    first = formats_of(network.chain()[0])
    return ChipRun(network, quantise(batch[0], first.activation_fraction, first.value_bits))


def simulate(
    what: Network | Layer | InterleavedCSC,
    inputs: npt.ArrayLike,
    hardware: Hardware | None = None,
    *,
    activation_fraction: int | None = None,
) -> Simulation:
    """Return the cycles and counts of a matrix, a layer or a whole network on the chip for one vector of inputs.

    It is split over the hardware's PEs first, by default as many as it is encoded for. The inputs of a layer or network
    are real numbers in its formats, or, where it has none, in the finest that hold this input: `simulate_network` tells
    what each layer takes and gives. Those of a matrix may be integers, the chip's values as they are; floats are
    quantised to Q(activation_fraction), by default the finest format that holds them. Raises InputError for a wrong
    shape, values that are not finite, a format given to a network, and, with `hardware.strict`, a layer too large.
    """
    if isinstance(what, InterleavedCSC):
        return simulate_matrix(what, inputs, hardware, activation_fraction=activation_fraction)
    if activation_fraction is not None:
        raise InputError(f"activation_fraction is for a matrix, and {what.name} has formats of its own: leave it out")
    return Simulation.total([one.simulation for one in simulate_network(what, inputs, hardware)])


def simulate_network(
    network: Network | Layer | InterleavedCSC, inputs: npt.ArrayLike, hardware: Hardware | None = None
) -> tuple[LayerSimulation, ...]:
    """Return every layer's simulation for one input vector of floats, the layers one after the other.

    The network is split over the hardware's PEs first, by default as many as it is encoded for. Where it has no
    formats, they are chosen from this input. What is not a compressed layer is computed in float64 and takes no cycles.
    Raises InputError for a wrong shape, values that are not finite, and, with `hardware.strict`, a layer too large.
    """
    network = Network.of(network)
    hardware = Hardware(n_pe=network.n_pe) if hardware is None else hardware
    vectors: npt.NDArray[np.floating] = _one_input(network, inputs).astype(np.float64)
    network = _prepared(network, vectors, hardware)
    runs: dict[str, list[LayerSimulation]] = {layer.name: [] for layer in network.layers}

    def multiply(layer: Layer, batch: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        formats = formats_of(layer)
        # Values that the layer before handed on are in this format already: nothing is lost.
        for activations in quantise(batch, formats.activation_fraction, formats.value_bits):
            simulation = simulate_matrix(layer.matrix, activations, hardware)
            outputs, overflows = chip_layer(layer, activations)
            runs[layer.name].append(LayerSimulation(layer, activations, simulation, outputs, overflows))
        return dequantise([run.outputs for run in runs[layer.name][-len(batch) :]], formats.output_fraction)

    for step in network:
        for layer in step.layers:
            if hardware.strict:
                require_capacity(layer.matrix, hardware, f"layer {layer.name}")
        vectors = step.run(vectors, multiply)
    return tuple(_sum(runs[layer.name]) for layer in network.layers)


def _one_input(network: Network, inputs: npt.ArrayLike) -> npt.NDArray[np.floating]:
    batch = input_batch(inputs, network.inputs)
    if len(batch) != 1:
        raise InputError(f"the chip runs one input at a time, but the inputs are a batch of {len(batch)}")
    return batch


def _prepared(network: Network, batch: npt.NDArray[np.floating], hardware: Hardware) -> Network:
    """Return `network` split over the PEs, its formats chosen from `batch` where a layer has none."""
    network = network.interleave(hardware.n_pe)
    if all(layer.formats is not None for layer in network.layers):
        return network
    return calibrate(network, batch, value_bits=hardware.value_bits, accumulator_bits=hardware.accumulator_bits)


def _sum(runs: list[LayerSimulation]) -> LayerSimulation:
    """Return several runs of a layer as one."""
    if len(runs) == 1:
        return runs[0]
    layer = runs[0].layer
    total = Simulation.total([run.simulation for run in runs])
    # These two are of the layer, not of its runs.
    counts = replace(total.counts, entries=layer.matrix.n_entries, nnz=layer.matrix.nnz)
    return LayerSimulation(
        layer,
        np.array([run.activations for run in runs]),
        replace(total, counts=counts),
        np.array([run.outputs for run in runs]),
        sum(run.overflows for run in runs),
        len(runs),
    )

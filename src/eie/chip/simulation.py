"""A whole network on the chip: each layer simulated with the activations that the layer before hands on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.chip.memories import require_capacity
from eie.chip.timing import Simulation, simulate_matrix, simulate_passes
from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.numerics import dequantise, quantise
from eie.model.reference import formats_of
from eie.program.arithmetic import chip_layer
from eie.program.hardware import Hardware
from eie.program.lowering import LoweredLayer, lower, one_input

__all__ = ["LayerSimulation", "simulate", "simulate_network"]


class LayerSimulation(NamedTuple):
    """One layer of a network on the chip.

    `activations` went in, in Q(fa); `simulation` is what it took; `outputs` came out, in Q(fo); `overflows` sums
    wrapped. A layer inside another step runs several times, once for each place of a convolution say: `runs` times, one
    row of activations and outputs for each, and `simulation` is their sum.
    """

    lowered: LoweredLayer
    activations: npt.NDArray[np.int64]  # (inputs,), or (runs, inputs)
    simulation: Simulation
    outputs: npt.NDArray[np.int64]  # (outputs,), or (runs, outputs)
    overflows: int
    runs: int = 1

    @property
    def layer(self) -> Layer:
        """The network's layer."""
        return self.lowered.layer


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
    return Simulation.total([layer.simulation for layer in simulate_network(what, inputs, hardware)])


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
    vectors: npt.NDArray[np.floating] = one_input(network, inputs).astype(np.float64)
    program = lower(network, hardware, vectors)
    lowered = {lowered_layer.layer.name: lowered_layer for lowered_layer in program.layers}
    runs: dict[str, list[LayerSimulation]] = {name: [] for name in lowered}
    if hardware.strict:
        for lowered_layer in program.layers:
            require_capacity(lowered_layer.passes, hardware, f"layer {lowered_layer.layer.name}")

    def multiply(layer: Layer, batch: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        formats, lowered_layer = formats_of(layer), lowered[layer.name]
        # Values that the layer before handed on are in this format already: nothing is lost.
        for activations in quantise(batch, formats.activation_fraction, formats.value_bits):
            simulation = simulate_passes(lowered_layer.passes, lowered_layer.places(activations), hardware)
            outputs, overflows = chip_layer(layer, activations)
            runs[layer.name].append(LayerSimulation(lowered_layer, activations, simulation, outputs, overflows))
        return dequantise([run.outputs for run in runs[layer.name][-len(batch) :]], formats.output_fraction)

    for step in program.network:
        vectors = step.run(vectors, multiply)
    return tuple(_sum(runs[name]) for name in lowered)


def _sum(runs: list[LayerSimulation]) -> LayerSimulation:
    """Return several runs of a layer as one."""
    if len(runs) == 1:
        return runs[0]
    layer = runs[0].layer
    total = Simulation.total([run.simulation for run in runs])
    # These two are of the layer, not of its runs.
    counts = replace(total.counts, entries=layer.matrix.n_entries, nnz=layer.matrix.nnz)
    return LayerSimulation(
        runs[0].lowered,
        np.array([run.activations for run in runs]),
        replace(total, counts=counts),
        np.array([run.outputs for run in runs]),
        sum(run.overflows for run in runs),
        len(runs),
    )

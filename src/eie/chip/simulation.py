"""Simulation of a whole network: each layer runs on the outputs of the steps before it."""

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
from eie.program.lowering import LoweredLayer, Program, lower, one_input

__all__ = ["LayerSimulation", "simulate", "simulate_network"]


class LayerSimulation(NamedTuple):
    """One layer of a network on the chip.

    `activations` are its inputs in Q(fa), `outputs` its outputs in Q(fo), and `overflows` the number of sums that
    wrapped. `simulation` has its cycles and counts. A layer inside another step runs several times, for example once
    for each place of a convolution: `runs` is how often, each run has a row of activations and of outputs, and
    `simulation` is the sum over the runs.
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

    It is first split over the hardware's PEs, by default as many as it is encoded for. The inputs of a layer or network
    are real numbers. They are quantised to its Q formats, or, if it has none, to formats chosen from this input;
    `simulate_network` returns every layer's part. The inputs of a matrix may be integers, which are the chip's values,
    or floats, which are quantised to Q(activation_fraction), by default the finest format that holds them. Raises
    InputError for a wrong shape, values that are not finite, `activation_fraction` with a layer or network, and, with
    `hardware.strict`, a layer too large for the memories.
    """
    if isinstance(what, InterleavedCSC):
        return simulate_matrix(what, inputs, hardware, activation_fraction=activation_fraction)
    if activation_fraction is not None:
        raise InputError(f"activation_fraction is for a matrix, and {what.name} has formats of its own: leave it out")
    return Simulation.total([layer.simulation for layer in simulate_network(what, inputs, hardware)])


def simulate_network(
    network: Network | Layer | InterleavedCSC, inputs: npt.ArrayLike, hardware: Hardware | None = None
) -> tuple[LayerSimulation, ...]:
    """Return every layer's simulation, in order, for one input vector of floats, (inputs,).

    The network is first split over the hardware's PEs, by default as many as it is encoded for. If it has no Q
    formats, they are chosen from this input. Operations other than compressed layers are computed in float64 and take
    no cycles. Raises InputError for a wrong shape, values that are not finite, and, with `hardware.strict`, a layer
    too large for the memories.
    """
    network = Network.of(network)
    hardware = Hardware(n_pe=network.n_pe) if hardware is None else hardware
    vectors: npt.NDArray[np.floating] = one_input(network, inputs).astype(np.float64)
    program = lower(network, hardware, vectors)
    lowered = {lowered_layer.layer.name: lowered_layer for lowered_layer in program.layers}
    runs: dict[str, list[LayerSimulation]] = {name: [] for name in lowered}
    kept = _kept(program)
    if hardware.strict:
        for lowered_layer in program.layers:
            require_capacity(lowered_layer.passes, hardware, f"layer {lowered_layer.layer.name}")

    def multiply(layer: Layer, batch: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        formats, lowered_layer = formats_of(layer), lowered[layer.name]
        # Outputs of the layer before are in this format already, so quantising them changes nothing.
        for activations in quantise(batch, formats.activation_fraction, formats.value_bits):
            simulation = simulate_passes(
                lowered_layer.passes, lowered_layer.places(activations), hardware, kept=layer.name in kept
            )
            outputs, overflows = chip_layer(layer, activations)
            runs[layer.name].append(LayerSimulation(lowered_layer, activations, simulation, outputs, overflows))
        return dequantise([run.outputs for run in runs[layer.name][-len(batch) :]], formats.output_fraction)

    program.network.run(vectors, multiply)
    return tuple(_sum(runs[name]) for name in lowered)


def _kept(program: Program) -> set[str]:
    """Return the layers whose inputs the layer before leaves in the register file (docs/hardware.md, H3)."""
    lowered = {layer.layer.name: layer for layer in program.layers}
    steps = program.network.steps
    return {
        step.name
        for number, step in enumerate(steps)
        if program.network.layer_before(number) == number - 1 >= 0 and len(lowered[steps[number - 1].name].passes) == 1
    }


def _sum(runs: list[LayerSimulation]) -> LayerSimulation:
    """Return the sum of several runs of a layer."""
    if len(runs) == 1:
        return runs[0]
    layer = runs[0].layer
    total = Simulation.total([run.simulation for run in runs])
    # Entries and nnz belong to the layer, however often it runs; so does its model, which a single pass leaves there.
    counts = replace(total.counts, entries=layer.matrix.n_entries, nnz=layer.matrix.nnz)
    if len(runs[0].lowered.passes) == 1:
        total = replace(total, host=replace(total.host, model=runs[0].simulation.host.model))
    return LayerSimulation(
        runs[0].lowered,
        np.array([run.activations for run in runs]),
        replace(total, counts=counts),
        np.array([run.outputs for run in runs]),
        sum(run.overflows for run in runs),
        len(runs),
    )

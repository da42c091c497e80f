"""A whole network on the chip: each layer simulated with the activations that the layer before hands on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.chip.capacity import require_capacity
from eie.chip.hardware import Hardware
from eie.chip.timing import Simulation, simulate
from eie.engine.reference import calibrate, chip_layer, formats_of, input_batch
from eie.errors import InputError
from eie.network import Layer, Network
from eie.numerics import quantise

__all__ = ["ChipRun", "LayerSimulation", "chip_run", "simulate_network"]


class LayerSimulation(NamedTuple):
    """One layer of a network on the chip.

    `activations` went in, in Q(fa); `simulation` is what it took; `outputs` came out, in Q(fo); `overflows` sums
    wrapped.
    """

    layer: Layer
    activations: npt.NDArray[np.int64]
    simulation: Simulation
    outputs: npt.NDArray[np.int64]
    overflows: int


class ChipRun(NamedTuple):
    """What the chip is given: the network over its PEs with formats, and the first layer's activations in Q(fa)."""

    network: Network
    activations: npt.NDArray[np.int64]


def chip_run(network: Network, inputs: npt.ArrayLike, hardware: Hardware) -> ChipRun:
    """Split `network` over the hardware's PEs and quantise one input vector of floats.

    Where a layer has no formats, all are chosen from this input. Raises InputError for a batch, a wrong shape and
    values that are not finite.
    """
    batch = input_batch(inputs, network.inputs)
    if len(batch) != 1:
        raise InputError(f"the chip runs one input at a time, but the inputs are a batch of {len(batch)}")
    network = network.interleave(hardware.n_pe)
    if any(layer.formats is None for layer in network):
        network = calibrate(network, batch, value_bits=hardware.value_bits, accumulator_bits=hardware.accumulator_bits)
    first = formats_of(network.layers[0])
    return ChipRun(network, quantise(batch[0], first.activation_fraction, first.value_bits))


def simulate_network(network: Network, inputs: npt.ArrayLike, hardware: Hardware) -> tuple[LayerSimulation, ...]:
    """Return every layer's simulation for one input vector of floats, the layers one after the other.

    The network is split over the hardware's PEs first. Where it has no formats, they are chosen from this input.
    Raises InputError for a wrong shape, values that are not finite, and, with `hardware.strict`, a layer too large.
    """
    network, activations = chip_run(network, inputs, hardware)
    results = []
    for layer in network:
        if hardware.strict:
            require_capacity(layer.matrix, hardware, f"layer {layer.name}")
        simulation = simulate(layer.matrix, activations, hardware)
        outputs, overflows = chip_layer(layer, activations)
        results.append(LayerSimulation(layer, activations, simulation, outputs, overflows))
        activations = outputs
    return tuple(results)

"""Counts of values that saturate and sums that overflow when a network runs in the chip's arithmetic on a test set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eie.engine.chain import Chain
from eie.model.network import Batch, Layer, Network
from eie.model.reference import formats_of, input_batch

__all__ = ["Saturation", "saturation"]

BATCH = 256  # inputs at a time: a convolution's windows take many times the memory of its image


@dataclass
class Saturation:
    """How many values of one layer saturated, over all inputs of the test set.

    `saturated_inputs` of the `inputs` values did not fit their Q format after rounding. `saturated_outputs` of the
    `outputs` values are the format's largest or smallest number. `overflows` sums did not fit the accumulator and
    wrapped, so their outputs are wrong.
    """

    name: str
    inputs: int = 0
    saturated_inputs: int = 0
    outputs: int = 0
    saturated_outputs: int = 0
    overflows: int = 0


def saturation(network: Network, inputs: npt.ArrayLike) -> tuple[Saturation, ...]:
    """Return each layer's saturation counts for `inputs`, one vector or (batch, inputs), in the chip's arithmetic.

    Raises InputError for inputs of another shape, and for a network without formats.
    """
    chains = {layer.name: Chain([layer], "chip", 1, "") for layer in network.layers}
    found = {layer.name: Saturation(layer.name) for layer in network.layers}

    def multiply(layer: Layer, batch: Batch) -> Batch:
        formats, counted = formats_of(layer), found[layer.name]
        most = 2 ** (formats.value_bits - 1) - 1
        vectors = np.ascontiguousarray(batch, np.float32)
        outputs = np.empty((len(vectors), layer.outputs), np.float32)
        overflows = np.zeros(1, np.uint64)
        chains[layer.name].run(vectors, outputs, overflows)
        rounded = np.rint(np.ldexp(vectors.astype(np.float64), formats.activation_fraction))
        counted.inputs += rounded.size
        counted.saturated_inputs += int(np.count_nonzero((rounded > most) | (rounded < -most - 1)))
        numbers = np.ldexp(outputs.astype(np.float64), formats.output_fraction)
        counted.outputs += numbers.size
        counted.saturated_outputs += int(np.count_nonzero((numbers >= most) | (numbers <= -most - 1)))
        counted.overflows += int(overflows[0])
        return outputs

    everything = input_batch(inputs, network.inputs).astype(np.float32)
    for first in range(0, len(everything), BATCH):
        network.run(everything[first : first + BATCH], multiply)
    return tuple(found.values())

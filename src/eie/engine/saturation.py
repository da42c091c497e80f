"""How often the chip's numbers are too small for a network: values that saturate, sums that overflow, on a test set."""

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
    """One layer over all inputs. Of `inputs` and `outputs` values each, how many were at a limit of their Q format.

    Inputs are counted where a rounded value had to be cut; outputs where they came out at the largest or smallest
    number there is. `overflows` sums did not fit the accumulator and wrapped: those outputs are wrong.
    """

    name: str
    inputs: int = 0
    saturated_inputs: int = 0
    outputs: int = 0
    saturated_outputs: int = 0
    overflows: int = 0


def saturation(network: Network, inputs: npt.ArrayLike) -> tuple[Saturation, ...]:
    """Return what each layer's formats did to `inputs`, one vector or (batch, inputs), in the chip's arithmetic.

    Raises InputError for inputs of another shape and a network without formats.
    """
    chains = {layer.name: Chain([layer], "chip", 1, "") for layer in network.products}
    found = {layer.name: Saturation(layer.name) for layer in network.products}

    def multiply(layer: Layer, batch: Batch) -> Batch:
        formats, one = formats_of(layer), found[layer.name]
        most = 2 ** (formats.value_bits - 1) - 1
        vectors = np.ascontiguousarray(batch, np.float32)
        outputs = np.empty((len(vectors), layer.outputs), np.float32)
        overflows = np.zeros(1, np.uint64)
        chains[layer.name].run(vectors, outputs, overflows)
        rounded = np.rint(np.ldexp(vectors.astype(np.float64), formats.activation_fraction))
        one.inputs += rounded.size
        one.saturated_inputs += int(np.count_nonzero((rounded > most) | (rounded < -most - 1)))
        numbers = np.ldexp(outputs.astype(np.float64), formats.output_fraction)
        one.outputs += numbers.size
        one.saturated_outputs += int(np.count_nonzero((numbers >= most) | (numbers <= -most - 1)))
        one.overflows += int(overflows[0])
        return outputs

    everything = input_batch(inputs, network.inputs).astype(np.float32)
    for first in range(0, len(everything), BATCH):
        vectors: Batch = everything[first : first + BATCH]
        for step in network:
            vectors = step.run(vectors, multiply)
    return tuple(found.values())

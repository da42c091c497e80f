"""The chip's outputs, bit for bit, as plain NumPy: the reference for kernels, stepped chip and RTL.

A layer maps a vector of activations in Q(fa) to outputs in Q(fo). Each product is rounded, sums wrap to A bits, and
outputs saturate to B bits (docs/hardware.md, A4 to A7).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eie.model.network import Layer
from eie.model.numerics import Formats, Integers, product, saturate, wrap
from eie.program.constants import constants_of

__all__ = ["ChipOutputs", "chip_layer", "read_out"]


class ChipOutputs(NamedTuple):
    """A layer's outputs in Q(fo), (outputs,), and the number of sums that did not fit the accumulator."""

    values: Integers
    overflows: int


def chip_layer(layer: Layer, activations: Integers, formats: Formats | None = None) -> ChipOutputs:
    """Return the layer's outputs for one vector of activations in Q(fa), (inputs,).

    `formats` are the layer's own unless given.
    """
    constants = constants_of(layer, formats)
    formats = constants.formats
    starts, columns, codes = layer.matrix.rows
    running = np.cumsum(product(constants.codebook[codes], activations[columns], formats.value_bits))
    running = np.concatenate((np.zeros(1, np.int64), running))
    sums = running[starts[1:]] - running[starts[:-1]] + constants.bias
    accumulated = wrap(sums, formats.accumulator_bits)
    outputs = read_out(accumulated, formats, layer.relu)
    return ChipOutputs(outputs, int(np.count_nonzero(accumulated != sums)))


def read_out(accumulators: Integers, formats: Formats, relu: bool) -> Integers:
    """Return accumulators as they are read: saturated to B bits, then max(y, 0) if `relu`."""
    values = saturate(accumulators, formats.value_bits)
    return np.maximum(values, 0) if relu else values

"""A layer's constants as the chip holds them: codebook and bias in the layer's Q formats (docs/hardware.md, A3, A6)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from eie.model.network import Layer
from eie.model.numerics import Formats, Integers, quantise, quantise_codebook
from eie.model.reference import formats_of

__all__ = ["Constants", "constants_of"]


@dataclass(frozen=True, eq=False)
class Constants:
    """The integers of one layer.

    `codebook`, (2**code_bits,), is in Q(fw), B bits; `bias`, (outputs,), in Q(fo), A bits, zeros for a layer without.
    """

    formats: Formats
    codebook: Integers = field(repr=False)
    bias: Integers = field(repr=False)


def constants_of(layer: Layer, formats: Formats | None = None) -> Constants:
    """Return the layer's constants in `formats`, by default its own. Raises InputError if it has none."""
    formats = formats_of(layer) if formats is None else formats
    codebook = quantise_codebook(layer.matrix.codebook, formats.codebook_fraction, formats.value_bits)
    if layer.bias is None:
        bias = np.zeros(layer.outputs, np.int64)
    else:
        bias = quantise(layer.bias, formats.output_fraction, formats.accumulator_bits)
    return Constants(formats, codebook, bias)

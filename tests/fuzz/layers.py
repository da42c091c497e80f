"""One generator of awkward layers for every implementation: tiny, extreme, empty, uneven."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC, encode
from eie.model.network import Layer
from eie.model.numerics import Formats

__all__ = ["Case", "awkward_layer"]


class Case(NamedTuple):
    """A layer with formats, the codes that it was encoded of, and activations in Q(fa), (vectors, inputs)."""

    layer: Layer
    codes: npt.NDArray[np.uint8]
    activations: npt.NDArray[np.int64]
    queue_depth: int
    spmat_width_bits: int


def awkward_layer(rng: np.random.Generator, largest_side: int = 24, **fixed: int) -> Case:
    """Draw a layer: sizes down to 1, PEs beyond the rows, empty rows and columns, one PE with all the work, long gaps.

    Codebooks have equal values, values at both ends of what the multiplier takes, zeros that are kept, and numbers of
    very different sizes; accumulators are as narrow as values, so that sums wrap; activations are at their limits.
    `fixed` are those of n_pe, code_bits, index_bits, value_bits and accumulator_bits that a chip has already.
    """
    outputs, inputs = (int(side) for side in rng.integers(1, largest_side + 1, 2))
    if rng.random() < 0.1:
        outputs = int(rng.integers(1, 20 * largest_side))  # columns long enough for padding upon padding
    code_bits, index_bits = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    n_pe = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 64]))
    code_bits, index_bits = fixed.get("code_bits", code_bits), fixed.get("index_bits", index_bits)
    n_pe = fixed.get("n_pe", n_pe)
    density = rng.choice([0.0, 0.02, 0.1, 0.5, 1.0])
    largest = 2**code_bits
    codes = np.where(rng.random((outputs, inputs)) < density, rng.integers(1, largest, (outputs, inputs)), 0)
    if rng.random() < 0.3:
        codes[rng.random(outputs) < 0.5] = 0
    if rng.random() < 0.3:
        codes[:, rng.random(inputs) < 0.5] = 0
    if rng.random() < 0.1:
        codes[::n_pe] = rng.integers(1, largest)
    codes = codes.astype(np.uint8)
    value_bits = int(rng.choice([2, 3, 8, 15, 16]))
    value_bits = fixed.get("value_bits", value_bits)
    formats = Formats(
        int(rng.integers(-3, value_bits + 4)),
        int(rng.integers(-3, value_bits + 4)),
        value_bits,
        fixed.get("accumulator_bits", int(rng.integers(value_bits, 33))),
    )
    limit = 2 ** (value_bits - 1)
    wanted = rng.integers(-limit - 2, limit + 2, largest) if rng.random() < 0.5 else rng.normal(size=largest) * limit
    if rng.random() < 0.3:
        wanted = rng.choice([-limit, limit - 1, 0, 1, -1], largest)
    book = np.ldexp(wanted, -formats.codebook_fraction).astype(np.float32)
    book[0] = 0
    bias = None
    if rng.random() < 0.5:
        bias = np.ldexp(rng.normal(size=outputs) * limit, -formats.output_fraction).astype(np.float32)
    vectors = int(rng.choice([1, 1, 2, 5]))
    activations = rng.integers(-limit, limit, (vectors, inputs))
    if rng.random() < 0.3:
        activations = rng.choice([-limit, limit - 1], (vectors, inputs))
    activations[rng.random((vectors, inputs)) < rng.choice([0.0, 0.5, 0.9, 1.0])] = 0
    matrix: InterleavedCSC = encode(codes, book, n_pe, index_bits)
    layer = Layer("layer", matrix, bias, bool(rng.random() < 0.5), formats)
    return Case(layer, codes, activations, int(rng.choice([2, 3, 8])), int(rng.choice([16, 32, 64, 128])))

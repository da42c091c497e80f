"""A matrix's codes and relative indices, Huffman-coded: the smallest form of a model file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC
from eie.encoding.flat import FlatStream, flat_counts, flatten, unflatten
from eie.errors import InputError
from eie.storage import huffman

__all__ = ["Packed", "best_index_bits", "pack", "unpack"]


class Packed(NamedTuple):
    """A flat stream of `entries` entries with gaps of `index_bits` bits; each part its code lengths, then its bits."""

    index_bits: int
    entries: int
    codes: npt.NDArray[np.uint8]
    gaps: npt.NDArray[np.uint8]


def best_index_bits(matrix: InterleavedCSC) -> int:
    """Return the bits of a gap, 1 to 8, for which the Huffman-coded stream is smallest, of those that can be made."""
    counts = flat_counts(matrix, range(1, 9))

    def size(index_bits: int) -> int:
        found = counts[index_bits]
        table: int = 8 * 2**index_bits
        return table + huffman.coded_bits(found.codes) + huffman.coded_bits(found.gaps)

    return min((bits for bits in counts if counts[bits].fits), key=size, default=max(counts))


def pack(matrix: InterleavedCSC) -> Packed:
    """Return `matrix` packed."""
    index_bits = best_index_bits(matrix)
    stream = flatten(matrix, index_bits)
    return Packed(
        index_bits,
        len(stream.codes),
        huffman.encode(stream.codes, 2**matrix.code_bits),
        huffman.encode(stream.gaps, 2**index_bits),
    )


def unpack(
    packed: Packed, shape: tuple[int, int], codebook: npt.NDArray[Any], n_pe: int, index_bits: int
) -> InterleavedCSC:
    """Return the matrix of `packed`. Raises InputError for data that `pack` cannot have produced."""
    alphabets = (len(codebook), 2**packed.index_bits)
    parts = []
    for name, data, alphabet in zip(("codes", "gaps"), (packed.codes, packed.gaps), alphabets, strict=True):
        if data.dtype != np.uint8 or data.ndim != 1:
            raise InputError(f"packed {name} must be uint8 of one dimension, not {data.dtype} of {data.ndim}")
        try:
            parts.append(huffman.decode(data, alphabet, packed.entries))
        except ValueError as error:
            raise InputError(f"packed {name}: {error}") from error
    return unflatten(FlatStream(*parts), shape, codebook, n_pe, index_bits)

"""A matrix as one flat stream of codes and relative indices: Deep Compression's form, the smallest to store.

The matrix is read row by row as one vector. An entry is a code and the number of zeros since the entry before; a gap
too long for its bits is bridged by fillers, as in the columns of `eie.encoding.csc`. The stream has no pointers, so it
can only be decoded as a whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie import _native
from eie.encoding.csc import MAX_BYTES, InterleavedCSC, RowCodes, from_rows
from eie.errors import InputError

__all__ = ["FlatStream", "flatten", "unflatten"]


class FlatStream(NamedTuple):
    """Entries of the flat stream: `codes`, 0 for a filler, and `gaps`, the zeros before each; both uint8 (entries,)."""

    codes: npt.NDArray[np.uint8]
    gaps: npt.NDArray[np.uint8]


def flatten(matrix: InterleavedCSC, index_bits: int) -> FlatStream:
    """Return `matrix` as a flat stream with gaps of `index_bits` bits, 1 to 8.

    Raises InputError if the stream, fillers included, would take more than MAX_BYTES.
    """
    try:
        return FlatStream(*_native.flat_encode(*matrix.rows, matrix.inputs, index_bits, MAX_BYTES))
    except ValueError as error:
        raise InputError(str(error)) from error


def unflatten(
    stream: FlatStream, shape: tuple[int, int], codebook: npt.NDArray[np.float32], n_pe: int, index_bits: int
) -> InterleavedCSC:
    """Return the (outputs, inputs) matrix of a stream, encoded for `n_pe` PEs with indices of `index_bits` bits.

    Raises InputError, naming the entry, for a stream that runs past the matrix.
    """
    try:
        rows = RowCodes(*_native.flat_decode(*stream, *shape))
    except ValueError as error:
        raise InputError(f"not a flat stream of {shape[0]} x {shape[1]} weights: {error}") from error
    return from_rows(rows, shape, codebook, n_pe, index_bits)

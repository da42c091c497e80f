"""A matrix as one flat stream of codes and relative indices: Deep Compression's form, the smallest to store.

The matrix is read row by row as one vector. An entry is a code and the number of zeros since the entry before; a gap
too long for its bits is bridged by fillers, as in the columns of `eie.encoding.csc`. The stream has no pointers, so it
can only be decoded as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.encoding.csc import MAX_BYTES, InterleavedCSC, RowCodes, from_rows
from eie.errors import InputError

__all__ = ["FlatCounts", "FlatStream", "flat_counts", "flatten", "unflatten"]


class FlatStream(NamedTuple):
    """Entries of the flat stream: `codes`, 0 for a filler, and `gaps`, the zeros before each; both uint8 (entries,)."""

    codes: npt.NDArray[np.uint8]
    gaps: npt.NDArray[np.uint8]


class FlatCounts(NamedTuple):
    """How often each code and each gap is in a flat stream: int64 (2**code_bits,) and (2**index_bits,)."""

    codes: npt.NDArray[np.int64]
    gaps: npt.NDArray[np.int64]

    @property
    def entries(self) -> int:
        """Entries of the stream, fillers included."""
        return int(self.codes.sum())

    @property
    def fits(self) -> bool:
        """Whether the stream, two bytes an entry, takes no more than MAX_BYTES."""
        return 2 * self.entries <= MAX_BYTES


def flat_counts(matrix: InterleavedCSC, index_bits: Iterable[int]) -> dict[int, FlatCounts]:
    """Return what is in the flat stream of `matrix`, for each number of bits of a gap, without making the stream."""
    starts, columns, codes = matrix.rows
    places = np.repeat(np.arange(matrix.outputs), np.diff(starts)) * matrix.inputs + columns
    zeros = np.diff(places, prepend=-1) - 1
    code_counts = np.bincount(codes, minlength=2**matrix.code_bits)
    found = {}
    for bits in index_bits:
        fillers = int((zeros >> bits).sum())
        gaps = np.bincount(zeros & (2**bits - 1), minlength=2**bits)
        gaps[-1] += fillers
        with_fillers = code_counts.copy()
        with_fillers[0] += fillers
        found[bits] = FlatCounts(with_fillers, gaps)
    return found


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

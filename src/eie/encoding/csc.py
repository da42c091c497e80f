"""The form of a compressed layer: interleaved, relative-indexed CSC, as the chip's memories hold it.

`encode` turns an (outputs, inputs) array of codebook indices into an `InterleavedCSC`; `decode` is its inverse. The
rules are docs/hardware.md, E1 to E9: row i belongs to processing element (PE) i mod N. Per PE and column, the entries
are the non-zero codes in ascending row, each with the number of zeros before it. A gap too long for the relative index
is bridged by padding entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.errors import InputError
from eie.support.arrays import owned, sealed

__all__ = ["MAX_BYTES", "MAX_PES", "MAX_SIDE", "InterleavedCSC", "RowCodes", "encode", "encode_column", "from_rows"]

MAX_PES = 1024
MAX_INDEX_BITS = 8
MAX_SIDE = 2**24  # outputs or inputs; limits the memory that a hostile file can make us allocate
MAX_BYTES = 2**32  # size of one matrix, encoded or as dense codes; the same limit for small files that expand

Codes = npt.NDArray[np.uint8]


class RowCodes(NamedTuple):
    """Codes by row (CSR): row i has the weights `starts[i]` to `starts[i + 1]`, its columns ascending."""

    starts: npt.NDArray[np.int64]  # (outputs + 1,)
    columns: npt.NDArray[np.uint32]  # (weights,)
    codes: Codes  # (weights,), 1 to 2**code_bits - 1


@dataclass(frozen=True, eq=False)
class InterleavedCSC:
    """A layer's shared weights, split over `n_pe` processing elements (PEs). It owns its arrays, which are read-only.

    `shape` is (outputs, inputs). `codebook` holds the 2**code_bits shared weights as float32, the first of them 0.
    `entries` holds the entries of all PEs, PE 0 first, each PE's column by column. An entry has its code in the low
    `code_bits` bits and its relative index in the `index_bits` bits above: uint8, or uint16 if the two need more than
    8 bits. `pointers`, uint32 (n_pe, inputs + 1), are the column pointers: where each column starts within its PE's
    entries; each PE's first pointer is 0.
    """

    most_index_bits: ClassVar[int] = MAX_INDEX_BITS

    shape: tuple[int, int]
    n_pe: int
    index_bits: int
    code_bits: int
    codebook: npt.NDArray[np.float32] = field(repr=False)
    entries: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] = field(repr=False)
    pointers: npt.NDArray[np.uint32] = field(repr=False)

    def __post_init__(self) -> None:
        """Check sizes and types, and copy arrays that other code could write to; `validate` checks their contents."""
        outputs, inputs = self.shape
        object.__setattr__(self, "shape", (outputs, inputs))
        if not (1 <= outputs <= MAX_SIDE and 1 <= inputs <= MAX_SIDE):
            raise InputError(f"shape must be 1 to {MAX_SIDE} outputs and inputs, not {outputs} x {inputs}")
        _check_parameters(self.n_pe, self.code_bits, self.index_bits, self.most_index_bits)
        for name, expected_shape, expected_type in (
            ("codebook", (2**self.code_bits,), np.float32),
            ("entries", None, np.uint8 if self.code_bits + self.index_bits <= 8 else np.uint16),
            ("pointers", (self.n_pe, inputs + 1), np.uint32),
        ):
            array = getattr(self, name)
            if array.dtype != expected_type:
                raise InputError(f"{name} must be {np.dtype(expected_type)}, not {array.dtype}")
            if (array.ndim != 1) if expected_shape is None else (array.shape != expected_shape):
                raise InputError(f"{name} must have shape {expected_shape or '(entries,)'}, not {array.shape}")
            object.__setattr__(self, name, owned(array))
        _check_codebook(self.codebook)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle a matrix through its constructor, which checks it."""
        return type(self), tuple(getattr(self, attribute.name) for attribute in fields(self))

    @property
    def outputs(self) -> int:
        """Rows of the matrix."""
        return self.shape[0]

    @property
    def inputs(self) -> int:
        """Columns of the matrix."""
        return self.shape[1]

    @property
    def n_entries(self) -> int:
        """Entries of all PEs, padding included."""
        return len(self.entries)

    @property
    def entry_bits(self) -> int:
        """Bits of an entry: a code and an index."""
        return self.code_bits + self.index_bits

    @cached_property
    def nnz(self) -> int:
        """Weights kept: entries that are not padding."""
        return int(np.count_nonzero(self.codes))

    @property
    def codes(self) -> Codes:
        """Each entry's code, 0 for padding; shape (entries,)."""
        codes: Codes = (self.entries & (2**self.code_bits - 1)).astype(np.uint8)
        return codes

    @property
    def relative_indices(self) -> Codes:
        """Each entry's relative index: the zeros before it in its column and PE; shape (entries,)."""
        return (self.entries >> self.code_bits).astype(np.uint8)

    @cached_property
    def slice_starts(self) -> npt.NDArray[np.int64]:
        """Where each PE's entries start in `entries`, and the end; shape (n_pe + 1,)."""
        return sealed(np.concatenate(([0], np.cumsum(self.pointers[:, -1], dtype=np.int64))))

    @cached_property
    def counts(self) -> npt.NDArray[np.uint32]:
        """Entries per PE and column, padding included; shape (n_pe, inputs)."""
        return sealed(np.diff(self.pointers, axis=1))

    def local_rows(self, pe: int) -> int:
        """Return how many of the matrix's rows belong to PE `pe`."""
        return len(range(pe, self.outputs, self.n_pe))

    def validate(self) -> None:
        """Raise InputError, naming the first wrong place, if pointers or entries break the encoding's rules."""
        if self._problem:
            raise InputError(f"not a valid encoding: {self._problem}")

    @cached_property
    def _problem(self) -> str:
        # The arrays are read-only, so one check is enough.
        return _native.check(self.entries, self.pointers, self.outputs, self.code_bits, self.index_bits)

    @cached_property
    def rows(self) -> RowCodes:
        """The same weights by row, read-only. Raises InputError if the encoding is not valid."""
        self.validate()
        starts, columns, codes = _native.decode(
            self.entries, self.pointers, self.outputs, self.code_bits, self.index_bits
        )
        return RowCodes(sealed(starts), sealed(columns), sealed(codes))

    @property
    def by_column(self) -> RowCodes:
        """The same weights by column: those of the transposed matrix by row."""
        starts, columns, codes = self.rows
        order = np.argsort(columns, kind="stable")
        rows = np.repeat(np.arange(self.outputs, dtype=np.uint32), np.diff(starts))[order]
        ends = np.bincount(columns, minlength=self.inputs).cumsum()
        return RowCodes(np.concatenate((np.zeros(1, np.int64), ends)), rows, codes[order])

    def transpose(self, n_pe: int | None = None, index_bits: int | None = None) -> InterleavedCSC:
        """Return the transposed matrix, encoded for `n_pe` PEs and relative indices of `index_bits` bits."""
        n_pe = self.n_pe if n_pe is None else n_pe
        index_bits = self.index_bits if index_bits is None else index_bits
        return from_rows(self.by_column, (self.inputs, self.outputs), self.codebook, n_pe, index_bits)

    def decode(self) -> Codes:
        """Return the codes as an (outputs, inputs) array: the inverse of `encode`.

        Raises InputError if they would take more than MAX_BYTES.
        """
        try:
            return _native.dense_from_rows(*self.rows, self.outputs, self.inputs, MAX_BYTES)
        except ValueError as error:
            raise InputError(str(error)) from error

    def dense(self) -> npt.NDArray[np.float32]:
        """Return the weights themselves as an (outputs, inputs) array."""
        weights: npt.NDArray[np.float32] = self.codebook[self.decode()]
        return weights

    def interleave(self, n_pe: int | None = None, index_bits: int | None = None) -> InterleavedCSC:
        """Return the same weights split over `n_pe` PEs, with relative indices of `index_bits` bits."""
        n_pe = self.n_pe if n_pe is None else n_pe
        index_bits = self.index_bits if index_bits is None else index_bits
        if (n_pe, index_bits) == (self.n_pe, self.index_bits):
            return self
        return from_rows(self.rows, self.shape, self.codebook, n_pe, index_bits)

    def reorder(
        self, row_order: npt.NDArray[np.int64] | None = None, column_order: npt.NDArray[np.int64] | None = None
    ) -> InterleavedCSC:
        """Return the matrix with row `row_order[k]` as row k and column `column_order[k]` as column k; None keeps them.

        Each order must have every row, or column, once.
        """
        if row_order is None and column_order is None:
            return self
        starts, columns, codes = self.rows
        weights = np.diff(starts)
        rows = np.arange(self.outputs) if row_order is None else row_order
        row = np.repeat(np.arange(self.outputs), weights[rows])
        ends = np.cumsum(weights[rows])
        taken = np.arange(len(codes)) + (starts[rows] - (ends - weights[rows]))[row]
        columns, codes = columns[taken], codes[taken]
        if column_order is not None:
            place = np.empty(self.inputs, np.uint32)
            place[column_order] = np.arange(self.inputs, dtype=np.uint32)
            columns = place[columns]
            ascending = np.lexsort((columns, row))
            columns, codes = columns[ascending], codes[ascending]
        together = RowCodes(np.concatenate((np.zeros(1, np.int64), ends)), columns, codes)
        return from_rows(together, self.shape, self.codebook, self.n_pe, self.index_bits)

    @classmethod
    def stack(cls, blocks: Sequence[InterleavedCSC]) -> InterleavedCSC:
        """Return matrices with the same inputs, codebook and encoding as one matrix, their rows after each other.

        The inverse of `row_blocks`.
        """
        first = blocks[0]
        rows = [block.rows for block in blocks]
        counts = np.concatenate([np.diff(block.starts) for block in rows])
        together = RowCodes(
            np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))),
            np.concatenate([block.columns for block in rows]),
            np.concatenate([block.codes for block in rows]),
        )
        shape = (sum(block.outputs for block in blocks), first.inputs)
        return from_rows(together, shape, first.codebook, first.n_pe, first.index_bits)

    def row_blocks(self, rows_per_block: int) -> Iterator[InterleavedCSC]:
        """Iterate over the matrix in blocks of at most `rows_per_block` rows, each encoded by itself."""
        if rows_per_block >= self.outputs:
            yield self
            return
        starts, columns, codes = self.rows
        for first in range(0, self.outputs, rows_per_block):
            block = starts[first : first + rows_per_block + 1]
            part = slice(int(block[0]), int(block[-1]))
            rows = RowCodes(block - block[0], columns[part], codes[part])
            yield from_rows(rows, (len(block) - 1, self.inputs), self.codebook, self.n_pe, self.index_bits)


def encode(codes: npt.ArrayLike, codebook: npt.ArrayLike, n_pe: int = 64, index_bits: int = 4) -> InterleavedCSC:
    """Encode an (outputs, inputs) array of codes for `n_pe` processing elements.

    `codebook` has 2, 4, ... or 256 float values, the first of them 0; code 0 is a pruned weight, any other is kept,
    even where its value is 0. Raises InputError for a wrong shape, a code outside the codebook or a parameter out of
    range.
    """
    book = np.array(codebook, np.float32)
    if book.ndim != 1 or len(book) not in {2**bits for bits in range(1, 9)}:
        raise InputError(f"codebook must have 2, 4, 8, ... or 256 values, not the shape {book.shape}")
    _check_codebook(book)
    array = np.asarray(codes)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"codes must be an (outputs, inputs) array with at least one of each, not {array.shape}")
    if array.dtype.kind not in "iu":
        raise InputError(f"codes must be integers, not {array.dtype}")
    if int(array.min()) < 0 or int(array.max()) >= len(book):
        wrong = int(array.min()) if int(array.min()) < 0 else int(array.max())
        raise InputError(f"codes must be 0 to {len(book) - 1}, the codebook's places, not {wrong}")
    outputs, inputs = array.shape
    _check_parameters(n_pe, len(book).bit_length() - 1, index_bits)
    rows = RowCodes(*_native.rows_from_dense(np.ascontiguousarray(array, np.uint8)))
    return from_rows(rows, (outputs, inputs), book, n_pe, index_bits)


def encode_column(codes: npt.ArrayLike, index_bits: int = 4) -> tuple[list[int], list[int]]:
    """Return one column of one PE as (codes, relative indices), as docs/hardware.md, E3 and E4, define them.

    `codes` are the PE's rows of that column, top to bottom. The tests compare the native encoder with this function.
    """
    out_codes: list[int] = []
    indices: list[int] = []
    zeros = 0
    for code in np.asarray(codes).tolist():
        if code == 0:
            zeros += 1
            continue
        while zeros >= 2**index_bits:
            out_codes.append(0)
            indices.append(2**index_bits - 1)
            zeros -= 2**index_bits
        out_codes.append(code)
        indices.append(zeros)
        zeros = 0
    return out_codes, indices


def from_rows(
    rows: RowCodes, shape: tuple[int, int], codebook: npt.NDArray[np.float32], n_pe: int, index_bits: int
) -> InterleavedCSC:
    """Encode codes by row; `shape` is (outputs, inputs), and the columns of each row must ascend within it.

    Raises InputError for other rows, and if pointers and entries, padding included, would take more than MAX_BYTES or
    a PE would have more entries than a 32-bit pointer can address.
    """
    code_bits = len(codebook).bit_length() - 1
    _check_parameters(n_pe, code_bits, index_bits)
    try:
        entries, pointers = _native.encode(*rows, *shape, n_pe, code_bits, index_bits, MAX_BYTES)
    except ValueError as error:
        raise InputError(str(error)) from error
    return InterleavedCSC(shape, n_pe, index_bits, code_bits, codebook, sealed(entries), sealed(pointers))


def _check_parameters(n_pe: int, code_bits: int, index_bits: int, most_index_bits: int = MAX_INDEX_BITS) -> None:
    for name, value, least, most in (
        ("n_pe", n_pe, 1, MAX_PES),
        ("code_bits", code_bits, 1, 8),
        ("index_bits", index_bits, 1, most_index_bits),
    ):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError(f"{name} must be an integer from {least} to {most}, not {value!r}")


def _check_codebook(codebook: npt.NDArray[np.float32]) -> None:
    if codebook[0] != 0:
        raise InputError(f"codebook entry 0 must be 0, the pruned weight, not {codebook[0]}")
    if not np.isfinite(codebook).all():
        raise InputError("codebook must be finite, but some of its values are NaN or infinite")

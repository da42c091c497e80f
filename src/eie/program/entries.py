"""How a PE's entries say which row they are for: the paper's relative index, or a rule of one's own.

A rule says which indices the entries of a column have, and what row the address accumulation makes of them. All else
follows: entries and padding, their bits in the weight memory, cycles, reads, energy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC, RowCodes
from eie.errors import InputError

__all__ = ["RELATIVE", "AbsoluteIndex", "Entries", "EntryRule", "RelativeIndex", "entries_by"]

Integers = npt.NDArray[np.int64]

MOST_ENTRY_BITS = 16


class Entries(NamedTuple):
    """Entries for some weights: `padding`, (weights,), come before each; `indices`, (entries,), are all in order."""

    padding: Integers
    indices: Integers


class EntryRule(ABC):
    """A rule for the indices of entries. Subclasses are frozen dataclasses."""

    @abstractmethod
    def index_bits(self, matrix: InterleavedCSC) -> int:
        """Return the bits of an index, at least 1; with those of a code at most 16."""

    @abstractmethod
    def entries(self, rows: Integers, before: Integers, index_bits: int) -> Entries:
        """Return the entries of all weights, column by column.

        `rows`, (weights,), are their local rows, ascending in a column. `before`, (weights,), is the row of the weight
        before it in the column, or -1.
        """

    @abstractmethod
    def row(self, before: Integers, codes: Integers, indices: Integers) -> Integers:
        """Return the local rows of entries, one of each of several columns; a code of 0 is padding.

        `before` is the row that the column reached with the entry before, -1 at its beginning.
        """


@dataclass(frozen=True)
class RelativeIndex(EntryRule):
    """The paper's rule: the zeros before a weight, gaps too long for an index padded (docs/hardware.md, E3, E4, E9)."""

    def index_bits(self, matrix: InterleavedCSC) -> int:
        """Return the bits with which the matrix is encoded."""
        return matrix.index_bits

    def entries(self, rows: Integers, before: Integers, index_bits: int) -> Entries:
        """Return gaps, a padding entry for each 2**index_bits zeros."""
        padding, rest = np.divmod(rows - before - 1, 2**index_bits)
        indices = np.full(len(rows) + int(padding.sum()), 2**index_bits - 1)
        indices[np.cumsum(padding + 1) - 1] = rest
        return Entries(padding, indices)

    def row(self, before: Integers, codes: Integers, indices: Integers) -> Integers:
        """Return the row that lies the index and one further on."""
        return before + indices + 1


@dataclass(frozen=True)
class AbsoluteIndex(EntryRule):
    """Every weight with its local row: no padding, but wider entries where a PE has many rows."""

    def index_bits(self, matrix: InterleavedCSC) -> int:
        """Return the bits that tell PE 0's rows apart."""
        return max(1, (matrix.local_rows(0) - 1).bit_length())

    def entries(self, rows: Integers, before: Integers, index_bits: int) -> Entries:
        """Return the rows."""
        return Entries(np.zeros_like(before), rows)

    def row(self, before: Integers, codes: Integers, indices: Integers) -> Integers:
        """Return the indices."""
        return indices


RELATIVE = RelativeIndex()


@dataclass(frozen=True, eq=False)
class _ByRule(InterleavedCSC):
    """A matrix whose entries follow another rule; `weights` is the same matrix by the paper's."""

    most_index_bits: ClassVar[int] = MOST_ENTRY_BITS - 1

    weights: InterleavedCSC = field(repr=False)

    @cached_property
    def rows(self) -> RowCodes:
        """The weights by row, which the native decoder, of the paper's rule, would not find in these entries."""
        return self.weights.rows

    @cached_property
    def _problem(self) -> str:
        return ""  # `entries_by` has checked it


def entries_by(rule: EntryRule, matrix: InterleavedCSC) -> InterleavedCSC:
    """Return a matrix with its entries by another rule, for the chip's memories; the paper's is the matrix itself.

    The matrix must be valid. Raises InputError where the rule's indices do not fit its bits, or do not lead back to the
    weights' rows.
    """
    if rule == RELATIVE:
        return matrix
    name, bits = type(rule).__name__, int(rule.index_bits(matrix))
    if not 1 <= bits <= MOST_ENTRY_BITS - matrix.code_bits:
        raise InputError(
            f"{name} needs {bits} bits an index, expected 1 to {MOST_ENTRY_BITS - matrix.code_bits} beside codes of "
            f"{matrix.code_bits} bits"
        )
    starts, columns, codes = matrix.rows
    row, pe = np.divmod(np.repeat(np.arange(matrix.outputs), np.diff(starts)), matrix.n_pe)
    by_column = np.lexsort((row, columns, pe))
    row, codes = row[by_column], codes[by_column]
    column = (pe * matrix.inputs + columns)[by_column]  # of all PEs
    before = np.where(np.diff(column, prepend=-1) > 0, -1, np.roll(row, 1))
    padding, indices = (np.asarray(part, np.int64) for part in rule.entries(row, before, bits))
    if padding.shape != row.shape or padding.min(initial=0) < 0 or indices.shape != (int((padding + 1).sum()),):
        raise InputError(f"{name} gives {len(indices)} indices, expected one for each weight and each padding entry")
    if indices.min(initial=0) < 0 or indices.max(initial=0) >= 2**bits:
        raise InputError(f"{name} gives an index of {indices.max()}, expected 0 to {2**bits - 1}, {bits} bits")
    places = np.cumsum(padding + 1) - 1
    all_codes = np.zeros(len(indices), np.int64)
    all_codes[places] = codes
    counts = np.bincount(column, padding + 1, matrix.n_pe * matrix.inputs).astype(np.int64)
    _check_rows(rule, counts, all_codes, indices, places, row)
    pointers = np.zeros((matrix.n_pe, matrix.inputs + 1), np.int64)
    np.cumsum(counts.reshape(matrix.n_pe, -1), axis=1, out=pointers[:, 1:])
    if pointers.max() >= 2**32:
        raise InputError(f"{name} gives a PE {pointers.max()} entries, expected less than 2**32")
    joined = indices << matrix.code_bits | all_codes
    entries = joined.astype(np.uint8) if bits + matrix.code_bits <= 8 else joined.astype(np.uint16)
    return _ByRule(
        matrix.shape, matrix.n_pe, bits, matrix.code_bits, matrix.codebook, entries, pointers.astype(np.uint32), matrix
    )


def _check_rows(
    rule: EntryRule, counts: Integers, codes: Integers, indices: Integers, places: Integers, rows: Integers
) -> None:
    """Follow all columns at once, entry by entry, as the address accumulation does."""
    starts = np.cumsum(counts) - counts
    found = np.empty_like(indices)
    reached = np.full(len(counts), -1, np.int64)
    for number in range(int(counts.max(initial=0))):
        some = np.flatnonzero(counts > number)
        entry = starts[some] + number
        found[entry] = reached[some] = rule.row(reached[some], codes[entry], indices[entry])
    wrong = np.flatnonzero(found[places] != rows)
    if len(wrong):
        raise InputError(
            f"{type(rule).__name__} must lead back to each weight's row, but takes local row {rows[wrong[0]]} for "
            f"{found[places[wrong[0]]]}"
        )

"""Arithmetic unit: four stages from an entry to its row's new sum.

Its rules: docs/hardware.md, A4, A5, E9, U6, U7.

1 codebook lookup and address accumulation; 2 accumulator read and multiplication; 3 shift and addition; 4 write.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import ARITHM_UNIT
from eie.chip.stepped.unit import Unit, Wires
from eie.model.numerics import Integers, wrap
from eie.program.constants import Constants
from eie.program.entries import RELATIVE, EntryRule

__all__ = ["ArithmUnit"]


class ArithmUnit(Unit):
    """Registers per PE: an entry in each of the four stages, and the local row of the column's latest entry."""

    signals = ARITHM_UNIT

    def __init__(self, n_pe: int, *lanes: int, rule: EntryRule = RELATIVE) -> None:
        self._rule = rule
        zeros: Integers = np.zeros((*lanes, n_pe), np.int64)
        none = np.zeros((*lanes, n_pe), bool)
        self._column_row: Integers = np.zeros(n_pe, np.int64)
        self._first1 = np.zeros(n_pe, bool)
        self._valid1, self._code1, self._index1, self._activation1 = none, zeros, zeros, zeros
        self._valid2, self._weight2, self._activation2, self._row2 = none, zeros, zeros, zeros
        self._valid3, self._product3, self._accumulated3, self._row3 = none, zeros, zeros, zeros
        self._valid4, self._sum4, self._row4 = none, zeros, zeros

    def write_codebook(self, constants: Constants) -> None:
        """I/O mode: the shared weights in fixed point, and the datapath's widths."""
        self._codebook = constants.codebook
        self._value_bits = constants.formats.value_bits
        self._accumulator_bits = constants.formats.accumulator_bits

    def load_codebook(self, codebook: Integers) -> None:
        """Take the shared weights of a layer, (2**code_bits,), the widths being those of the layer before."""
        self._codebook = codebook

    def propagate(self, wires: Wires) -> None:
        """Drive the second stage's read address and the fourth stage's write."""
        wires["pipeline_busy"] = self._valid1 | self._valid2 | self._valid3 | self._valid4
        wires["read_row"] = self._row2
        wires["write_valid"] = self._valid4
        wires["write_row"] = self._row4
        wires["write_value"] = self._sum4

    def update(self, wires: Wires) -> None:
        """Move every stage on, from the last to the first."""
        shifted = (self._product3 + (1 << (self._value_bits - 2))) >> (self._value_bits - 1)
        sum3 = wrap(self._accumulated3 + shifted, self._accumulator_bits)
        accumulated = self._newest(wires["read_value"], sum3)
        row1, column_row = self._rows()

        self._valid4, self._sum4, self._row4 = self._valid3, sum3, self._row3
        self._valid3, self._row3 = self._valid2, self._row2
        self._product3, self._accumulated3 = self._weight2 * self._activation2, accumulated
        self._valid2, self._activation2 = self._valid1, self._activation1
        self._weight2 = self._codebook[self._code1]
        self._column_row = column_row
        self._row2 = np.where(self._valid1, row1, 0)
        self._valid1 = wires["weight_valid"]
        self._code1, self._index1 = wires["weight_code"], wires["weight_index"]
        self._activation1, self._first1 = wires["weight_activation"], wires["weight_first"]

    def _newest(self, read_value: Integers, sum3: Integers) -> Integers:
        """Return the newest sum of the second stage's row: the adder's, the write stage's, or the file's."""
        accumulated = np.where(self._valid4 & (self._row4 == self._row2), self._sum4, read_value)
        return np.where(self._valid3 & (self._row3 == self._row2), sum3, accumulated)

    def _rows(self) -> tuple[Integers, Integers]:
        """Return the accumulator of the first stage's entry, and the local row that the column reaches with it."""
        row1 = self._rule.row(np.where(self._first1, -1, self._column_row), self._code1, self._index1)
        return row1, np.where(self._valid1, row1, self._column_row)

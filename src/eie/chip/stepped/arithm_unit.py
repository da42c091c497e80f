"""Arithmetic unit: four stages from an entry to its row's new sum.

Its rules: docs/hardware.md, A4, A5, E9, U6, U7.

1 codebook lookup and address accumulation; 2 accumulator read and multiplication; 3 shift and addition; 4 write.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eie.chip.stepped.signals import ARITHM_UNIT
from eie.chip.stepped.unit import Unit, Wires
from eie.numerics import Formats, quantise_codebook, wrap

__all__ = ["ArithmUnit"]


class ArithmUnit(Unit):
    """Registers per PE: an entry in each of the four stages, and the row that the column has come to."""

    signals = ARITHM_UNIT

    def __init__(self, n_pe: int) -> None:
        zeros = np.zeros(n_pe, np.int64)
        none = np.zeros(n_pe, bool)
        self._column_row = zeros
        self._valid1, self._code1, self._index1, self._activation1, self._first1 = none, zeros, zeros, zeros, none
        self._valid2, self._weight2, self._activation2, self._row2 = none, zeros, zeros, zeros
        self._valid3, self._product3, self._accumulated3, self._row3 = none, zeros, zeros, zeros
        self._valid4, self._sum4, self._row4 = none, zeros, zeros

    def write_codebook(self, codebook: npt.NDArray[np.float32], formats: Formats) -> None:
        """I/O mode: the shared weights in fixed point, and the datapath's widths."""
        self._codebook = quantise_codebook(codebook, formats.codebook_fraction, formats.value_bits)
        self._value_bits = formats.value_bits
        self._accumulator_bits = formats.accumulator_bits

    def propagate(self, wires: Wires) -> None:
        """Show the second stage's address and what the fourth writes."""
        wires["pipeline_busy"] = self._valid1 | self._valid2 | self._valid3 | self._valid4
        wires["read_row"] = self._row2
        wires["write_valid"] = self._valid4
        wires["write_row"] = self._row4
        wires["write_value"] = self._sum4

    def update(self, wires: Wires) -> None:
        """Move every stage on, from the last to the first."""
        shifted = (self._product3 + (1 << (self._value_bits - 2))) >> (self._value_bits - 1)
        sum3 = wrap(self._accumulated3 + shifted, self._accumulator_bits)
        # The second stage gets its row's newest sum: the adder's, the write stage's, or the file's.
        accumulated = np.where(self._valid4 & (self._row4 == self._row2), self._sum4, wires["read_value"])
        accumulated = np.where(self._valid3 & (self._row3 == self._row2), sum3, accumulated)
        row1 = np.where(self._first1, -1, self._column_row) + self._index1 + 1

        self._valid4, self._sum4, self._row4 = self._valid3, sum3, self._row3
        self._valid3, self._row3 = self._valid2, self._row2
        self._product3, self._accumulated3 = self._weight2 * self._activation2, accumulated
        self._valid2, self._activation2 = self._valid1, self._activation1
        self._weight2 = self._codebook[self._code1]
        self._column_row = np.where(self._valid1, row1, self._column_row)
        self._row2 = np.where(self._valid1, row1, 0)
        self._valid1 = wires["weight_valid"]
        self._code1, self._index1 = wires["weight_code"], wires["weight_index"]
        self._activation1, self._first1 = wires["weight_activation"], wires["weight_first"]

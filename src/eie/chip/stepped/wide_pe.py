"""Units of a PE with several arithmetic units, the lanes: each cycle issues one entry of a column per lane.

The signals of an entry have the shape (lanes, N); lane 0 has the first entry. The entries of a cycle belong to one
column and therefore to different rows; entries of earlier cycles may belong to any row, in any lane.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.arithm_unit import ArithmUnit
from eie.chip.stepped.ptr_read import PtrRead
from eie.chip.stepped.spmat_read import SpmatRead
from eie.chip.stepped.unit import Wires
from eie.model.numerics import Integers

__all__ = ["WideArithmUnit", "WidePtrRead", "WideSpmatRead"]


class WidePtrRead(PtrRead):
    """Issues up to `lanes` entries of the current column per cycle."""

    def __init__(self, n_pe: int, lanes: int) -> None:
        super().__init__(n_pe, entries_per_cycle=lanes)
        self._lane = np.arange(lanes)[:, None]

    def propagate(self, wires: Wires) -> None:
        """Issue the next entries; take the next activation in the column's last cycle."""
        super().propagate(wires)
        wires["entry_address"] = self._pointer + self._lane
        wires["entry_valid"] = self._valid & (wires["entry_address"] < self._end)


class WideSpmatRead(SpmatRead):
    """Reads the rows of all entries issued; `row_read` counts those that the buffer did not hold."""

    def __init__(self, n_pe: int, lanes: int) -> None:
        super().__init__(n_pe)
        self._valid = np.zeros((lanes, n_pe), bool)
        self._address = np.zeros((lanes, n_pe), np.int64)

    def update(self, wires: Wires) -> None:
        """Read, lane by lane, the rows that the buffer does not hold."""
        valid, address = wires["entry_valid"], wires["entry_address"]
        reads = np.zeros(len(self._pes), np.int64)
        for lane_valid, row in zip(valid, address // self._entries_per_row, strict=True):
            new = lane_valid & (row != self._buffered)
            self._buffered = np.where(new, row, self._buffered)
            reads += new
        self._read = reads
        self._valid = valid
        self._address = np.where(valid, address, 0)
        self._activation = wires["entry_activation"]
        self._first = wires["entry_first"]


class WideArithmUnit(ArithmUnit):
    """`lanes` units of four stages that share the accumulators; each forwards its row's newest sum from any lane."""

    def _newest(self, read_value: Integers, sum3: Integers) -> Integers:
        newest = read_value
        for valid, row, value in ((self._valid4, self._row4, self._sum4), (self._valid3, self._row3, sum3)):
            for lane in range(len(valid)):
                newest = np.where(valid[lane] & (row[lane] == self._row2), value[lane], newest)
        return newest

    def _rows(self) -> tuple[Integers, Integers]:
        reached, rows = np.where(self._first1, -1, self._column_row), []
        for valid, code, index in zip(self._valid1, self._code1, self._index1, strict=True):
            reached = np.where(valid, self._rule.row(reached, code, index), reached)
            rows.append(reached)
        return np.stack(rows), np.where(self._valid1[0], reached, self._column_row)

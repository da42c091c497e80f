"""Pointer read: reads where an activation's column begins and ends in each PE, and issues its entries one per cycle.

Its rules: docs/hardware.md, M3, T1, T2, U4.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import PTR_READ
from eie.chip.stepped.unit import Unit, Wires
from eie.program.lowering import Pass

__all__ = ["PtrRead"]


class PtrRead(Unit):
    """Registers per PE: the current activation, the next entry of its column and the column's end.

    The pointers lie in two single-ported banks, even and odd columns, so p_j and p_{j+1} are read in one cycle.
    """

    signals = PTR_READ

    def __init__(self, n_pe: int, entries_per_cycle: int = 1) -> None:
        self._entries_per_cycle = entries_per_cycle
        self._pes = np.arange(n_pe)
        self._valid = np.zeros(n_pe, bool)
        self._first = np.zeros(n_pe, bool)
        self._activation = np.zeros(n_pe, np.int64)
        self._pointer = np.zeros(n_pe, np.int64)
        self._end = np.zeros(n_pe, np.int64)

    def write_memory(self, part: Pass) -> None:
        """I/O mode: fill the banks with the pass's pointers."""
        self._banks = part.pointer_banks()

    def propagate(self, wires: Wires) -> None:
        """Issue an entry if the column has one left; take the next activation in the column's last cycle."""
        last = self._pointer + self._entries_per_cycle >= self._end
        wires["take"] = (~self._valid | last) & wires["queue_valid"]
        wires["stage_valid"] = self._valid
        wires["entry_valid"] = self._valid & (self._pointer < self._end)
        wires["entry_address"] = self._pointer
        wires["entry_activation"] = self._activation
        wires["entry_first"] = self._first

    def update(self, wires: Wires) -> None:
        """Step to the next entry, or read the pointers of the next activation."""
        take = wires["take"]
        column = np.where(take, wires["head_column"], 0)  # the head of an empty queue is stale
        beyond = column + 1
        begin = self._banks[column % 2, self._pes, column // 2]
        end = self._banks[beyond % 2, self._pes, beyond // 2]
        stays = self._valid & (self._pointer + self._entries_per_cycle < self._end)
        self._pointer = np.where(take, begin, self._pointer + stays * self._entries_per_cycle)
        self._end = np.where(take, end, self._end)
        self._activation = np.where(take, wires["head_value"], self._activation)
        self._first = take
        self._valid = take | stays

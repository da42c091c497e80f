"""Weight-memory read: reads one memory row at a time into a buffer, and selects the issued entry from it.

Its rules: docs/hardware.md, E7, E8, M4, U5.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import SPMAT_READ
from eie.chip.stepped.unit import Unit, Wires
from eie.program.lowering import Pass

__all__ = ["SpmatRead"]


class SpmatRead(Unit):
    """Registers per PE: the current entry with its activation, and the number of the memory row in the buffer."""

    signals = SPMAT_READ

    def __init__(self, n_pe: int) -> None:
        self._pes = np.arange(n_pe)
        self._valid = np.zeros(n_pe, bool)
        self._read = np.zeros(n_pe, bool)
        self._address = np.zeros(n_pe, np.int64)
        self._activation = np.zeros(n_pe, np.int64)
        self._first = np.zeros(n_pe, bool)
        self._buffered = np.full(n_pe, -1)

    def write_memory(self, part: Pass, entries_per_row: int) -> None:
        """I/O mode: fill the memories with the pass's entries; the buffer is empty afterwards."""
        self._entries_per_row = entries_per_row
        self._code_bits = part.matrix.code_bits
        images = [part.weight_rows(pe, entries_per_row).ravel() for pe in range(len(self._pes))]
        self._memory = np.zeros((len(images), max(1, *map(len, images))), np.int64)
        for memory, image in zip(self._memory, images, strict=True):
            memory[: len(image)] = image
        self.empty()

    def empty(self) -> None:
        """Empty the buffers: a pass begins."""
        self._buffered = np.full(len(self._pes), -1)

    def propagate(self, wires: Wires) -> None:
        """Split the current entry into code and relative index."""
        entry = self._memory[self._pes, self._address]
        wires["weight_valid"] = self._valid
        wires["row_read"] = self._read
        wires["weight_code"] = entry & ((1 << self._code_bits) - 1)
        wires["weight_index"] = entry >> self._code_bits
        wires["weight_activation"] = self._activation
        wires["weight_first"] = self._first

    def update(self, wires: Wires) -> None:
        """Read the memory row of the issued entry, unless the buffer holds it."""
        valid = wires["entry_valid"]
        row = wires["entry_address"] // self._entries_per_row
        self._read = valid & (row != self._buffered)
        self._buffered = np.where(self._read, row, self._buffered)
        self._valid = valid
        self._address = np.where(valid, wires["entry_address"], 0)
        self._activation = wires["entry_activation"]
        self._first = wires["entry_first"]

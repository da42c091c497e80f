"""Activation queue: a ring buffer per PE, filled by broadcasts and emptied by the PE's pointer stage.

Its rules: docs/hardware.md, Q1 to Q4.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import ACT_QUEUE
from eie.chip.stepped.unit import Unit, Wires

__all__ = ["ActQueue"]


class ActQueue(Unit):
    """Registers: `depth` slots, a read pointer and a count per PE; one write pointer, as broadcasts go to all PEs."""

    signals = ACT_QUEUE

    def __init__(self, n_pe: int, depth: int) -> None:
        self._depth = depth
        self._pes = np.arange(n_pe)
        self._columns = np.zeros((depth, n_pe), np.int64)
        self._values = np.zeros((depth, n_pe), np.int64)
        self._write = 0
        self._read = np.zeros(n_pe, np.int64)
        self._count = np.zeros(n_pe, np.int64)

    def start(self) -> None:
        """Begin a scan: the rings are empty already."""

    def propagate(self, wires: Wires) -> None:
        """Drive the oldest entries, and whether any ring is full, which is when one slot is free."""
        wires["any_full"] = bool((self._count >= self._depth - 1).any())
        wires["queue_valid"] = self._count > 0
        wires["queue_count"] = self._count.copy()
        wires["head_column"] = self._columns[self._read, self._pes]
        wires["head_value"] = self._values[self._read, self._pes]

    def update(self, wires: Wires) -> None:
        """Write the broadcast into every ring, and remove the entries that were taken."""
        take = wires["take"]
        if wires["broadcast"]:
            self._columns[self._write] = wires["broadcast_column"]
            self._values[self._write] = wires["broadcast_value"]
            self._write = (self._write + 1) % self._depth
        self._read = (self._read + take) % self._depth
        self._count += int(wires["broadcast"]) - take
